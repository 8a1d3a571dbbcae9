"""The one sanitiser for text from servers, cards, prompts and files, applied where it enters."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from typing import Any, NoReturn

from evalkit.secrets import redact

#: first and last code points of what a terminal obeys or a reader does not see: C0, DEL and C1; soft hyphen, joiners,
#: bidi controls and other format characters; fillers; lone surrogates and private use; tags and variation selectors
_RANGES = (
    (0x00, 0x08), (0x0B, 0x1F), (0x7F, 0x9F), (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160),
    (0x17B4, 0x17B5), (0x180B, 0x180F), (0x200B, 0x200F), (0x2028, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164),
    (0xD800, 0xF8FF), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF9, 0xFFFB), (0x13430, 0x1345F), (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF), (0xF0000, 0x10FFFF),
)  # fmt: skip
_BRAILLE_BLANK = "\u2800"
#: Unicode categories of control and format characters, lone marks and unassigned code points
_UNSEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Mn", "Me"})
_UNSAFE = re.compile("[" + "".join(f"{re.escape(chr(a))}-{re.escape(chr(b))}" for a, b in _RANGES) + "]")


def _visible(found: re.Match[str]) -> str:
    code = ord(found.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{{{code:x}}}"


def shows(text: str) -> bool:
    """Whether a reader sees anything of `text`: white space, control, format and filler characters do not count, nor
    does a combining mark alone.
    """
    if " " < text[:1] < "\x7f":
        return True
    if text.isascii():
        return any(" " < char < "\x7f" for char in text)
    return any(
        not (char.isspace() or char == _BRAILLE_BLANK or unicodedata.category(char) in _UNSEEN)
        for char in _UNSAFE.sub("", text)
    )


_BLANKS = re.compile("[\\s\u2800" + "".join(f"{re.escape(chr(a))}-{re.escape(chr(b))}" for a, b in _RANGES) + "]+")


def seen(text: str) -> str:
    """What a reader sees of `text`: runs of white space and invisible characters are one blank, at the ends none."""
    return _BLANKS.sub(" ", text).strip()


def plainly(value: Any) -> Any:
    """`value` (of JSON) with every text in it as a reader sees it: what differs in blanks alone asks the same."""
    if isinstance(value, str):
        return seen(value)
    if isinstance(value, dict):
        return {key: plainly(one) for key, one in value.items()}
    return [plainly(one) for one in value] if isinstance(value, list | tuple) else value


#: longer than any key: what may stick out over the end of a text that is cut
_OVERLAP = 8192


def cut(text: str, limit: int, *, tail: bool = False) -> str:
    """The first (or last) `limit` characters of `text`, secrets masked: the one way to shorten a text that is shown.

    Half a key is no longer recognised, so the mask comes first. Time is bounded by `limit`, not by the text.
    """
    if tail:
        return redact(text[-limit - _OVERLAP :])[-limit:]
    return redact(text[: limit + _OVERLAP])[:limit]


def sanitize(text: str, *, limit: int = 2000) -> str:
    """`text` safe for a terminal: secrets masked, control, bidi and invisible characters made visible, and cut.

    At most `limit` + 1 characters. Newlines and tabs are kept; CR LF and CR become newlines. Quoting for Markdown, HTML
    or XML comes later. What is safe already comes back as it is.
    """
    masked = redact(text[: limit + _OVERLAP])
    shortened = len(masked) > limit or len(text) > limit + _OVERLAP
    shown = masked[:limit].replace("\r\n", "\n").replace("\r", "\n")
    if not shown.isprintable():
        shown = _UNSAFE.sub(_visible, shown)
    return f"{shown[:limit]}…" if shortened or len(shown) > limit else shown


def one_line(text: str, *, limit: int = 300) -> str:
    """`sanitize` on a single line: runs of white space become one space."""
    return " ".join(sanitize(text, limit=limit).split())


#: what a CI runner obeys: GitHub at the start of a line, blanks aside, or behind `##` anywhere; Azure; TeamCity
_COMMAND = re.compile(r"(?:^|(?<=[\r\n]))([^\S\r\n]*+):(?=:)|#(?=#(?:vso|teamcity)?\[)")


def calm(text: str) -> str:
    """`text` in which no line is a command to a CI runner: `::error::x` becomes `: :error::x`."""
    return _COMMAND.sub(lambda found: f"{found[1]}: " if found[1] is not None else "# ", text)


def json_safe(document: str) -> str:
    """The same JSON with those characters as escapes: nothing is lost, and a terminal that shows it obeys nothing."""
    return _UNSAFE.sub(lambda found: json.dumps(found.group())[1:-1], document)


def json_page(value: Any) -> str:
    """A JSON document to read, with its last line's end: the one way to print or write one."""
    return json_safe(json.dumps(value, indent=2, ensure_ascii=False)) + "\n"


def strict_json(text: str | bytes) -> Any:
    """The value of a JSON document that can be read in one way only, whoever reads it.

    Raises:
        ValueError: no UTF-8, no JSON, a key that appears twice in an object, NaN or a number that is not finite or out
            of every measure, half a surrogate pair (it cannot be written as UTF-8), or deeper than Python reads.
    """
    raw, octets = (text.decode(), text) if isinstance(text, bytes) else (text, text.encode())
    try:  # a call for each number is dear, and so is a pattern that looks for long ones
        value = (_LONG if _LONG_NUMBER in octets.translate(_DIGITS) else _PLAIN).decode(raw)
        if "\\ud" in raw or "\\uD" in raw:  # UTF-8 holds no half pair, an escape may
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("nested too deep") from None
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        [(twice, _)] = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"key {one_line(twice, limit=80)!r} appears twice")
    return found


#: nothing that is measured is larger or, but for zero, smaller: such figures overflow, or divide to zero
_LARGEST, _SMALLEST = 1e300, 1e-300
_LARGEST_INT = 2**64
#: every digit made a 0, twenty of them are found: a number whose size has to be looked at, or a text with as many
_DIGITS, _LONG_NUMBER = bytes.maketrans(b"123456789", b"0" * 9), b"0" * 20


def _finite(digits: str) -> float:
    value = float(digits)
    if abs(value) > _LARGEST or 0 < abs(value) < _SMALLEST:
        _no_number(digits)
    return value


def _whole(digits: str) -> int:
    if len(digits) > 21 or abs(int(digits)) >= _LARGEST_INT:
        _no_number(digits)
    return int(digits)


def _no_number(digits: str) -> NoReturn:
    raise ValueError(f"{one_line(digits, limit=40)} is not a number that anything measures")


def _decoder(whole: Callable[[str], int] | None) -> json.JSONDecoder:
    return json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_number, parse_float=_finite, parse_int=whole)


#: made once, and not for each record of a run
_PLAIN, _LONG = _decoder(None), _decoder(_whole)


#: a word of prose: an id has a slash, dot, digit, underline or capital inside, or is before a colon
_PROSE_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?(?=[\s,;!?]|$)")


def capital(text: str) -> str:
    """The text with a capital letter in front; an id, a path or a mode's name keeps its spelling."""
    return text[:1].upper() + text[1:] if _PROSE_WORD.match(text) else text


def clause(text: str) -> str:
    """The text on one line, without a full stop: to continue, or to put in a cell."""
    return " ".join(str(text).split()).rstrip(".")


def sentence(text: str) -> str:
    """The text on one line, with a full stop where nothing else ends it."""
    text = " ".join(str(text).split())
    return text if not text or text[-1] in ".!?…`" else f"{text}."
