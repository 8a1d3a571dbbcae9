"""Sentences of a model card that restrict a use, whatever its metadata state. Foreign text: parsed without trust."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from evalkit.hub.facts import CardSentence
from evalkit.text import one_line

_MOST = 20
#: what the card's markup hides; each is blanked at equal length, so that places stay true
_MARKUP = re.compile(r"<[^>\n]{0,500}>|[\[\]!*_`#>|~]")
_TARGET = re.compile(r"(?<=\])\(\s*+<?([^)\s>]{1,500}+)>?[^)\n]{0,100}+\)")
_CODE = re.compile(r"^ {0,3}(```|~~~).*?(?:^ {0,3}\1|\Z)", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^[ \t]*#{1,6}[^\n]*\n", re.MULTILINE)
_BREAK = re.compile(r"\n(?=[ \t]*(?:\n|[-*+][ \t]|\d{1,3}[.)][ \t]|#|\|))")
_SENTENCE = re.compile(r"(?:[^.!?\x00]|[.!?](?!\s|\x00|\Z)){3,600}")
_BOTH = re.compile(
    r"(?i)commercial(?:ly)?\s*(?:/|,|and|or|&|as well as)\s*(?:for\s+)?non[-\s]?commercial(?:ly)?"
    r"|non[-\s]?commercial(?:ly)?\s*(?:/|,|and|or|&|as well as)\s*(?:for\s+)?commercial(?:ly)?"
)
_LIMITED = r"(?:research|academic|educational|personal|scientific|evaluation|non[-\s]?commercial)"
_NO = r"(?:prohibited|forbidden|disallowed|not\s+(?:\w+\s+)?(?:allowed|permitted|granted|licensed))"
_RULES: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "commercial",
        re.compile(
            rf"(?i)\bnon[-\s]?commercial|\bcc[-\s]by[-\s]nc\b|\b(?:not|never|no)\b(?:\s+[\w-]+){{0,5}}\s+commercial"
            rf"|\bcommercial\w*\s+(?:use|usage|purposes?|applications?|deployment|licen[sc]\w*)\b[^\x00]{{0,60}}"
            rf"\b(?:{_NO}|requires?|needs?|contact|upon request|separate)\b"
            rf"|\b{_LIMITED}(?:\s+(?:and|or|&)\s+{_LIMITED})*(?:[-\s](?:use|usage|purposes?))?[-\s]only\b"
            rf"|\b(?:only|solely|exclusively|strictly|limited)\s+(?:\w+\s+){{0,4}}(?:for|to)\s+(?:\w+\s+){{0,3}}{_LIMITED}"
        ),
    ),
    (
        "redistribute",
        re.compile(
            rf"(?i)\bno\s+re-?distribution|\bre-?distribut\w+[^\x00]{{0,60}}\b{_NO}"
            r"|\b(?:may|must|shall|can|do|should)\s*not\s+(?:\w+\s+){0,3}(?:re-?distribute|re-?share|re-?publish|sublicense)"
        ),
    ),
    (
        "modify",
        re.compile(
            rf"(?i)\bno[-\s]derivatives?\b|\bcc[-\s]by(?:[-\s]nc)?[-\s]nd\b|\b(?:modifications?|derivative works?)\b"
            rf"[^\x00]{{0,40}}\b{_NO}|\b(?:may|must|shall)\s+not\s+(?:be\s+)?modif"
        ),
    ),
)
_DATA = re.compile(r"(?i)\b(?:data\s?sets?|training data|corpus|corpora|benchmarks?|images|photos|paper|demo|logo)\b")
_SUBJECT = re.compile(r"(?i)\b(?:models?|weights?|checkpoints?|parameters)\b")
_LICENSE = re.compile(r"(?i)licen[sc]|governed by|terms")


def restrictions(text: str, gated: Iterable[tuple[str, int]] = ()) -> tuple[CardSentence, ...]:
    """Sentences that restrict a use, or that link a license of the weights, with their lines counted from 1.

    `text` is the card with its front matter blanked; `gated` are texts of the gate's prompt with their lines.
    """
    found: dict[tuple[str, str], CardSentence] = {}
    for kind, sentence, line, link in (*_of_prose(text), *_of_gate(gated)):
        shown = one_line(sentence, limit=300)
        found.setdefault((kind, shown), CardSentence(kind=kind, text=shown, line=line, link=link))
    return tuple(found.values())[:_MOST]


def _of_gate(gated: Iterable[tuple[str, int]]) -> Iterator[tuple[str, str, int, str | None]]:
    for text, line in gated:
        for match in _SENTENCE.finditer(text):
            yield from ((kind, match[0], line, None) for kind in _kinds(match[0]))


def _of_prose(text: str) -> Iterator[tuple[str, str, int, str | None]]:
    bare = _CODE.sub(_blank, text)
    links = [(m.start(), one_line(m[1], limit=500)) for m in _TARGET.finditer(bare)]
    bare = _HEADING.sub(lambda found: f"{found[0][:-1]}\x00", bare)
    flat = _MARKUP.sub(_blank, _TARGET.sub(_blank, bare))
    flat = _BREAK.sub("\x00", flat).replace("\n", " ")
    for match in _SENTENCE.finditer(flat):
        lead = len(match[0]) - len(match[0].lstrip())
        line = text.count("\n", 0, match.start() + lead) + 1
        for kind in _kinds(match[0]):
            yield kind, match[0], line, None
        if _SUBJECT.search(match[0]) and _LICENSE.search(match[0]):
            yield from (("linked", match[0], line, to) for at, to in links if match.start() <= at <= match.end())


def _kinds(sentence: str) -> list[str]:
    """The uses that a sentence restricts."""
    if _DATA.search(sentence) and not _SUBJECT.search(sentence):
        return []
    alone = _BOTH.sub(" ", sentence)
    return [kind for kind, rule in _RULES if rule.search(alone)]


def _blank(match: re.Match[str]) -> str:
    return "".join("\n" if char == "\n" else " " for char in match[0])
