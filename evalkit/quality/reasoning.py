"""Reasoning that a server left in the text: what follows it is the answer, and without its end there is none."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from dataclasses import dataclass

from evalkit.client.types import Exchange
from evalkit.text import shows

#: with the prefix of a family: seed:think, mm:think, longcat_think
_NAMES = "(?:[a-z]{1,12}[:_])?(?:think|thinking|thoughts?|reasoning(?:_content)?)"
#: opening and closing marks of reasoning, as models and chat templates write them
_MARK = re.compile(
    rf"(?P<open><(?:{_NAMES})(?:\s[^<>]{{0,80}})?>|\[THINK\]|◁think▷"
    r"|<\|(?:begin_of_thought|START_THINKING|think|thinking|inner_prefix)\|>"
    r"|<\|channel\|?>\s*(?:analysis|thought)\b(?:<\|message\|>)?)"
    rf"|(?P<close></(?:{_NAMES})>|\[/THINK\]|◁/think▷"
    r"|<\|(?:end_of_thought|END_THINKING|/think|/thinking|inner_suffix)\|>|<channel\|>"
    r"|<\|channel\|>\s*final\b(?:<\|message\|>)?)",
    re.IGNORECASE,
)
_FENCE = re.compile(r"^[ \t]{0,3}(?:```|~~~)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Answered:
    """The text behind closed reasoning. `open`: reasoning began and did not end, so that no answer follows.

    `alone`: reasoning ended that the text did not begin, so that the server's template had opened it.
    """

    text: str
    reasoned: bool = False
    open: bool = False
    alone: bool = False


def answered(text: str) -> Answered:
    """The answer in a text. Marks in code (a fence, or between backticks) are text; linear in the text's length."""
    kept: list[str] = []
    at, depth, reasoned, alone, quoted = 0, 0, False, False, _Quoted(text)
    for mark in _MARK.finditer(text):
        if depth == 0 and quoted.at(mark.start(), mark.end()):
            continue
        reasoned = True
        if mark.group("open"):
            if depth == 0:
                kept.append(text[at : mark.start()])
            depth += 1
        elif depth:
            depth -= 1
            at = mark.end()
        else:  # the template wrote the opening: all before the end is reasoning
            kept.clear()
            at, alone = mark.end(), True
    if depth:
        # nested openings that were closed once: models repeat the mark, and close it once
        closed = _closed_last(text)
        return Answered(text[at:].strip() if closed else "", reasoned=True, open=not closed)
    kept.append(text[at:])
    return Answered("".join(kept).strip() if reasoned else text, reasoned, alone=alone)


def _closed_last(text: str) -> bool:
    last = None
    for mark in _MARK.finditer(text):
        last = mark
    return last is not None and last.group("close") is not None


def reasoning_marks(text: str) -> tuple[str, ...]:
    """Marks of reasoning that are in the text, outside code, each once."""
    quoted = _Quoted(text)
    found = (mark for mark in _MARK.finditer(text) if not quoted.at(mark.start(), mark.end()))
    return tuple(dict.fromkeys(mark.group() for mark in found))[:10]


class _Quoted:
    """Whether a place lies in code; fences are counted once, on the way.

    A fence that nothing closes holds no code, nor does one that begins with a mark of reasoning and is the whole text:
    models wrap what they think.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.fences = [match.start() for match in _FENCE.finditer(text)]

    def at(self, start: int, end: int) -> bool:
        if self.text[start - 1 : start] == "`" and self.text[end : end + 1] == "`":
            return True
        before = bisect_left(self.fences, start)
        if before % 2 == 0 or before == len(self.fences):
            return False
        return not self.wrapped()

    def wrapped(self) -> bool:
        """Whether the text is one fence that begins with a mark of reasoning."""
        if len(self.fences) != 2 or self.text[: self.fences[0]].strip():
            return False
        code = self.text[self.fences[0] : self.fences[1]].partition("\n")[2].lstrip()
        first, rest = _MARK.match(code), self.text[self.fences[1] :].partition("\n")[2]
        return first is not None and first.group("open") is not None and not rest.strip()


def visible(text: str) -> str:
    """The text without what no reader sees: white space at the ends, control and format characters, fillers."""
    if not shows(text):
        return ""
    if text.replace("\n", "").replace("\t", "").isprintable():  # most replies: no look at each character
        return text.strip()
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf")).strip()


def behind(reply: Exchange, *, keep: bool = False) -> tuple[Exchange, str | None]:
    """The reply as its graders see it, and why it holds no answer; None: it holds one.

    An answer is visible text behind closed reasoning, or a tool call. With `keep` closed reasoning stays in the text.
    """
    found = answered(reply.text)
    seen = replace_text(reply, "" if found.open else reply.text if keep else found.text)
    if seen.tool_calls or (not found.open and visible(found.text[:10_000])):
        return seen, None
    if found.open:
        return seen, "the reasoning does not end: no answer follows it"
    return seen, "nothing follows the reasoning" if found.reasoned else "no visible text and no call"


def replace_text(reply: Exchange, text: str) -> Exchange:
    """The same reply with another text."""
    return reply if text == reply.text else reply.model_copy(update={"text": text})
