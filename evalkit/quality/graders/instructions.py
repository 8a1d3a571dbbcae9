"""Checkable constraints on form, in the manner of IFEval (arXiv 2311.07911)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal

from pydantic import model_validator

from evalkit.client.types import Exchange
from evalkit.quality import prose
from evalkit.quality.case import Case
from evalkit.quality.facts import Grade
from evalkit.quality.graders.base import Count, Example, Grader, Params, Reply, grade, shown, text_of


class Range(Params):
    """A bare number asks for exactly that many."""

    min: Count | None = None
    max: Count | None = None

    @model_validator(mode="before")
    @classmethod
    def _exactly(cls, value: object) -> object:
        return {"min": value, "max": value} if isinstance(value, int) and not isinstance(value, bool) else value

    @model_validator(mode="after")
    def _bounds(self) -> Range:
        if self.min is None and self.max is None:
            raise ValueError("needs a number, or min or max")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"contradiction: min {self.min} is above max {self.max}")
        return self

    def holds(self, count: int) -> bool:
        return (self.min is None or count >= self.min) and (self.max is None or count <= self.max)

    def __str__(self) -> str:
        if self.min == self.max:
            return str(self.min)
        return f"{'' if self.min is None else self.min}…{'' if self.max is None else self.max}"


class Instructions(Params):
    """Every constraint given must hold. `loose` also accepts the reply without its first or last line or `*`."""

    words: Range | None = None
    sentences: Range | None = None
    paragraphs: Range | None = None
    lines: Range | None = None
    bullets: Range | None = None
    numbered: Range | None = None
    table_rows: Range | None = None
    table_columns: Range | None = None
    placeholders: Range | None = None
    highlights: Range | None = None
    keywords: list[str] = []  # noqa: RUF012  pydantic copies defaults
    forbidden: list[str] = []  # noqa: RUF012  pydantic copies defaults
    frequency: dict[str, Range] = {}  # noqa: RUF012  pydantic copies defaults
    letters: dict[str, Range] = {}  # noqa: RUF012  pydantic copies defaults
    case: Literal["upper", "lower"] | None = None
    no_commas: bool = False
    quoted: bool = False
    title: bool = False
    postscript: bool = False
    first_word: str | None = None
    last_word: str | None = None
    first_letters: str | None = None
    loose: bool = False

    @model_validator(mode="after")
    def _sense(self) -> Instructions:
        if not self.model_fields_set - {"loose"}:
            raise ValueError("instructions needs at least one constraint")
        both = {w.casefold() for w in self.keywords} & {w.casefold() for w in self.forbidden}
        if both:
            raise ValueError(f"contradiction: {min(both)!r} is a keyword and forbidden")
        if self.no_commas and any("," in word for word in self.keywords):
            raise ValueError("contradiction: a keyword has a comma and commas are forbidden")
        return self


def _rows(text: str) -> list[str]:
    """Body rows of Markdown tables: the header and the rule under it do not count."""
    rows: list[str] = []
    lines = [line.strip() for line in text.splitlines()]
    for index, line in enumerate(lines):
        is_rule = bool(re.fullmatch(r"\|?[\s:|-]+\|?", line)) and "-" in line
        header = (
            index + 1 < len(lines)
            and "-" in lines[index + 1]
            and bool(re.fullmatch(r"\|?[\s:|-]+\|?", lines[index + 1]))
        )
        if line.startswith("|") and not is_rule and not header:
            rows.append(line)
    return rows


def _columns(text: str) -> int:
    """Columns that all body rows have; −1 where they differ, 0 without a table."""
    widths = {len(row.strip("|").split("|")) for row in _rows(text)}
    return widths.pop() if len(widths) == 1 else -len(widths and {1})


def count_of(what: str, text: str) -> int:
    """How many words, sentences, … a text has."""
    lines = text.splitlines()
    counts: dict[str, Callable[[], int]] = {
        "words": lambda: prose.words(text),
        "sentences": lambda: prose.sentences(text),
        "paragraphs": lambda: len([p for p in re.split(r"\n\s*\n", text.strip()) if any(map(str.isalnum, p))]),
        "lines": lambda: len([line for line in lines if line.strip()]),
        "bullets": lambda: len([line for line in lines if re.match(r"\s*[-*•+–◦▪‣]\s+\S", line)]),
        "numbered": lambda: len([line for line in lines if re.match(r"[\s#>*_]*\d{1,4}[.)][*_]*\s+\S", line)]),
        "table_rows": lambda: len(_rows(text)),
        "table_columns": lambda: _columns(text),
        "placeholders": lambda: len(re.findall(r"\[[^\[\]\n]{1,80}\]", text)),
        "highlights": lambda: len(re.findall(r"(?<!\*)\*{1,2}[^*\s][^*\n]{0,200}?\*{1,2}", text)),
    }
    return counts[what]()


#: commas of all scripts: full width, ideographic, Arabic, small and vertical forms
_COMMA = re.compile("[,\uff0c\u3001\u060c\ufe50\ufe51\ufe10\ufe11\uff64\u055d\u07f8]")
COUNTED = (
    "words", "sentences", "paragraphs", "lines", "bullets", "numbered", "table_rows", "table_columns",
    "placeholders", "highlights",
)  # fmt: skip


def _forbidden(text: str, word: str) -> bool:
    """Whether a word occurs, also behind letters of other scripts that look the same."""
    return bool(prose.word_count(text, word) or (word.isascii() and prose.word_count(prose.looks_like(text), word)))


def broken(text: str, params: Instructions) -> list[str]:
    """The constraints that `text` breaks, in words."""
    found = []
    for name in COUNTED:
        wanted = getattr(params, name)
        if wanted is not None and not wanted.holds(count := count_of(name, text)):
            found.append(f"{count} {name.replace('_', ' ')}, asked for {wanted}")
    found += [f"keyword {shown(word)!r} is missing" for word in params.keywords if not prose.word_count(text, word)]
    found += [f"{shown(word)!r} is forbidden" for word in params.forbidden if _forbidden(text, word)]
    for word, wanted in params.frequency.items():
        if not wanted.holds(count := prose.word_count(text, word)):
            found.append(f"{shown(word)!r} occurs {count} times instead of {wanted}")
    for letter, wanted in params.letters.items():
        if not wanted.holds(count := text.casefold().count(prose.folded(letter).casefold())):
            found.append(f"letter {shown(letter)!r} occurs {count} times instead of {wanted}")
    return found + _form(text, params)


def _form(text: str, params: Instructions) -> list[str]:
    words = re.findall(r"\w+(?:['’-]\w+)*", text)
    checks: list[tuple[Any, bool, str]] = [
        (params.case == "upper", text.upper() == text, "is not all in capitals"),
        (params.case == "lower", text.lower() == text, "is not all in small letters"),
        (params.no_commas, not _COMMA.search(text), "has a comma"),
        (
            params.quoted,
            len(text) > 1 and text[0] in '"“„«‘「『' and text[-1] in '"”“»’」』',
            "is not in quotation marks",
        ),
        (params.title, bool(re.search(r"<<[^<>\n]+>>", text)), "has no title in << >>"),
        (params.postscript, bool(re.search(r"(?m)^[ \t*_>#]*+P\.?\s?S\.?(?!\w)", text)), "has no postscript"),
        (
            params.first_word,
            bool(words) and words[0].casefold() == prose.folded(params.first_word or "").casefold(),
            "begins with another word",
        ),
        (
            params.last_word,
            bool(words) and words[-1].casefold() == prose.folded(params.last_word or "").casefold(),
            "ends with another word",
        ),
        (
            params.first_letters,
            _initials(text) == (params.first_letters or "").casefold(),
            "lines begin with other letters",
        ),
    ]
    return [f"the reply {why}" for asked, holds, why in checks if asked and not holds]


def _initials(text: str) -> str:
    """First letters of the lines, small: an acrostic."""
    return "".join(next((c for c in line if c.isalpha()), "") for line in text.splitlines() if line.strip()).casefold()


def variants(text: str) -> list[str]:
    """The reply, and without first line, last line, both, each also without `*`: IFEval's loose reading."""
    lines = text.splitlines()
    texts = [text, "\n".join(lines[1:]), "\n".join(lines[:-1]), "\n".join(lines[1:-1])]
    return [t.strip() for t in texts + [t.replace("*", "") for t in texts]]


