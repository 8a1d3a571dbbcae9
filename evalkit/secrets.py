"""Values that must never be shown, and the redactor that every writer uses."""

from __future__ import annotations

import html
import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Sequence
from itertools import pairwise
from urllib.parse import quote, quote_plus

from evalkit.secret_shapes import OTHERS, SHORTEST_TOKEN, TOKENS, Shape, compiled, looks_drawn, names_a_secret
from evalkit.secret_spelling import Spelling, spelled, spellings

MASK = "***"


class Secret:
    """A key or token. Its text form is a mask; `reveal()` is called only where a header is written."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        """Whitespace around the value is dropped: a stray newline would be quoted by HTTP libraries."""
        self._value = value.strip()
        if len(self._value) >= _SHORTEST and self._value.lower() not in _PLACEHOLDERS:
            _KNOWN.update(_forms(self._value))
            _SPELLINGS.update(spellings(self._value))
            _ORDER.clear()

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
#: their letters and figures, and those of their encodings
_SPELLINGS: set[Spelling] = set()
#: the known values, longest first, next to the set that they were sorted from; empty until they are asked for
_ORDER: list[tuple[set[str], tuple[str, ...]]] = []
#: a shorter secret is not a secret, and masking it would tear words apart
_SHORTEST = 4
#: what documentations of servers that ask for no key give as one: masked, it would tear the names of engines and words
_PLACEHOLDERS = frozenset(
    {
        "dummy", "empty", "llama.cpp", "lm-studio", "lmdeploy", "local", "no-key", "no-key-required", "none",
        "not-needed", "null", "ollama", "sglang", "sk-no-key-required", "unused", "vllm",
    }
)  # fmt: skip
#: from this length on, a value is looked for in encodings of which only the middle is its own
_LONG = 12


def _forms(value: str) -> set[str]:
    """How a value looks in an address, in JSON, in HTML, in hex, and in Base64 with whatever before and behind it."""
    raw = value.encode()
    found = {
        value, quote(value, safe=""), quote(value), quote_plus(value), quote(quote(value, safe=""), safe=""),
        json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], html.escape(value),
        html.escape(value, quote=False), b64encode(raw).decode().rstrip("="),
        urlsafe_b64encode(raw).decode().rstrip("="),
    }  # fmt: skip
    if len(raw) >= _LONG:
        found |= {raw.hex(), raw.hex().upper()}
        for shift in (1, 2):
            inner = b64encode(bytes(shift) + raw).decode()[shift + 1 :].rstrip("=")
            found |= {inner[:-1], inner[:-1].replace("+", "-").replace("/", "_")}
    return found


def _longest_first() -> tuple[str, ...]:
    if not _ORDER or _ORDER[0][0] is not _KNOWN:
        _ORDER[:] = [(_KNOWN, tuple(sorted(_KNOWN, key=len, reverse=True)))]
    return _ORDER[0][1]


#: what a name of a secret ends with
_LAST = ("key", "token", "passwd", "password", "passphrase", "secret", "credential", "credentials", "pwd", "sshpass")
#: the sign of Python's bytes, before a quote
_B = r"(?:b(?=\\*[\"']))?"
#: a name and what is between it and its value: `api_key: "`, `--token `, `"password":"`, `HF_TOKEN=`, `secret%3D`,
#: `<apiKey>`, `(b'api-key', b'`
_NAMED = re.compile(
    rf"(?:{'|'.join(sorted(_LAST, key=len, reverse=True))})"
    rf"(\\*[\"']?\s{{0,32}}+(?:[:=]|=>)\s{{0,32}}+{_B}\\*[\"']?|\\*[\"'],\s{{0,32}}+{_B}\\*[\"']|%3[Dd]|>|\s{{1,32}}+)",
    re.IGNORECASE,
)
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.")
_LONGEST_NAME = 64
_QUOTED = re.compile(r"[^\"'\\\r\n]{1,4096}+")
_BARE = re.compile(r"[^\s,`\"'()\[\]{}&;<>\\]{1,4096}+")
_SCHEME = re.compile(
    r"(authorization\\*[\"']?\s{0,32}+[:=]\s{0,32}+\\*[\"']?(?:[a-z]{1,32}\s{1,32}+)?|\b(?:bearer|basic)\s{1,32}+)"
    r"([a-z0-9._~+/=-]{4,4096}+)(?![(\[])",
    re.IGNORECASE,
)
_SCHEMES = frozenset({"basic", "bearer", "digest", "negotiate", "token", "apikey"})
_WORD = re.compile(r"[a-z]{1,12}\Z")
_SHORT_WORD = re.compile(r"[a-z]{1,5}\Z")
_WORDS_END = re.compile(r"\s{0,32}(?:\Z|[-\r\n\"'])")
#: a name of a program: it has a dot or an underscore, and no figure
_CODE = re.compile(r"(?=[^._]*+[._])[A-Za-z_.]+\Z")
#: values that say that there is none, or where it is
_NO_VALUE = frozenset({"none", "null", "true", "false", "empty", "str", "string", "undefined", "required", MASK})


def _is_drawn(value: str) -> bool:
    """Whether a word may have been drawn at random: it has letters and figures, or is of no language's length."""
    return len(value) >= 32 or (len(value) >= 6 and any(c.isdigit() for c in value) and any(c.isalpha() for c in value))


