"""Graders of long replies: sections in order, loops, duplicates, clean ends, scripts, special tokens."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from evalkit.client.types import Exchange
from evalkit.quality import degeneration
from evalkit.quality.case import Case
from evalkit.quality.facts import ADJACENT_LIMIT, TAIL_LOOP_LIMIT, Grade
from evalkit.quality.graders.base import Example, Grader, NoParams, Params, Reply, by_thirds, grade, shown, text_of
from evalkit.quality.prose import stopped_mid_sentence
from evalkit.quality.reasoning import reasoning_marks
from evalkit.text import cut


class Sections(Params):
    """`titles`: lines that begin with these, or `numbered: n`: lines that begin with 1 … n (or `prefix` and it)."""

    titles: Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1, max_length=500)] | None = None
    numbered: Annotated[int, Field(ge=1, le=5000)] | None = None
    prefix: str = ""
    order: Literal["strict", "any"] = "strict"
    extra: Literal["forbid", "allow"] = "allow"

    @model_validator(mode="after")
    def _one(self) -> Sections:
        if (self.titles is None) == (self.numbered is None):
            raise ValueError("sections takes either titles or numbered")
        if self.titles and len({title.casefold() for title in self.titles}) != len(self.titles):
            raise ValueError("a title is listed twice: sections are found once each")
        return self


_DECORATION = re.compile(r"^[\s#>*_\-•]+")
_LEADING_NUMBER = re.compile(r"(\d{1,6})(?=[.):\]\s-]|$)")


def _places(params: Sections, lines: list[str]) -> list[list[int]]:
    """For each section the lines on which it is found."""
    bare = [_DECORATION.sub("", line).strip().casefold() for line in lines]
    if params.titles is not None:
        unnumbered = [re.sub(r"^(?:\d{1,4}|[ivxlc]{1,7})[.)]\s+", "", line) for line in bare]
        return [
            [i for i, line in enumerate(bare) if _begins(line, title) or _begins(unnumbered[i], title)]
            for title in (t.casefold() for t in params.titles)
        ]
    found: list[list[int]] = [[] for _ in range(params.numbered or 0)]
    prefix = params.prefix.casefold()
    for index, line in enumerate(bare):
        if prefix and not line.startswith(prefix):
            continue
        match = _LEADING_NUMBER.match(line[len(prefix) :].lstrip())
        if match and 1 <= int(match.group(1)) <= len(found):
            found[int(match.group(1)) - 1].append(index)
    return found


def _begins(line: str, title: str) -> bool:
    return line.startswith(title) and not line[len(title) : len(title) + 1].isalnum()


def sections(reply: Exchange, _case: Case, params: Sections) -> Grade:
    lines = text_of(reply).splitlines()
    places = _places(params, lines)
    names = params.titles or [f"{params.prefix}{n + 1}" for n in range(len(places))]
    good = [len(place) == 1 for place in places]
    share = sum(good) / len(good)
    thirds = by_thirds([1.0 if one else 0.0 for one in good])
    detail: dict[str, Any] = {"done": sum(good), "asked": len(good), "by_third": thirds}
    for name, place in zip(names, places, strict=True):
        if len(place) != 1:
            what = "is missing" if not place else f"occurs {len(place)} times"
            return grade(
                "sections", False, f"{shown(name)} {what} ({sum(good)} of {len(good)} in place)", score=share, **detail
            )
    starts = [place[0] for place in places]
    if params.order == "strict" and starts != sorted(starts):
        late = next(i for i in range(1, len(starts)) if starts[i] < starts[i - 1])
        return grade("sections", False, f"{shown(names[late])} is out of order", score=share, **detail)
    if params.extra == "forbid" and len([line for line in lines if line.strip()]) > len(places):
        return grade("sections", False, "more lines than sections", score=share, **detail)
    return grade("sections", True, **detail)


class Loop(Params):
    max_share: Annotated[float, Field(ge=0, lt=1)] = TAIL_LOOP_LIMIT


def no_loop(reply: Exchange, _case: Case, params: Loop) -> Grade:
    share = degeneration.loop_share(text_of(reply))
    good = share <= params.max_share
    return grade("no_loop", good, "" if good else f"{share:.0%} of the reply repeat one passage", share=round(share, 4))


class Duplicates(Params):
    max_share: Annotated[float, Field(ge=0, lt=1)] = ADJACENT_LIMIT
    #: also no line of at least this many characters twice
    lines: Annotated[int, Field(ge=1)] | None = None


def no_duplicates(reply: Exchange, _case: Case, params: Duplicates) -> Grade:
    text = text_of(reply)
    twice, share = degeneration.adjacent_duplicates(text), degeneration.doubled_share(text)
    if share > params.max_share:
        return grade(
            "no_duplicates",
            False,
            f'"{shown(twice[0])} {shown(twice[0])}": {len(twice)} words are doubled',
            share=round(share, 5),
        )
    if params.lines is not None:
        seen: set[str] = set()
        for line in (one.strip() for one in text.splitlines()):
            if len(line) >= params.lines and line in seen:
                return grade("no_duplicates", False, f"a line occurs twice: {shown(line)}", share=round(share, 5))
            seen.add(line)
    return grade("no_duplicates", True, share=round(share, 5))


class Repetition(Params):
    """Largest rise of the share of repeated 4-grams over the baseline's reply to the same case."""

    over_baseline: Annotated[float, Field(gt=0, lt=1)] = 0.2


