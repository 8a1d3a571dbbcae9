"""Values that must never be shown, and the redactor that every writer uses."""

from __future__ import annotations

import re

MASK = "***"


class Secret:
    """A key or token. Its text form is a mask; `reveal()` is called only where a header is written."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        """Whitespace around the value is dropped: a stray newline would be quoted by HTTP libraries."""
        self._value = value.strip()
        if self._value:
            _KNOWN.add(self._value)

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

_PATTERNS = (
    re.compile(r"\bhf_[A-Za-z0-9]{8,}"),
    re.compile(r"\bsk-[A-Za-z0-9_-]{6,}"),
    re.compile(r"\bnvapi-[A-Za-z0-9_-]{8,}"),
    re.compile(r"\bgh[pousr]_[A-Za-z0-9]{16,}"),
    re.compile(r"(?i)(?<=bearer )[A-Za-z0-9._~+/=-]{4,}"),
    re.compile(r"(?<=://)[^/\s:@\"']{1,256}:[^/\s@\"']{1,256}(?=@)"),
    re.compile(r"(?i)(?<=[?&](?:key|sig)=)[^&\s\"'#]+"),
    re.compile(r"(?i)(?<=[?&]token=)[^&\s\"'#]+"),
    re.compile(r"(?i)(?<=[?&]api_key=)[^&\s\"'#]+"),
    re.compile(r"(?i)(?<=[?&]apikey=)[^&\s\"'#]+"),
    re.compile(r"(?i)(?<=[?&]access_token=)[^&\s\"'#]+"),
    re.compile(r"(?i)(?<=api[-_]key[ =])(?![*])[^\s,\"'}]+"),
    re.compile(r"(?i)(?<=api[-_]key\":\")[^\"]+"),
    re.compile(r"(?i)(?<=api[-_]key\": \")[^\"]+"),
)


def redact(text: str) -> str:
    """`text` with every known secret and everything that looks like one replaced by a mask."""
    for value in sorted(_KNOWN, key=len, reverse=True):
        if len(value) >= 4:
            text = text.replace(value, MASK)
    for pattern in _PATTERNS:
        text = pattern.sub(MASK, text)
    return text
