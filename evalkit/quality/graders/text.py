"""Graders of plain text."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from evalkit.client.types import Exchange
from evalkit.quality.case import Case
from evalkit.quality.facts import Grade
from evalkit.quality.graders.base import Example, Grader, Params, Reply, by_thirds, grade, listed, shown, text_of
from evalkit.quality.prose import as_read, folded, looks_like
from evalkit.text import cut

REGEX_SECONDS = 1.0
#: a text of more lines is a long copy, and where it goes wrong is worth knowing
MIN_LINES = 5
Words = Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)]


class _Text(Params):
    ignore_case: bool = False
    strip: bool = True

    def plain(self, text: str) -> str:
        text = folded(text)
        text = text.strip() if self.strip else text
        return text.casefold() if self.ignore_case else text

    def beside(self, text: str, word: str) -> tuple[str, str]:
        """Text and word in one form: what a typesetter writes for a plain sign is that sign, unless the word has it."""
        return self.plain(as_read(text, word)), self.plain(word)


class Equals(_Text):
    """`ignore_whitespace` makes every run of white space one space."""

    any: Words
    ignore_whitespace: bool = False

    _one = field_validator("any", mode="before")(listed)

    def plain(self, text: str) -> str:
        text = super().plain(text)
        return " ".join(text.split()) if self.ignore_whitespace else text


def equals(reply: Exchange, _case: Case, params: Equals) -> Grade:
    got = params.plain(text_of(reply))
    wanted = params.plain(params.any[0])
    place: dict[str, Any] = {"by_third": _places(got, wanted)} if wanted.count("\n") >= MIN_LINES else {}
    if any(one == other for one, other in (params.beside(text_of(reply), word) for word in params.any)):
        return grade("equals", True, **place)
    at = next((i for i, (a, b) in enumerate(zip(got, wanted, strict=False)) if a != b), min(len(got), len(wanted)))
    return grade(
        "equals",
        False,
        f"differs at character {at + 1}: {shown(got[at : at + 60]) or 'the end'}",
        differs_at=at,
        **place,
    )


def _places(got: str, wanted: str) -> list[float]:
    """Where along a long copy the lines are right."""
    lines = got.split("\n")
    return by_thirds([float(i < len(lines) and lines[i] == line) for i, line in enumerate(wanted.split("\n"))])


class Contains(_Text):
    any: Words | None = None
    all: Words | None = None
    none: Words | None = None

    _one = field_validator("any", "all", "none", mode="before")(listed)

    @model_validator(mode="after")
    def _something(self) -> Contains:
        if not (self.any or self.all or self.none):
            raise ValueError("contains needs any, all or none")
        both = set(self.none or ()) & {*(self.all or ()), *(self.any or ())}
        if both:
            raise ValueError(f"contradiction: {min(both)!r} must be in the reply and must not")
        return self


def contains(reply: Exchange, _case: Case, params: Contains) -> Grade:
    text = text_of(reply)

    def there(word: str) -> bool:
        whole, part = params.beside(text, word)
        return part in whole

    def hidden(word: str) -> bool:
        whole, part = params.beside(text, word)
        return part.isascii() and part in params.plain(looks_like(whole))

    missing = [word for word in params.all or () if not there(word)]
    if missing:
        total = len(params.all or ())
        return grade(
            "contains", False, f"{shown(missing[0])!r} is missing", score=1 - len(missing) / total, missing=missing
        )
    if params.any and not any(there(word) for word in params.any):
        return grade("contains", False, f"none of {shown(', '.join(params.any))} is in the reply")
    present = [word for word in params.none or () if there(word) or hidden(word)]
    if present:
        return grade("contains", False, f"{shown(present[0])!r} must not be in the reply", present=present)
    return grade("contains", True)


class Regex(Params):
    """Syntax of the `regex` package. `where: whole` must match the whole reply."""

    pattern: Annotated[str, Field(min_length=1, max_length=2000)]
    ignore_case: bool = False
    where: Annotated[str, Field(pattern="^(anywhere|whole)$")] = "anywhere"
    count: Annotated[int, Field(ge=1)] | None = None

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, value: str) -> str:
        import regex

        try:
            regex.compile(value)
        except (regex.error, RecursionError, OverflowError, MemoryError) as error:
            raise ValueError(f"not a regular expression: {error}") from None
        return value


def regex_(reply: Exchange, _case: Case, params: Regex) -> Grade:
    import regex

    text = text_of(reply).strip()
    texts = dict.fromkeys((text, folded(text).strip()))  # composed, without what no reader sees
    pattern = regex.compile(params.pattern, regex.IGNORECASE if params.ignore_case else 0)
    try:
        if params.count is not None:
            found = max(sum(1 for _ in pattern.finditer(one, timeout=REGEX_SECONDS)) for one in texts)
            return grade("regex", found == params.count, f"{found} matches, {params.count} asked", found=found)
        match = pattern.fullmatch if params.where == "whole" else pattern.search
        if any(match(one, timeout=REGEX_SECONDS) for one in texts):
            return grade("regex", True)
        return grade("regex", False, f"no match for {shown(params.pattern)}")
    except (TimeoutError, MemoryError):
        return grade("regex", None, f"the pattern ran past {REGEX_SECONDS:g} s on this reply: {shown(params.pattern)}")


class Start(_Text):
    any: Words

    _one = field_validator("any", mode="before")(listed)


def starts_with(reply: Exchange, _case: Case, params: Start) -> Grade:
    text = text_of(reply)
    good = any(whole.startswith(part) for whole, part in (params.beside(text, word) for word in params.any))
    return grade("starts_with", good, "" if good else f"begins with {shown(cut(params.plain(text), 40))!r}")


def ends_with(reply: Exchange, _case: Case, params: Start) -> Grade:
    text = text_of(reply)
    good = any(whole.endswith(part) for whole, part in (params.beside(text, word) for word in params.any))
    return grade("ends_with", good, "" if good else f"ends with {shown(cut(params.plain(text), 40, tail=True))!r}")


_CASE: dict[str, Any] = {"family": "text", "short": "any"}

GRADERS = (
    Grader(
        name="equals",
        summary="The reply is exactly this text (or one of these), white space at both ends aside.",
        params=Equals,
        grade=equals,
        example=Example("equals: Paris", Reply("Paris\n"), Reply("It is Paris.")),
        notes=("`ignore_case` and `ignore_whitespace` are opt-in.",),
        **_CASE,
    ),
    Grader(
        name="contains",
        summary="The reply contains any, all or none of some texts.",
        params=Contains,
        grade=contains,
        example=Example(
            "contains: {any: [Bonjour, Salut], ignore_case: true}", Reply("bonjour !"), Reply("Hello in French.")
        ),
        notes=(
            "A text counts wherever it occurs, inside a word too. Use `regex` with `\\b` for whole words.",
            (
                "No sentence is understood: `It is not Paris` contains Paris, and so does a list of all capitals. List"
                " wrong answers in `none`, or ask for an answer alone and use `equals`."
            ),
            (
                "Curly quotes, dashes and blanks of typesetters count as the plain ones; `none` also finds a text"
                " behind letters of other scripts that look the same."
            ),
        ),
        **_CASE,
    ),
    Grader(
        name="regex",
        family="text",
        short="pattern",
        summary="A regular expression matches, under a time limit of one second.",
        params=Regex,
        grade=regex_,
        example=Example(r"regex: '^\d{4}-\d{2}-\d{2}$'", Reply("2026-11-24"), Reply("24 November 2026")),
        notes=("A pattern that runs out of time leaves the case unscored: neither right nor wrong.",),
    ),
    Grader(
        name="starts_with",
        summary="The reply begins with this text, or with one of these.",
        params=Start,
        grade=starts_with,
        example=Example("starts_with: 'Dear '", Reply("Dear Ms Weber,"), Reply("Hello Ms Weber,")),
        **_CASE,
    ),
    Grader(
        name="ends_with",
        summary="The reply ends with this text, or with one of these.",
        params=Start,
        grade=ends_with,
        example=Example("ends_with: END", Reply("All done. END"), Reply("END. All done.")),
        **_CASE,
    ),
)
