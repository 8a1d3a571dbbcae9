"""Signs of broken decoding in a text. What is normal was measured on human documentation (docs/graders.md)."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterator

from evalkit.client.types import Exchange
from evalkit.quality import jsontext
from evalkit.quality.case import Case
from evalkit.quality.echo import repeats_the_prompt
from evalkit.quality.facts import MAX_CHARS, Signals
from evalkit.quality.fences import closed
from evalkit.quality.reasoning import answered, behind
from evalkit.quality.toolcalls import read

_TAIL = 24_000
_MIN_LOOP_CHARS = 60
_MAX_PERIODS = 4000
_WORD = re.compile(r"\w+(?:['’]\w+)?")
#: words that occur twice in good prose
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
        "her",
        "nous",  # the French reflexive, and relative clauses of German, Dutch and Swedish
        "vous",
        "die",
        "der",
        "das",
        "den",
        "dat",
        "det",
    ]
)
_SPECIAL = re.compile(
    r"<\|[^|<>\s]{1,40}\|>|<｜[^｜<>]{1,40}｜>|</?s>|<(?:pad|unk|mask|bos|eos|sep|cls|eot|eod)>|\[(?:MASK|PAD|UNK|CLS|SEP|/?INST)\]"
    r"|<extra_id_\d+>|<SPECIAL_\d+>|<(?:start|end)_of_turn>|<0x[0-9A-F]{2}>|\ufffd"
    r"|<(?:MASK|PAD|UNK|BOS|EOS|SEP|CLS|EOT|EOD|S|/S)>|(?<!\w)\[(?:mask|pad|unk|cls|sep|gMASK|sMASK|/?inst|eos|bos|EOS|BOS)\]"
    r"|<(?:sop|eop|eoa|eom|endoftext|im_start|im_end|mask_\d+|MASK_\d+|unused\d+|reserved_\d+)>"
    r"|\[(?:unused|UNUSED)\d+\]|\u2581(?=[A-Za-z])"
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
    """Distances, from the shortest on, at which the end of `tail` occurs once more."""
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


#: words of the largest passage that is looked for inside a text, and how much of a text is read for it
_MAX_BLOCK = 80
_MAX_LOOP_WORDS = 20_000
#: a passage with a counter in it is a loop only if it is prose: so many words and letters next to the numbers
_COUNTED_WORDS, _COUNTED_LETTERS = 3, 12
_UNIT = re.compile(r"[\u3041-\u30fa\u3400-\u9fff\uac00-\ud7a3]|\d+|[^\W\d_]+")
#: a row of a table
_ROW = re.compile(r"^[ \t]*+\|[^\n]*+$", re.MULTILINE)


def loop_share(text: str) -> float:
    """Share of the text that one passage, said over and over, takes: at its end, or before a last sentence.

    A passage may carry a counter ("1. and then again", "2. and then again"). Code, tables and JSON are not prose.
    """
    best = tail_loop(text)
    if text.strip()[:1] in ("{", "["):
        return best
    prose = _prose(text)
    units = [(_unit(m, prose), m.start(), m.end()) for m in _UNIT.finditer(prose)][-_MAX_LOOP_WORDS:]
    longest = 0
    if len(units) >= 6:
        words = [word for word, _, _ in units]
        plain = ["#" if word.isdigit() else word for word in words]
        for size in _sizes(plain):
            for first, last in _runs(plain, size):
                length = units[last][2] - units[first][1]
                if length > longest and length >= _MIN_LOOP_CHARS and _is_loop(words[first : last + 1], size):
                    longest = length
    return max(best, longest / len(text)) if text else 0.0


def _unit(found: re.Match[str], text: str) -> str:
    """A word in small letters; a letter that numbers an entry (`a)`, `b.`) as its number."""
    word = found.group().casefold()
    lettered = (
        len(word) == 1 and word.isascii() and word.isalpha() and text[found.end() : found.end() + 1] in (")", ".")
    )
    return str(ord(word)) if lettered else word


def _prose(text: str) -> str:
    """The text with blanks in place of what repeats by nature: code in closed fences, and rows of tables."""
    kept, at = [], 0
    for fence in closed(text):
        kept += [text[at : fence.start], " " * (fence.end - fence.start)]
        at = fence.end
    return _ROW.sub(_blank, "".join([*kept, text[at:]]))


def _blank(found: re.Match[str]) -> str:
    return " " * len(found.group())


def _sizes(words: list[str]) -> list[int]:
    """Distances at which some three words occur again, and again: what a loop's period can be. Linear."""
    seen: dict[tuple[str, str, str], int] = {}
    apart: Counter[int] = Counter()
    for place, three in enumerate(zip(words, words[1:], words[2:], strict=False)):
        before = seen.get(three)
        if before is not None and place - before <= _MAX_BLOCK:
            apart[place - before] += 1
        seen[three] = place
    return [size for size, times in sorted(apart.items()) if times >= 2]


def _runs(words: list[str], size: int) -> Iterator[tuple[int, int]]:
    """First and last place of each stretch in which every word occurs once more `size` words on, three times over."""
    start = None
    for i in range(size, len(words)):
        if words[i] == words[i - size]:
            start = i if start is None else start
            continue
        if start is not None and i - start >= 2 * size:
            yield start - size, i - 1
        start = None
    if start is not None and len(words) - start >= 2 * size:
        yield start - size, len(words) - 1


