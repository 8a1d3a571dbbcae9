"""A number in the reply."""

from __future__ import annotations

import math
import re
import unicodedata
from fractions import Fraction
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from evalkit.client.types import Exchange
from evalkit.quality.case import Case
from evalkit.quality.facts import Grade
from evalkit.quality.graders.base import Example, Grader, Params, Reply, grade, text_of
from evalkit.quality.prose import UNSPACED, folded

#: thousands marks: comma, apostrophes, underscore, and the blanks that typesetters put between groups of three
_MARKS = ",'\u2019_\u00a0\u2009\u202f"
_SIGN = "[-+\u2212\u2013\u2012\ufe63\uff0d]"
#: a sign apart from its number, or a word for it, behind nothing that it could be subtracted from
_APART = re.compile(
    r"(?P<before>(?:^|[=:(\u2248]|\b[^\W\d_]{2,})[ \t]*)\u2212[ \t](?=[\d.])|(?<=[=:(\u2248])[ \t]?-[ \t](?=[\d.])"
    r"|(?<![\d)\]][ \t])\b(?:minus|negative)[ \t](?=[\d.])",
    re.MULTILINE | re.IGNORECASE,
)
#: what makes a number one that is not the answer
_DENIED = re.compile(
    r"(?:\bnot|\bnever|n['\u2019]t(?: be)?|\bnicht|\brather than|\binstead of|\u2260|\\neq?)(?: equal to)?[\s*$`(]*\Z",
    re.IGNORECASE,
)
_SCALES = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}
_SCALES |= {"\u5341": 1, "\u767e": 2, "\u5343": 3, "\u4e07": 4, "\u842c": 4, "\u4ebf": 8, "\u5104": 8, "\u5146": 12}
_SCALE = re.compile(
    rf"[ \u00a0-]?({'|'.join(filter(str.isascii, _SCALES))})s?\b|({'|'.join(w for w in _SCALES if not w.isascii())})",
    re.IGNORECASE,
)
#: groups of three with plain blanks between them, as some languages write a large number
_SPACED = re.compile(r"(?<![\d.,] )(?<![\d.,])(\d{1,3}(?: \d{3})*) \Z")
#: where a solution in LaTeX marks its answer
_BOXED = re.compile(r"\\boxed\s?\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}")
_DIGITS = (
    rf"(?:\d{{1,3}}(?:[{_MARKS}]\d{{3}})+|\d{{1,3}}(?:\.\d{{3}})+,\d{{1,2}}(?!\d)|\d{{1,3}}(?:\.\d{{3}}){{2,}}(?!\.?\d)|\d{{1,2}}(?:,\d{{2}})+,\d{{3}}"
    r"|\d{1,400})"
)
_SUPERSCRIPTS = str.maketrans("\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079\u207b", "0123456789-")
_POWER = (
    rf"(?:\s?\^\s?\{{?(?P<caret>{_SIGN}?\d{{1,4}})\}}?|\*\*(?P<stars>{_SIGN}?\d{{1,4}})"
    r"|(?P<raised>[\u2070\u00b9\u00b2\u00b3\u2074-\u2079\u207b]{1,4}))"
)
#: letters that follow a number at once are its unit, but for those that change its size
_UNIT = (
    rf"(?![\w])|(?=[{UNSPACED}])"
    r"|(?=(?!(?:[kKMGTB]|bn|mio|Mio|mn|[xX][0-9a-fA-F])(?!\w))[^\W\d_]{1,8}[23]?(?!\w))"
)
_NUMBER = re.compile(
    rf"(?:(?<![\w.^])|(?<=[{UNSPACED}]))(?<!\^\{{)(?P<sign>{_SIGN})?(?:"
    rf"\\[dt]?frac\{{(?P<top>\d{{1,15}})\}}\{{(?P<below>\d{{1,15}})\}}"
    r"|\\[dt]?frac\s?(?P<upper>\d)(?P<lower>\d)"
    rf"|(?:(?P<whole>\d{{1,9}})[ \u00a0])?(?P<over>\d{{1,15}})[/\u2044](?P<under>\d{{1,15}})(?![\d/\u2044])"
    rf"|(?P<mixed>\d{{1,9}})?[ ]?(?P<vulgar>[\u00bc-\u00be\u2150-\u215e])"
    rf"|(?P<digits>{_DIGITS}(?:\.\d{{1,60}})?|\.\d{{1,60}})(?:[eE](?P<exponent>[-+]?\d{{1,3}}))?{_POWER}?"
    rf")(?:{_UNIT})"
)
_TIMES_TEN = re.compile(
    rf"(?<=\d)\s?(?:[\u00d7\u00b7\u22c5*x]|\\times|\\cdot)\s?10(?=\s?\^|\*\*|[\u2070\u00b9\u00b2\u00b3\u2074-\u2079\u207b]){_POWER}"
)
#: powers beyond it are not numbers that a task asks for
_MOST_DIGITS = 1000


class Number(Params):
    """`pick`: which number of the reply counts. `only` fails when there is more than one."""

    value: float | int
    abs_tol: Annotated[float, Field(ge=0)] = 0.0
    rel_tol: Annotated[float, Field(ge=0, le=1)] = 0.0
    pick: Literal["last", "first", "only"] = "last"


def exact(text: str) -> list[Fraction]:
    """Numbers in `text`, in order and exact: decimals, fractions, powers, with thousands marks and units.

    A percent sign is ignored and a decimal comma is not read. A dash between two digits is a range, not a sign.
    """
    return [one.value for one in _found(text)]


class _Found(NamedTuple):
    """A number as it stands, times the word behind it (`2 million`), and with the groups before it (`1 234`)."""

    value: Fraction
    scaled: Fraction
    joined: Fraction