def instructions(reply: Exchange, _case: Case, params: Instructions) -> Grade:
    text = prose.folded(text_of(reply)).strip()
    strict = broken(text, params)
    total = _constraints(params)
    loose = not strict or any(variant and not broken(variant, params) for variant in variants(text))
    good = loose if params.loose else not strict
    score = 1.0 if good else max(0.0, 1 - len(strict) / total)
    return grade(
        "instructions", good, "" if good else strict[0], score=score, strict=not strict, loose=loose, broken=strict[:10]
    )


def _constraints(params: Instructions) -> int:
    single = [n for n in params.model_fields_set if n not in ("loose", "keywords", "forbidden", "frequency", "letters")]
    return len(single) + len(params.keywords) + len(params.forbidden) + len(params.frequency) + len(params.letters) or 1


GRADERS = (
    Grader(
        name="instructions",
        family="instructions",
        summary="Constraints on form hold: counts of words, bullets, rows …, keywords, case, quotation marks,"
        " initials.",
        params=Instructions,
        grade=instructions,
        example=Example(
            "instructions: {bullets: 3, keywords: [price], no_commas: true}",
            Reply("- the price is low\n- it ships today\n- it is blue"),
            Reply("- the price, low\n- it ships today"),
        ),
        notes=(
            "A number asks for exactly that many; `{min: 2, max: 4}` for a range. Keywords: whole words, case ignored.",
            "The strict and the loose reading are both kept; `loose: true` lets the loose one decide.",
        ),
    ),
)