def _is_loop(words: list[str], size: int) -> bool:
    """Whether a stretch that repeats, numbers aside, is one passage over and over: what it counts goes up by one."""
    block = words[:size]
    letters = [word for word in block if not word.isdigit()]
    if not letters:
        return False
    if len(letters) == size:
        return True
    if len(letters) < _COUNTED_WORDS or sum(map(len, letters)) < _COUNTED_LETTERS:
        return False
    steps: dict[int, set[int]] = {}
    for place, word in enumerate(words[size:]):
        if word.isdigit() and len(word) <= 9:
            steps.setdefault(place % size, set()).add(int(word) - int(words[place]))
    return all(len(each) == 1 and each <= {-1, 0, 1} for each in steps.values())


def words_of(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


_TWICE = re.compile(r"\b([^\W\d_]+)[ \t\n]+\1\b", re.IGNORECASE)
_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_KANA = "\u3041-\u3096\u30a1-\u30fa\u30fc"
#: the same characters twice: two or more with Han among them, four or more of kana alone (shorter ones are words)
_TWICE_CJK = re.compile(rf"([{_HAN}{_KANA}]{{1,8}}?)\1")
_HAS_HAN = re.compile(f"[{_HAN}]")
_CJK = re.compile(f"[{_HAN}{_KANA}]")
#: characters that occur twice in good Chinese and Japanese: kin, thanks, "slowly", "every day", verbs tried a little
_LEGIT_TWICE_CJK = frozenset(
    "\u5988\u7238\u7237\u5976\u54e5\u59d0\u5f1f\u59b9\u53d4\u8205\u516c\u5a46\u5b9d\u8c22\u8b1d\u5929\u5e74\u6708\u65e5\u4eba\u4e2a\u500b\u5904\u8655\u65f6\u6642\u4e8b\u6837\u6a23\u4ef6\u6761\u689d\u5bb6\u6b65\u70b9\u9ede\u70b9\u5c42\u7247"
    "\u6162\u5e38\u521a\u525b\u4ec5\u50c5\u6e10\u6f38\u5f80\u504f\u9ed8\u7f13\u7de9\u6084\u8f7b\u8f15\u6df1\u8fdc\u9060\u5927\u5c0f\u597d\u591a\u5c11\u65e9\u9ad8\u957f\u9577\u77ed\u5706\u5713\u767d\u7ea2\u7d05\u7eff\u7da0\u9ec4\u9ec3\u84dd\u85cd\u9ed1"
    "\u770b\u60f3\u8bf4\u8aaa\u542c\u807d\u8bd5\u8a66\u7b49\u8d70\u7b11\u8bfb\u8b80\u5199\u5beb\u95ee\u554f\u804a\u73a9\u5750\u8bb2\u8b1b\u5403\u54c8\u5475\u563f\u5566\u554a\u55ef\u54e6\u545c\u661f\u70ab\u72d7\u732b"
)


def adjacent_duplicates(text: str) -> list[str]:
    """Words that occur twice in a row with nothing but white space between ("the the"); lists of words excepted.

    In Chinese and Japanese, where words have no blanks between them: the same characters twice in a row.
    """
    found = [m.group(1) for m in _TWICE.finditer(text) if m.group(1).casefold() not in _LEGIT_TWICE]
    return found + [m.group(1) for m in _TWICE_CJK.finditer(text) if _is_double(m.group(1))]


def _is_double(part: str) -> bool:
    if len(part) == 1:
        return bool(_HAS_HAN.match(part)) and part not in _LEGIT_TWICE_CJK
    return bool(_HAS_HAN.search(part)) or len(part) >= 4


def doubled_share(text: str) -> float:
    """Doubled words \u00f7 pairs of words; two characters of Chinese or Japanese are estimated as a word."""
    words = len(words_of(_CJK.sub(" ", text))) + len(_CJK.findall(text)) // 2
    return len(adjacent_duplicates(text)) / (words - 1) if words > 1 else 0.0


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
    """Special tokens that are in `text` and not in the prompt, each once, at most ten."""
    found = dict.fromkeys(match.group() for match in _SPECIAL.finditer(text))
    return tuple(token for token in found if token not in prompt)[:10]


#: a half-open interval: [0, 1) or (0, 1]
_INLINE = re.compile(r"`[^`\n]{1,200}`")
_INTERVAL = re.compile(r"\[[^\[\]()\n,;]{1,40}[,;][^\[\]()\n]{1,40}\)|\([^\[\]()\n,;]{1,40}[,;][^\[\]()\n]{1,40}\]")


def unclosed(text: str) -> tuple[str, ...]:
    """What the text opens and does not close: a code fence, a bracket, a JSON value."""
    found = []
    fences = len(re.findall(r"^[ \t]{0,3}(?:```|~~~)", text, re.MULTILINE))
    if fences % 2:
        found.append("code fence")
    prose = _INTERVAL.sub("", _INLINE.sub("", re.sub(r"```.*?(?:```|\Z)", "", text, flags=re.DOTALL)))
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
    found = answered(text)
    raw = text.encode("utf-8", "replace")
    # a server without a parser shows whole calls as text: that is its set-up, not broken decoding
    reading = read(behind(reply)[0], case.tools) if case.tools else None
    counted = words[:50_000]
    return Signals(
        words=len(words),
        tail_loop=round(loop_share(text), 4),
        adjacent=round(doubled_share(text), 5),
        longest_run=longest_run(words),
        rep4=round(repetition(counted, 4), 4),
        rep8=round(repetition(counted, 8), 4),
        zlib_ratio=round(len(raw) / len(zlib.compress(raw)), 2) if raw else 0.0,
        special_tokens=special_tokens(text if found.open else found.text, case.prompt_text),
        truncated=reply.finish_reason == "length",
        unclosed=unclosed(found.text[-200_000:]),
        open_reasoning=found.open,
        malformed_call=reading is not None and reading.outcome == "malformed",
        echo=repeats_the_prompt(found.text, case.prompt_text),
        residue=reading.residue if reading else None,
    )
