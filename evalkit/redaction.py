"""Leaves every text of prompts, replies and servers out of facts, so that what is decided stays the same.

A text becomes a keyed hash of the same length, whose key is thrown away: equal texts stay equal, lengths stay known,
nothing can be guessed back. Figures that graders measured in a text are kept; what they quote from it is not. The hash
is written in braille patterns, which no id or setting uses: whatever a finding quotes is found again by `masked`.
This is the only way by which texts are left out: of packs, and of reports, which are decided from such facts.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import secrets
from codecs import charmap_decode
from collections.abc import Callable, Iterable
from functools import cache, lru_cache
from pathlib import PurePath
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from evalkit.analysis.replies import looked_at
from evalkit.facts import Facts
from evalkit.findings import Fingerprint, Sketch, Text
from evalkit.quality.facts import Grade
from evalkit.text import shows
from evalkit.timing.facts import TimedSample

#: what graders measured: numbers under these names survive
_MEASURED = {
    "achieved", "asked", "by_third", "unit", "score", "words", "share", "rep4", "over_baseline", "schema_valid",
    "right_function", "right_arguments",
}  # fmt: skip
_PLAIN = frozenset({bool, int, float, type(None)})
#: units in which the `length` grader counts
UNITS = ("words", "chars", "lines", "tokens")

#: what stands in a report for a text that was left out
MASK = "(redacted)"
#: first of the braille patterns with a dot; a hash has one of 128 for each byte
_FIRST = 0x2880
_FILLER = chr(_FIRST)
_LETTERS = "".join(chr(_FIRST + byte % 128) for byte in range(256))
_HASHED = re.compile("[\u2880-\u28ff]+")
#: the words of a server's refusal
_STATUS = re.compile(r"HTTP \d{3}\b")
Hider = Callable[[Any, bytes], Any]
_set = object.__setattr__  # facts are frozen
_FOLDERS = re.compile(r"(?:/[^\s/=,:'\"]+)+/(?=[^\s/=,:'\"]+)")


def redacted(facts: Facts, key: bytes) -> Facts:
    """`facts` with what is typed `Quoted`, `Hashed` or `Bits` hidden under `key`, and without the machine's folders."""
    return redacted_from(dict(facts), key)


def redacted_from(values: dict[str, Any], key: bytes, each: Callable[[Any], Any] = lambda made: made) -> Facts:
    """As `redacted`, of the fields of facts. `values` is used up record by record: of a large run whose facts nobody
    else holds, no two copies lie in memory. `each` is given what a record became.
    """
    made: dict[str, Any] = {}
    for name, hint in _marked(Facts).items():
        value = values.pop(name)
        if isinstance(value, tuple):
            hider, left, kept = _hider(get_args(hint)[0]), list(reversed(value)), []
            del value
            while left:
                kept.append(each(hider(left.pop(), key)))
            made[name] = tuple(kept)
        else:
            made[name] = _hider(hint)(value, key)
    made = {**values, **made}
    start = made["start"].model_copy(update={"argv": tuple(bare(made["start"].argv))})
    launches = tuple(one.model_copy(update={"argv": tuple(bare(one.argv))}) for one in made["launches"])
    return Facts.model_construct(**{**made, "start": start, "launches": launches})


def _without(model: BaseModel, key: bytes) -> Any:
    """A copy of a model of facts; what is typed as neither, and holds no model, is shared."""
    before_hiding, hiders = _ways(type(model))
    if before_hiding is not None:
        model = before_hiding(model)
    changed, values = {}, model.__dict__
    for name, hider in hiders:
        before = values[name]
        if not before:
            continue
        after = hider(before, key)
        if after is not before:
            changed[name] = after
    return _copy(model, changed) if changed else model


def _copy(model: BaseModel, changed: dict[str, Any]) -> Any:
    """The model with other values. It shares the set of its fields' names: of a large run these are most of a copy."""
    kind = type(model)
    made = kind.__new__(kind)
    _set(made, "__dict__", {**model.__dict__, **changed})
    _set(made, "__pydantic_fields_set__", model.__pydantic_fields_set__)
    _set(made, "__pydantic_extra__", model.__pydantic_extra__)
    _set(made, "__pydantic_private__", model.__pydantic_private__)
    return made


@cache
def _marked(model: type[BaseModel]) -> dict[str, Any]:
    """The fields in which a text can be, with their types."""
    hints = get_type_hints(model, include_extras=True)
    return {name: hints[name] for name in model.model_fields if _holds_text(hints[name])}


@cache
def _holds_text(hint: Any) -> bool:
    if get_origin(hint) is Annotated:
        return any(mark in (Text, Fingerprint, Sketch) for mark in hint.__metadata__) or _holds_text(get_args(hint)[0])
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return hint is Grade or bool(_marked(hint))
    return any(_holds_text(one) for one in get_args(hint))


@cache
def _ways(model: type[BaseModel]) -> tuple[Callable[[Any], Any] | None, tuple[tuple[str, Hider], ...]]:
    """What is done with a model before its texts are hidden, and how each of them is."""
    hiders = tuple((name, _hider(hint)) for name, hint in _marked(model).items())
    if issubclass(model, TimedSample):  # older journals do not hold what is seen in the text alone
        return looked_at, hiders
    return (_figures_alone if issubclass(model, Grade) else None), hiders


