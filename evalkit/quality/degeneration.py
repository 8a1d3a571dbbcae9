"""Signs of broken decoding in a text. What is normal was measured on human documentation (docs/graders.md)."""

from __future__ import annotations

import re
import zlib
from collections import Counter

from evalkit.client.types import Exchange
from evalkit.quality import jsontext
from evalkit.quality.case import Case
from evalkit.quality.facts import Signals
from evalkit.quality.graders.base import MAX_CHARS
from evalkit.quality.toolcalls import read

_TAIL = 24_000
_MIN_LOOP_CHARS = 60
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


def tail_loop(text: str) -> float:
    """Length of the periodic end of `text` ÷ its length: at least three repeats, or two of 200 characters or more."""
    text = text.rstrip()
    total = len(text)
    tail = text[-_TAIL:][::-1]
    if len(tail) < _MIN_LOOP_CHARS:
        return 0.0
    best = 0
    for period, length in enumerate(_z(tail)):
        span = period + length
        if period and span >= (2 if period >= 200 else 3) * period and span >= _MIN_LOOP_CHARS:
            best = max(best, span)
    return best / total


def _z(text: str) -> list[int]:
    """Z-array: z[i] is the length of the longest common prefix of `text` and `text[i:]`. Linear time."""
    n = len(text)
    z = [0] * n
    left = right = 0
    for i in range(1, n):
        k = min(right - i, z[i - left]) if i < right else 0
        while i + k < n and text[k] == text[i + k]:
            k += 1
        z[i] = k
        if i + k > right:
            left, right = i, i + k
    return z


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