def max_repetition(reply: Exchange, _case: Case, params: Repetition) -> Grade:
    rep4 = degeneration.repetition(degeneration.words_of(text_of(reply))[:50_000], 4)
    return grade(
        "max_repetition",
        None,
        "compared with the baseline",
        counts=False,
        rep4=round(rep4, 4),
        over_baseline=params.over_baseline,
    )


class CleanEnd(Params):
    """`end`: the last visible character is one of these."""

    end: str | None = None


def clean_end(reply: Exchange, _case: Case, params: CleanEnd) -> Grade:
    text = text_of(reply)
    if reply.finish_reason == "length":
        return grade("clean_end", False, "cut off at the token limit")
    open_ends = degeneration.unclosed(text)
    if open_ends:
        return grade("clean_end", False, f"not closed: {', '.join(open_ends)}")
    last = text.rstrip()[-1:]
    if params.end is not None:
        return grade("clean_end", bool(last) and last in params.end, f"ends with {shown(last)!r}")
    if stopped_mid_sentence(text):
        return grade(
            "clean_end", False, f"stops in the middle of a sentence: {shown(cut(text.rstrip(), 40, tail=True))!r}"
        )
    return grade("clean_end", bool(last), "" if last else "an empty reply")


#: main script of languages written in one; a script is not a language, and says only that it did not drift
SCRIPTS = {
    "en": "Latin", "de": "Latin", "fr": "Latin", "es": "Latin", "it": "Latin", "pt": "Latin", "nl": "Latin",
    "ru": "Cyrillic", "uk": "Cyrillic", "el": "Greek", "zh": "Han", "ko": "Hangul", "ar": "Arabic", "he": "Hebrew",
    "hi": "Devanagari", "th": "Thai",
}  # fmt: skip
_KNOWN_SCRIPTS = frozenset(SCRIPTS.values()) | {"Hiragana", "Katakana", "Armenian", "Georgian"}


_LETTERS = re.compile(r"[^\W\d_]+")


class Language(Params):
    """`script` by name, or the code of a language written in one. Every window of `window` letters must hold it."""

    script: str
    min_share: Annotated[float, Field(gt=0, le=1)] = 0.9
    window: Annotated[int, Field(ge=20)] = 200

    @field_validator("script")
    @classmethod
    def _known(cls, value: str) -> str:
        name = SCRIPTS.get(value.lower(), value)
        if name not in _KNOWN_SCRIPTS:
            raise ValueError(
                f"unknown script {value!r}: one of {', '.join(sorted(_KNOWN_SCRIPTS))}, or {', '.join(SCRIPTS)}"
            )
        return name


