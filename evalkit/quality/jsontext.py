"""Reading JSON that a model wrote: strict, and never an exception other than `BadJson`."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from evalkit.text import one_line

MAX_JSON_CHARS = 8_000_000
#: brackets at which a value is looked for
_TRIES = 60


class BadJson(ValueError):  # noqa: N818  it is the name of the thing
    """Why a text is not a JSON value; the message is safe to show."""


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise BadJson(f"key {one_line(twice, limit=60)!r} appears twice")
    return result


def _constant(name: str) -> NoReturn:
    raise BadJson(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant)


def parse(text: str) -> Any:
    """The JSON value of `text`: RFC 8259, no NaN, no key twice (readers disagree on which one counts).

    Raises:
        BadJson: not JSON, too large, or nested too deeply.
    """
    if len(text) > MAX_JSON_CHARS:
        raise BadJson(f"longer than {MAX_JSON_CHARS} characters")
    try:
        return _DECODER.decode(text)
    except BadJson:
        raise
    except RecursionError:
        raise BadJson("nested too deeply") from None
    except json.JSONDecodeError as error:
        raise BadJson(f"{error.msg} at line {error.lineno} column {error.colno}") from None
    except ValueError as error:  # integers beyond Python's digit limit
        raise BadJson(one_line(str(error), limit=120)) from None


def first_value(text: str) -> Any:
    """The first object or list that starts somewhere in `text`; marks of citations (`[1]`, `[2, 3]`) come last.

    Raises:
        BadJson: none of the first brackets starts a JSON value.
    """
    text, at = text[:MAX_JSON_CHARS], -1
    citations: list[tuple[int, Any]] = []
    for _ in range(_TRIES):
        places = [i for i in (text.find("{", at + 1), text.find("[", at + 1)) if i >= 0]
        if not places:
            break
        at = min(places)
        try:
            value, end = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            continue
        if not _like_a_citation(value):
            return value
        citations.append((end - at, value))
        at = end - 1
    if citations:
        return max(citations, key=lambda one: one[0])[1]
    raise BadJson("no JSON object or list in the reply")


def _like_a_citation(value: Any) -> bool:
    """A list of whole numbers, or an empty value: what prose puts in brackets."""
    return not value or (isinstance(value, list) and all(type(one) is int for one in value))
