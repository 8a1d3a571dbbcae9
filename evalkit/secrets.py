"""Values that must never be shown, and the redactor that every writer uses."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Sequence
from itertools import pairwise
from urllib.parse import quote

MASK = "***"


class Secret:
    """A key or token. Its text form is a mask; `reveal()` is called only where a header is written."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        """Whitespace around the value is dropped: a stray newline would be quoted by HTTP libraries."""
        self._value = value.strip()
        if len(self._value) >= _SHORTEST:
            _KNOWN.update(_forms(self._value))

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    __str__ = __repr__

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not serialised")


_KNOWN: set[str] = set()
#: a shorter secret is no secret, and masking it would tear words apart
_SHORTEST = 4


def _forms(value: str) -> set[str]:
    """How a value looks in an address, in JSON and in Basic authentication."""
    encoded = b64encode(value.encode()).decode().rstrip("=")
    return {value, quote(value, safe=""), json.dumps(value)[1:-1], encoded}


#: what comes before a value (kept), and the value (masked)
_PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"()(?<![a-z0-9_])(?:hf|api_org)_[a-z0-9]{34,}",
        r"()\bsk-[a-z0-9_-]{6,}",
        r"()\bnvapi-[a-z0-9_-]{8,}",
        r"()\b(?:gh[pousr]|github_pat)_[a-z0-9_]{16,}",
        r"(\b(?:bearer|basic) )[a-z0-9._~+/=-]{4,}",
        r"(://)[^/\s:@\"']{0,256}:[^/\s@\"']{1,256}(?=@)",
        r"(://)[^/\s:@\"']{8,256}(?=@)",
        r"([?&](?:[a-z]+[-_])?(?:api[-_]?key|key|token|sig|signature|secret|password)=)[^&\s\"'#]+",
        # start arguments: --api-key X, --admin-api-key=X, also as two words of a list
        r"(--[a-z-]*(?:api-key|token|password|secret)(?:=|\s+|[\"'],\s*[\"']))[^\s,\"'\]}]+",
        # fields of JSON, YAML and Python: "api_key": "X", api_key=X
        r"(\b[a-z_-]*(?:api[-_]?key|_token|password|secret)\\*[\"']?\s*[:=]\s*\\*[\"'])[^\"'\\]+",
        r"(\b[a-z_-]*api[-_]?key\s*=\s*)[^\s,\"'\]})&]+",
    )
)


#: a flag whose next word is a secret
_KEY_FLAG = re.compile(r"--?([a-z0-9]+[-_])*(key|token|password|secret)", re.IGNORECASE)


def redact_words(words: Sequence[str]) -> list[str]:
    """A command for a record. A key that was typed into it is known from now on, and so masked everywhere."""
    for flag, value in pairwise(words):
        if _KEY_FLAG.fullmatch(flag) and not value.startswith("-"):
            Secret(value)
    return [redact(word) for word in words]


def redact(text: str) -> str:
    """`text` with every known secret and everything that looks like one replaced by a mask. Redact before cutting: half
    a key is no longer found.
    """
    for value in sorted(_KNOWN, key=len, reverse=True):
        text = text.replace(value, MASK)
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\1{MASK}", text)
    return text