def _found(text: str) -> list[_Found]:
    plain = _APART.sub(lambda at: f"{at.group('before') or ''}-", _TIMES_TEN.sub(_as_exponent, _plain(text)))
    found = []
    for match in _NUMBER.finditer(plain):
        value = _value(match)
        if value is None or _DENIED.search(plain, max(0, match.start() - 40), match.start()):
            continue
        value = -value if match.group("sign") not in (None, "+") else value
        word = _SCALE.match(plain, match.end())
        scaled = value * 10 ** _SCALES[word.group(word.lastindex or 1).lower()] if word else value
        found.append(_Found(value, scaled, _joined(plain, match, value)))
    return found


def _joined(plain: str, match: re.Match[str], value: Fraction) -> Fraction:
    """The number with the groups of three that blanks part from it."""
    digits = match.group("digits") or ""
    before = _SPACED.search(plain, max(0, match.start() - 20), match.start())
    if before is None or match.group("sign") or not re.fullmatch(r"\d{3}(?:\.\d+)?", digits):
        return value
    return value + 1000 * int(before.group(1).replace(" ", ""))


def _plain(text: str) -> str:
    """Digits, points and commas of other scripts as ASCII's, LaTeX's thousands mark as a comma."""
    text = (
        re.sub(r"(?<=\d)(?:\{,\}|\{?\\[,!;:]\}?)(?=\d{3})", ",", folded(text))
        .replace("\u066b", ".")
        .replace("\u066c", ",")
    )
    text = re.sub(r"(?<=\d)\uff0c(?=\d)", ",", text)
    text = re.sub(r"(?<=\d)\uff0e(?=\d)", ".", text)
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() and not c.isascii() else c for c in text)


def _exponent(match: re.Match[str]) -> int | None:
    written = match.group("caret") or match.group("stars")
    if written is None and match.group("raised"):
        written = match.group("raised").translate(_SUPERSCRIPTS)
    if written is None:
        return None
    try:
        return int(re.sub(_SIGN, lambda sign: "+" if sign.group() == "+" else "-", written))
    except ValueError:
        return None


def _as_exponent(match: re.Match[str]) -> str:
    power = _exponent(match)
    return f"e{power}" if power is not None and abs(power) <= 999 else match.group()


def _value(match: re.Match[str]) -> Fraction | None:
    part = match.group
    if part("top"):
        return _ratio(part("top"), part("below"))
    if part("over"):
        ratio = _ratio(part("over"), part("under"))
        return ratio + int(part("whole") or 0) if ratio is not None else None
    if part("vulgar"):
        return Fraction(unicodedata.numeric(part("vulgar"))).limit_denominator(1000) + int(part("mixed") or 0)
    if part("upper"):
        return _ratio(part("upper"), part("lower"))
    whole, comma, decimals = part("digits").partition(",") if re.search(r"\.\d{3},", part("digits")) else ("", "", "")
    digits = f"{whole.replace('.', '')}.{decimals}" if comma else re.sub(f"[{_MARKS}]", "", part("digits"))
    digits = digits.replace(".", "") if digits.count(".") > 1 else digits
    base = Fraction(f"0{digits}" if digits.startswith(".") else digits) * Fraction(10) ** int(part("exponent") or 0)
    power = _exponent(match)
    if power is None:
        return base
    if abs(power) * len(digits) > _MOST_DIGITS or (base == 0 and power < 0):
        return None
    return Fraction(base**power)


def _ratio(top: str, below: str) -> Fraction | None:
    return Fraction(int(top), int(below)) if int(below) else None


def numbers(text: str) -> list[float]:
    """As `exact`, in floating point; a number beyond its range is infinite."""
    return [_float(value) for value in exact(text)]


def _float(value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, value)


def number(reply: Exchange, _case: Case, params: Number) -> Grade:
    text = text_of(reply)
    boxed = _BOXED.findall(text) if params.pick == "last" else []
    found = (_found(boxed[-1]) if boxed else []) or _found(text)
    if not found:
        return grade("number", False, "no number in the reply")
    if params.pick == "only" and len(found) > 1:
        return grade("number", False, f"{len(found)} numbers where one was asked for")
    chosen = found[0] if params.pick == "first" else found[-1]
    value, good = chosen.value, any(_equal(one, params) for one in chosen)
    read = int(value) if value.denominator == 1 and abs(value) < 10**30 else _float(value)
    return grade(
        "number", good, "" if good else f"{_shown(read)}, expected {_shown(params.value)}", found=_float(value)
    )


def _equal(value: Fraction, params: Number) -> bool:
    """Whole numbers exactly, others to twelve digits, unless a tolerance is given."""
    if isinstance(params.value, int) and value.denominator == 1 and not params.abs_tol and not params.rel_tol:
        return value == params.value
    return math.isclose(_float(value), params.value, rel_tol=max(params.rel_tol, 1e-12), abs_tol=params.abs_tol)


def _shown(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"


GRADERS = (
    Grader(
        name="number",
        family="number",
        short="value",
        summary="The last (or first, or only) number of the reply has this value.",
        params=Number,
        grade=number,
        example=Example("number: {value: 1234.5, abs_tol: 0.1}", Reply("The total is 1,234.5."), Reply("About 1,240.")),
        notes=(
            "Thousands marks (`1,234`, `1'234`), fractions (`1/2`), powers (`10^3`) and units (`42km`) are read.",
            "A percent sign is ignored: `12%` is 12. `2 million` is 2,000,000, or 2 where that is asked.",
            "A number right behind `not` is not the answer: `3, not 4` is 3.",
            "A decimal comma is read behind thousands alone (`1.234,56`): `1,5` is the numbers 1 and 5.",
            "Where the reply has `\\boxed{}`, its last one holds the number that counts as the last.",
        ),
    ),
)