def language(reply: Exchange, _case: Case, params: Language) -> Grade:
    import regex

    letters = "".join(_LETTERS.findall(text_of(reply)[:400_000]))
    if not letters:
        return grade("language", False, "no letters in the reply")
    pattern = regex.compile(rf"\p{{Script={params.script}}}")
    for at in range(0, len(letters), params.window):
        window = letters[at : at + params.window]
        share = len(pattern.findall(window)) / len(window)
        if share < params.min_share and (len(window) >= 20 or at == 0):
            reason = f"{share:.0%} of the letters from {at + 1} on are {params.script}"
            return grade("language", False, reason, share=round(share, 4), at=at)
    return grade("language", True)


def no_special_tokens(reply: Exchange, case: Case, _params: NoParams) -> Grade:
    text = text_of(reply)
    marks = tuple(mark for mark in reasoning_marks(text) if mark not in case.prompt_text)
    found = (*degeneration.special_tokens(text, case.prompt_text), *marks)
    return grade("no_special_tokens", not found, f"{shown(found[0])} in the text" if found else "", tokens=list(found))


_LOOPED = "It rains in the north. " * 12

GRADERS = (
    Grader(
        name="sections", family="long", short="titles", params=Sections, grade=sections,
        summary="Sections are in order, each exactly once; the score is the share in place.",
        example=Example(
            "sections: {titles: [Aim, Method, Result]}",
            Reply("# Aim\nTo see.\n# Method\nLook.\n# Result\nSeen."),
            Reply("# Aim\nTo see.\n# Result\nSeen."),
        ),
        notes=(
            "`sections: {numbered: 40}` asks for lines that begin with 1 to 40.",
            "Marks such as `#`, `*` and `2.` before a title are skipped.",
        ),
    ),
    Grader(
        name="no_loop", family="long", short="max_share", params=Loop, grade=no_loop,
        summary="The end of the reply does not repeat one passage over and over (at most 10% of the reply).",
        example=Example(
            "no_loop", Reply("Rain falls in the north, and the south stays dry until the evening."), Reply(_LOOPED)
        ),
        notes=("Human text reaches 1.3% at the 99th percentile, looped output about 50%.",),
    ),
    Grader(
        name="no_duplicates", family="long", short="max_share", params=Duplicates, grade=no_duplicates,
        summary='Hardly any word is repeated in a row ("the the"): a sign of parallel decoding gone wrong.',
        example=Example(
            "no_duplicates", Reply("The train leaves at noon."), Reply("The the train leaves leaves at noon.")
        ),
        notes=("`lines: 30` also forbids lines of 30 or more characters that occur twice.",),
    ),
    Grader(
        name="max_repetition", family="long", short="over_baseline", params=Repetition, grade=max_repetition,
        summary="Repeated 4-grams rise by at most this share over the baseline's reply. Decided when both are known.",
        example=Example("max_repetition: 0.2", Reply("One thing and then another thing."), Reply("")),
        notes=("Lists and tables repeat by nature: people keep no absolute limit.",),
    ),
    Grader(
        name="clean_end", family="long", short="end", params=CleanEnd, grade=clean_end,
        summary="The reply ends by itself: not at the token limit or in mid-sentence, and with nothing left open.",
        example=Example("clean_end", Reply("All done."), Reply("```python\nprint(1)")),
        notes=(
            "A last line of prose without an end, where other sentences have one, is in mid-sentence.",
            "With `end` only the last character is looked at.",
        ),
    ),
    Grader(
        name="language", family="long", short="script", params=Language, grade=language,
        summary="The reply stays in one script throughout, window by window.",
        example=Example(
            "language: en", Reply("The weather is fine today."), Reply("The weather сегодня прекрасная очень")
        ),
        notes=("Distinguishes scripts, not languages that share one.",),
    ),
    Grader(
        name="no_special_tokens", family="long", params=NoParams, grade=no_special_tokens,
        summary="No mask, end-of-text or other special token is left in the text (unless the prompt has it).",
        example=Example("no_special_tokens", Reply("Paris."), Reply("Paris<|mask|> is")),
    ),
)  # fmt: skip