def _figures_alone(grade: Grade) -> Any:
    return _copy(grade, {"detail": _measured(grade.detail)}) if grade.detail else grade


@cache
def _hider(hint: Any) -> Hider:
    """What hides a value of a type that holds text. Put together once a type: a large run has a million values."""
    origin, inner = get_origin(hint), get_args(hint)
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return _without
    if origin is Annotated and Fingerprint in hint.__metadata__:
        return lambda value, key: keyed(value.encode(), key).hex() if value else value
    if origin is Annotated and Sketch in hint.__metadata__:
        return _mixed
    if origin is Annotated and Text in hint.__metadata__:
        return _text
    if origin is dict:
        each = _hider(inner[1])
        return lambda value, key: {name: each(one, key) for name, one in value.items()}
    if origin is tuple:
        each = _hider(inner[0])
        return lambda value, key: tuple([each(one, key) for one in value])
    (each,) = (_hider(one) for one in inner if _holds_text(one))
    return lambda value, key: None if value is None else each(value, key)


def _text(value: str, key: bytes) -> str:
    return hide(value, key)


def _mixed(value: str, key: bytes) -> str:
    if not value:
        return value
    places, bits = _mix(len(value) // 2, key)
    raw = bytes.fromhex(value)
    return bytes(raw[place] for place in places).translate(bits).hex()


@lru_cache(maxsize=8)
def _mix(size: int, key: bytes) -> tuple[list[int], bytes]:
    """An order of bytes, and one of the bits in each: what two sketches share stays as many bits."""
    rng = random.Random(keyed(b"sketch", key))
    places, bits = rng.sample(range(size), size), rng.sample(range(8), 8)
    return places, bytes(sum((byte >> bit & 1) << place for place, bit in enumerate(bits)) for byte in range(256))


def bare(argv: Iterable[str]) -> list[str]:
    """Words of a command without the folders of the machine that it ran on."""
    return [_FOLDERS.sub("", word) for word in argv]


def placeless(kind: str, fact: dict[str, Any]) -> dict[str, Any]:
    """A record of prompts, a suite or a candidate with bare names of files: folders of the machine that made the run
    concern nobody else.
    """
    return _placeless(fact) if kind == "candidate" else {**fact, "path": PurePath(fact["path"]).name}


def _placeless(candidate: dict[str, Any]) -> dict[str, Any]:
    """A model without the folder that it was read from: what the checklist writes, where that is relative, stays."""
    model, asked = candidate["model"], candidate.get("asked")
    if candidate.get("kind") == "folder":
        model = bare_name(model)
    if asked is not None and PurePath(asked).is_absolute():
        asked = bare_name(asked)
    return {**candidate, "model": model, "asked": asked}


def bare_name(path: str) -> str:
    """The last part of a path; the path itself where it has none."""
    return PurePath(os.path.normpath(path)).name or path


def hide(text: str, key: bytes) -> str:
    """A keyed hash as long as the text; the status code that an error begins with stays, and so does what shows a
    reader nothing.
    """
    if not shows(text):
        return text
    status = _STATUS.match(text) if text[0] == "H" else None
    kept = status.group() if status else ""
    digest = keyed(text.encode("utf-8", "surrogatepass"), key)[:24]
    letters, _ = charmap_decode(digest, "strict", _LETTERS)
    left = len(text) - len(kept)
    return kept + letters[:left].ljust(left, _FILLER)


def keyed(message: bytes, key: bytes) -> bytes:
    """HMAC-SHA256, put together from its two hashes: three times as fast on short texts as the library's one call."""
    inner, outer = _pads(key)
    return hashlib.sha256(outer + hashlib.sha256(inner + message).digest()).digest()


@lru_cache(maxsize=8)
def _pads(key: bytes) -> tuple[bytes, bytes]:
    """The blocks of 64 bytes before a message and before its hash (RFC 2104)."""
    block = (hashlib.sha256(key).digest() if len(key) > 64 else key).ljust(64, b"\0")
    return bytes(byte ^ 0x36 for byte in block), bytes(byte ^ 0x5C for byte in block)


def without_texts(facts: Facts) -> Facts:
    """`facts` without texts, under a key that nobody has: what a redacted report is decided from."""
    return redacted(facts, secrets.token_bytes(32))


def masked(value: Any) -> Any:
    """`value` with one word for every text that was left out, so that the same run gives the same bytes."""
    if isinstance(value, str):
        return _HASHED.sub(MASK, value)
    if isinstance(value, dict):
        found: dict[str, Any] = {}
        for key, one in value.items():
            name, count = masked(key), 1
            while name in found:
                name, count = f"{masked(key)} {count + 1}", count + 1
            found[name] = masked(one)
        return found
    return [masked(one) for one in value] if isinstance(value, (list, tuple)) else value


def _measured(detail: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in detail.items() if name in _MEASURED and _is_figure(value)}


def _is_figure(value: Any) -> bool:
    if isinstance(value, list | tuple):
        plain = _PLAIN.issuperset(map(type, value))
        return len(value) <= 16 and (plain or all(_is_figure(one) and not isinstance(one, str) for one in value))
    return value in UNITS if isinstance(value, str) else value is None or isinstance(value, int | float)