def _mask_named(text: str) -> str:
    """Values behind a name that says secret."""
    shown: list[str] = []
    kept = at = 0
    while found := _NAMED.search(text, at):
        at = found.end()
        end = _hidden_until(text, found)
        if end > at:
            shown += (text[kept:at], MASK)
            kept = at = end
    return "".join((*shown, text[kept:])) if shown else text


def _hidden_until(text: str, found: re.Match[str]) -> int:
    """Where the value ends that is to be masked; 0 when what is there is none."""
    start, between, at = found.start(), found[1], found.end()
    before = text[max(0, start - _LONGEST_NAME) : start]
    size = next((n for n, c in enumerate(reversed(before)) if c not in _NAME), len(before))
    name = text[start - size : found.start(1)]
    flag, tag = name.startswith("-"), between == ">"
    if tag and text[max(0, start - size - 1) : start - size] != "<":
        return 0
    pair = "," in between
    named = tag or pair or any(sign in between for sign in ":=%")
    if not (named or flag) or not names_a_secret(name):
        return 0
    quoted = between[-1] in "\"'"
    found_value = (_QUOTED if quoted else _BARE).match(text, at)
    if found_value is None:
        return 0
    value, end = found_value[0], found_value.end()
    if _is_no_value(value, flag=flag) or (not quoted and text[end : end + 1] in ("(", "[")):
        return 0
    bare_token = name.lower() == "token"
    if _is_drawn(value) and (len(value) >= 8 or not bare_token):
        return end
    if flag and not named and not quoted and _WORD.match(value):  # `--token for` in a sentence, or the last word
        return end if _WORDS_END.match(text, end) else 0
    if not quoted and (_CODE.match(value) or value == name.rpartition("_")[2]):
        return 0
    assigned = "=" in between and _is_sure(name)
    return end if flag or assigned or tag or (quoted and not bare_token and not pair) else 0


def _is_no_value(value: str, *, flag: bool) -> bool:
    """Whether it says that there is none, or where it is: None, `$KEY`, `<key>`, `...`."""
    return (
        value.lower() in _NO_VALUE
        or value[0] in "$<{(."
        or not any(map(str.isalnum, value))
        or (flag and value.startswith("--"))
    )


def _is_sure(name: str) -> bool:
    """Whether what is assigned to `name` is a secret whatever it looks like."""
    variable = name.isupper() and (not name.endswith("KEY") or names_a_secret(name.lower()))
    return variable or name.lower().replace("-", "_").endswith("api_key")


#: a flag whose next word is a secret
_FLAG = re.compile(r"--?[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def redact_words(words: Sequence[str]) -> list[str]:
    """A command for a record. A key that was typed into it is known from now on, and so masked everywhere."""
    for flag, value in pairwise(words):
        if _FLAG.fullmatch(flag) and names_a_secret(flag) and value.lower() not in _NO_VALUE and value[:1] != "-":
            Secret(value)
    return [redact(word) for word in words]


def redact(text: str) -> str:
    """`text` with every known secret and everything that looks like one replaced by a mask.

    Time is linear in the text. Redact before cutting: half a key is no longer found (`evalkit.text` does it so).
    """
    for value in _longest_first():
        if value in text:
            text = text.replace(value, MASK)
    text = _mask_spelled(text)
    words = " ".join([word for word in text.split() if len(word) >= SHORTEST_TOKEN])
    if words:
        text = _mask_shapes(text, words, TOKENS)
    text = _mask_shapes(text, text, OTHERS)
    low = text.lower()
    if any(word in low for word in _LAST):
        text = _mask_named(text)
    if "bearer" in low or "basic" in low or "authorization" in low:
        text = _SCHEME.sub(_mask_scheme, text)
    return text


def _mask_spelled(text: str) -> str:
    """Known secrets that are escaped, encoded, broken over lines, or cut to a half."""
    shown: list[str] = []
    kept = 0
    for start, end in sorted(spelled(text, _SPELLINGS)):
        if start >= kept:
            shown += (text[kept:start], MASK)
        kept = max(kept, end)
    return "".join((*shown, text[kept:])) if shown else text


def _mask_shapes(text: str, where: str, shapes: Sequence[Shape]) -> str:
    for triggers, pattern, drawn in shapes:
        for trigger in triggers:
            if trigger in where:
                text = compiled(pattern).sub(_mask_drawn if drawn else rf"\1{MASK}", text)
                break
    return text


def _mask_drawn(found: re.Match[str]) -> str:
    prefix = found[0][: -len(found["rest"])]
    return MASK if looks_drawn(prefix, found["rest"]) else found[0]


def _mask_scheme(found: re.Match[str]) -> str:
    before, value = found[1], found[2]
    if value.lower() in _SCHEMES or value.lower() in _NO_VALUE:
        return found[0]
    header = before[:1] in "aA"
    scheme = header and before.split()[-1].lower() in _SCHEMES
    hides = scheme or _is_drawn(value) or (header and not (_CODE.match(value) or _SHORT_WORD.match(value)))
    return f"{before}{MASK}" if hides else found[0]
