"""Signs of broken decoding in a text. What is normal was measured on human documentation (docs/graders.md)."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterator

from evalkit.client.types import Exchange
from evalkit.quality import jsontext
from evalkit.quality.case import Case
from evalkit.quality.facts import Signals
from evalkit.quality.graders.base import MAX_CHARS
from evalkit.quality.toolcalls import read

_TAIL = 24_000
_MIN_LOOP_CHARS = 60
_MAX_PERIODS = 4000
_WORD = re.compile(r"\w+(?:['’]\w+)?")
#: words that stand twice in good prose
_LEGIT_TWICE = frozenset(
    [
        "that",
        "had",
        "bye",
        "so",
        "very",
        "no",
        "yes",
        "is",
        "ha",
        "he",
        "ho",
        "la",
        "na",
        "da",
        "do",
        "well",
        "now",
        "there",
        "please",
        "really",
    ]
)
_SPECIAL = re.compile(
    r"<\|[^|<>\s]{1,40}\|>|<｜[^｜<>]{1,40}｜>|</?s>|<(?:pad|unk|mask|bos|eos|sep|cls|eot|eod)>|\[(?:MASK|PAD|UNK|CLS|SEP|/?INST)\]"
    r"|<extra_id_\d+>|<SPECIAL_\d+>|<(?:start|end)_of_turn>|<0x[0-9A-F]{2}>|\ufffd"
)


#: the last so many characters of any loop stand once more, one period earlier
_PROBE = 40


def tail_loop(text: str) -> float:
    """Length of the periodic end of `text` ÷ its length: at least three repeats, or two of 200 characters or more.

    Loops are looked for in the last 24,000 characters; one that fills them is followed further back.
    """
    text = text.rstrip()
    tail = text[-_TAIL:]
    if len(tail) < _MIN_LOOP_CHARS:
        return 0.0
    best = 0
    for period in _periods(tail):
        need = max((2 if period >= 200 else 3) * period, _MIN_LOOP_CHARS, best + 1)
        if need <= len(tail) and _repeats(tail, period, need):
            best = _span(tail, period, need)
            if best == len(tail):
                best = _span(text, period, best)
                break
    return best / len(text)


def _periods(tail: str) -> Iterator[int]:
    """Distances, from the shortest on, at which the end of `tail` stands once more."""
    end = tail[-_PROBE:]
    at = len(tail) - _PROBE
    for _ in range(_MAX_PERIODS):
        at = tail.rfind(end, 0, at + _PROBE - 1)
        if at < 0:
            return
        yield len(tail) - _PROBE - at


def _repeats(text: str, period: int, span: int) -> bool:
    """Whether the last `span` characters have this period."""
    return text[len(text) - span + period :] == text[len(text) - span : len(text) - period]


def _span(text: str, period: int, least: int) -> int:
    """The longest end of `text` with this period, known to be at least `least`."""
    low, high = least, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _repeats(text, period, middle) else (low, middle - 1)
    return low


def words_of(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


_TWICE = re.compile(r"\b([^\W\d_]+)[ \t\n]+\1\b", re.IGNORECASE)


def adjacent_duplicates(text: str) -> list[str]:
    """Words that stand twice in a row with nothing but white space between ("the the"); lists of words excepted."""
    return [m.group(1) for m in _TWICE.finditer(text) if m.group(1).casefold() not in _LEGIT_TWICE]


def longest_run(words: list[str]) -> int:
    best = run = 0
    last = None
    for word in words:
        run = run + 1 if word == last else 1
        last = word
        best = max(best, run)
    return best


def repetition(words: list[str], n: int) -> float:
    """1 − distinct ÷ total n-grams; 0 for texts shorter than n words."""
    total = len(words) - n + 1
    if total <= 0:
        return 0.0
    return 1 - len(Counter(tuple(words[i : i + n]) for i in range(total))) / total


def special_tokens(text: str, prompt: str = "") -> tuple[str, ...]:
    """Special tokens that stand in `text` and not in the prompt, each once, at most ten."""
    found = dict.fromkeys(match.group() for match in _SPECIAL.finditer(text))
    return tuple(token for token in found if token not in prompt)[:10]


def unclosed(text: str) -> tuple[str, ...]:
    """What the text opens and does not close: a code fence, a bracket, a JSON value."""
    found = []
    fences = len(re.findall(r"^[ \t]{0,3}(?:```|~~~)", text, re.MULTILINE))
    if fences % 2:
        found.append("code fence")
    prose = re.sub(r"```.*?(?:```|\Z)", "", text, flags=re.DOTALL)
    stripped = prose.strip()
    if stripped[:1] in ("{", "["):
        try:
            jsontext.parse(stripped)
        except jsontext.BadJson:
            if stripped.count("{") > stripped.count("}") or stripped.count("[") > stripped.count("]"):
                found.append("JSON")
            return tuple(found)
    for opening, closing in ("[]", "{}"):
        if prose.count(opening) > prose.count(closing):
            found.append(f"bracket {opening}")
    return tuple(found)


def signals(reply: Exchange, case: Case) -> Signals:
    """The signals of one reply; never raises, linear in the reply's length."""
    text = reply.text[:MAX_CHARS]
    words = words_of(text)
    raw = text.encode("utf-8", "replace")
    # a server without a parser shows whole calls as text: that is its set-up, not broken decoding
    reading = read(reply, case.tools) if case.tools else None
    counted = words[:50_000]
    return Signals(
        words=len(words),
        tail_loop=round(tail_loop(text), 4),
        adjacent=round(len(adjacent_duplicates(text)) / (len(words) - 1), 5) if len(words) > 1 else 0.0,
        longest_run=longest_run(words),
        rep4=round(repetition(counted, 4), 4),
        rep8=round(repetition(counted, 8), 4),
        zlib_ratio=round(len(raw) / len(zlib.compress(raw)), 2) if raw else 0.0,
        special_tokens=special_tokens(text, case.prompt_text),
        truncated=reply.finish_reason == "length",
        unclosed=unclosed(text[-200_000:]),
        malformed_call=reading is not None and reading.outcome == "malformed",
        residue=reading.residue if reading else None,
    )
