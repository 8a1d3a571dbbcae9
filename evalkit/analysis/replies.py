"""What the replies of a mode show beside their times: broken text, length, who answered, and in what pieces. Pure."""

from __future__ import annotations

import hashlib
import math
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median, stdev
from typing import Any, Literal

from evalkit.analysis.copies import FILLED_IN, REPEATED, copies, frame, sketch, strangers
from evalkit.analysis.readings import Readings, geometric
from evalkit.client.types import Exchange
from evalkit.quality import degeneration
from evalkit.quality.astray import next_turn, other_script
from evalkit.quality.echo import begins_with_the_prompt, says_the_prompt
from evalkit.quality.facts import ADJACENT_LIMIT, TAIL_LOOP_LIMIT
from evalkit.quality.reasoning import answered
from evalkit.quality.toolcalls import read
from evalkit.stats.distributions import t_quantile
from evalkit.stats.ratio import log_ratios
from evalkit.text import seen
from evalkit.timing.facts import TimedSample, WarmUp

#: a long reply is looked at in its first and last so many characters
_HALF = 8000
#: from how many times the time of the other reading on two readings of one prompt are not of the same work
_TWICE = 2.0
#: two-sided p of "later readings are faster": five prompts of five
_SYSTEMATIC = 0.0625
#: by how much characters a token may differ from the baseline's before one of the counts cannot be right
_COUNTS_APART = 1.5
#: characters of a reply from which its tokens a character mean something
_FEWEST_CHARACTERS = 40
#: of the chunks behind the first: from this share of single tokens on a reply comes token by token, up to that in runs
_SINGLE, _MANY = 0.75, 0.4
#: characters of a chunk up to which it is one character: several tokens of bytes may make it
_FEWEST_CHUNKS, _FEWEST_TOKENS, _ONE = 8, 8, 1.5
#: prompts from which the spread between them is known, and the least that it is taken for (log)
_FEWEST_PROMPTS, _LEAST_SPREAD = 5, 0.05
#: tokens behind the first chunk from which a reply has a pace
_PACED = 16

Shape = Literal["tokens", "blocks"]

UNCLOSED, NO_END, ECHO = "unclosed thinking", "no end of thinking", "the prompt's own words"
STRANGE = "hardly a word of the baseline's reply"
OTHER_SCRIPT, NEXT_TURN = "another script than the prompt's", "the user's next turn"
#: signs that the prompts may bring about, where the two modes answer in another manner
NOT_OWN = (FILLED_IN, ECHO, OTHER_SCRIPT, NEXT_TURN)
#: kept of a reply to see whether another mode's lacks the end of its thinking; no fault by themselves
_THOUGHT, _ALONE = "thinking", "a closing mark alone"
NO_FAULT = (_THOUGHT, _ALONE)


def signs(reply: Exchange, prompt: str = "", tools: Sequence[dict[str, Any]] = ()) -> tuple[str, ...]:
    """Signs of broken decoding in a reply, and of thinking that ended. Looks at 16,000 characters at most."""
    text = reply.text if len(reply.text) <= 2 * _HALF else f"{reply.text[:_HALF]}\n{reply.text[-_HALF:]}"
    twice, found = len(degeneration.adjacent_duplicates(text)), answered(reply.text)
    flags = {
        "loops": degeneration.loop_share(text) > TAIL_LOOP_LIMIT,
        "doubled words": twice > 0 and twice / max(1, len(degeneration.words_of(text)) - 1) > ADJACENT_LIMIT,
        "special tokens": bool(degeneration.special_tokens(text, prompt)),
        "cut off": reply.finish_reason == "length",
        UNCLOSED: found.open,
        _THOUGHT: (found.reasoned and not found.open) or bool(reply.reasoning),
        _ALONE: found.alone,
        "malformed calls": bool(tools) and read(reply, tools).outcome == "malformed",
        "calls that were not offered": not tools and bool(reply.tool_calls),
        ECHO: bool(prompt) and (says_the_prompt(text, prompt) or begins_with_the_prompt(text, prompt)),
        OTHER_SCRIPT: bool(prompt) and other_script(text, prompt),
        NEXT_TURN: next_turn(text, prompt),
    }
    return tuple(name for name, flag in flags.items() if flag)


def looked_at(sample: TimedSample, prompt: str = "", tools: Sequence[dict[str, Any]] = ()) -> TimedSample:
    """The sample with what its text shows, where it does not hold that yet."""
    found: dict[str, object] = {}
    if sample.signs is None:
        found["signs"] = signs(sample.exchange, prompt, tools)
    if sample.seen is None:
        found |= {"seen": characters(sample.exchange), "gist": gist(sample.exchange)}
        found["frame"] = frame(sample.exchange.text[:_HALF], prompt) if prompt else None
        found["sketch"] = sketch(sample.exchange.text[:_HALF])
    return sample.model_copy(update=found) if found else sample


def gist(reply: Exchange) -> str | None:
    """A hash of the words of a reply and of its calls; None where there are none."""
    said = (reply.text[:_HALF], *(f"{call.name} {call.arguments[:_HALF]}" for call in reply.tool_calls))
    words = seen(" ".join(said)).casefold()
    return hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest()[:16] if words else None


def signs_of(sample: TimedSample) -> tuple[str, ...]:
    """The signs that were kept of a timed reply; of journals without them, what the reply alone shows."""
    return signs(sample.exchange) if sample.signs is None else sample.signs


@dataclass(frozen=True, slots=True)
class SignCount:
    """Of `prompts` answered in both modes: how many show a sign in the mode, in the baseline, and in one alone."""

    sign: str
    prompts: int
    mode: int
    baseline: int
    gained: int
    lost: int

    @property
    def p(self) -> float:
        """One-sided p of the exact sign test on the prompts that differ: as many more by chance alone."""
        n = self.gained + self.lost
        return math.fsum(math.comb(n, k) for k in range(self.gained, n + 1)) / 2.0**n


def sign_counts(readings: Readings, mode: str, baseline: str, level: int) -> list[SignCount]:
    """One for each sign that either mode shows, by prompt: a prompt shows a sign when half of its readings do."""
    one, other = (_with_copies(readings, m, level, _by_prompt(readings, m, level)) for m in (mode, baseline))
    drawn = _sketches(readings, baseline, level)
    first = {prompt: each[0] for prompt, each in drawn.items()}
    strange = strangers({p: each[0] for p, each in _sketches(readings, mode, level).items()}, first)
    as_strange = strangers({p: each[-1] for p, each in drawn.items()}, first)
    shared = [prompt for prompt in one if prompt in other]
    mine = {p: _against(one[p], other[p]) | ({STRANGE} if p in strange else set()) for p in shared}
    theirs = {p: _against(other[p], one[p]) | ({STRANGE} if p in as_strange else set()) for p in shared}
    names = sorted({sign for prompt in shared for sign in (*mine[prompt], *theirs[prompt])})
    return [_count(name, [(name in mine[p], name in theirs[p]) for p in shared]) for name in names]


def _sketches(readings: Readings, mode: str, level: int) -> dict[str, list[str]]:
    """Of each prompt's replies, in the order in which they came."""
    found: dict[str, list[str]] = {}
    for s in readings.good(mode, level):
        bits = s.sketch if s.seen is not None else sketch(s.exchange.text[:_HALF])
        if bits is not None:
            found.setdefault(s.prompt, []).append(bits)
    return found


def _against(one: frozenset[str], other: frozenset[str]) -> frozenset[str]:
    """Signs of one mode's reply. A text that never closes what the template opened is thinking throughout: that it was
    opened shows in the other mode's reply alone.
    """
    lacks = _ALONE in other and not one & {_THOUGHT, UNCLOSED}
    return (one - {_THOUGHT, _ALONE}) | ({NO_END} if lacks else frozenset())


def _count(name: str, both: list[tuple[bool, bool]]) -> SignCount:
    cells = Counter(both)
    gained, lost, shared = cells[True, False], cells[False, True], cells[True, True]
    return SignCount(name, len(both), gained + shared, lost + shared, gained, lost)


def _by_prompt(readings: Readings, mode: str, level: int) -> dict[str, frozenset[str]]:
    found: dict[str, list[tuple[str, ...]]] = {}
    for s in readings.good(mode, level):
        found.setdefault(s.prompt, []).append(signs_of(s))
    return {prompt: _usual(each) for prompt, each in found.items()}


def _with_copies(
    readings: Readings, mode: str, level: int, found: dict[str, frozenset[str]]
) -> dict[str, frozenset[str]]:
    """`found`, with a sign for prompts whose reply is also the reply to another; word for word goes before."""
    marks = [
        (s.prompt, s.gist if s.seen is not None else gist(s.exchange), s.frame) for s in readings.good(mode, level)
    ]
    more = dict(sorted(copies(marks), key=lambda copy: copy[1] == REPEATED))
    return {prompt: names | ({more[prompt]} if prompt in more else set()) for prompt, names in found.items()}


def _usual(each: list[tuple[str, ...]]) -> frozenset[str]:
    times = Counter(name for one in each for name in one)
    return frozenset(name for name, count in times.items() if 2 * count >= len(each))


# -- length ----------------------------------------------------------------------------------------------------------


def characters(reply: Exchange, *, visible: bool = False) -> int:
    """Of text, calls and, unless `visible`, reasoning, as a reader sees them: marks can be stacked without end."""
    said = (reply.text, "" if visible else reply.reasoning, *(call.arguments for call in reply.tool_calls))
    return sum(len(seen(_unmarked(one))) for one in said)


def _unmarked(text: str) -> str:
    if text.isascii():
        return text
    composed = unicodedata.normalize("NFC", text)
    return "".join(char for char in composed if unicodedata.category(char) not in {"Mn", "Me"})


def _characters(sample: TimedSample, *, visible: bool = False) -> int:
    hidden = visible and bool(sample.exchange.reasoning)
    return characters(sample.exchange, visible=hidden) if hidden or sample.seen is None else sample.seen


def reasons(readings: Readings, mode: str, level: int) -> bool:
    """Whether some reply of a mode has reasoning apart from its text."""
    return any(s.exchange.reasoning for s in readings.good(mode, level))


def lengths(readings: Readings, mode: str, level: int, *, visible: bool = False) -> dict[str, list[float]]:
    """Characters of each prompt's replies."""
    found: dict[str, list[float]] = {}
    for s in readings.good(mode, level):
        if count := _characters(s, visible=visible):
            found.setdefault(s.prompt, []).append(float(count))
    return found


def per_character(readings: Readings, mode: str, level: int, *, visible: bool = False) -> dict[str, list[float]]:
    """E2E in ms over characters, of each prompt's replies."""
    found: dict[str, list[float]] = {}
    for s in readings.good(mode, level):
        if count := _characters(s, visible=visible):
            found.setdefault(s.prompt, []).append((s.exchange.e2e_us or 0) / 1000 / count)
    return found


@dataclass(frozen=True, slots=True)
class Gain:
    """A ratio of times per unit of text, and the low end of its interval."""

    ratio: float
    low: float


def gain(
    baseline: Mapping[str, Sequence[float]], mode: Mapping[str, Sequence[float]], confidence: float
) -> Gain | None:
    """Baseline over mode, paired by prompt, with Student's t on the logs; None for fewer than two prompts."""
    logs = list(log_ratios(baseline, mode).values())
    if len(logs) < 2:
        return None
    half = t_quantile((1 + confidence) / 2, len(logs) - 1) * stdev(logs) / math.sqrt(len(logs))
    return Gain(math.exp(fmean(logs)), math.exp(fmean(logs) - half))


def token_size_ratio(readings: Readings, mode: str, baseline: str, level: int) -> float | None:
    """Tokens a character in `mode` over those in `baseline`, as their servers count; None where one does not."""

    def sizes(of: str) -> dict[str, list[float]]:
        found: dict[str, list[float]] = {}
        for s in readings.good(of, level):
            tokens, count = s.exchange.completion_tokens, _characters(s)
            if tokens and count >= _FEWEST_CHARACTERS:
                found.setdefault(s.prompt, []).append(tokens / count)
        return found

    return geometric(log_ratios(sizes(mode), sizes(baseline)))


def counts_agree(readings: Readings, mode: str, baseline: str, level: int) -> bool:
    """Whether the token counts of the two servers can both be right for the text that they count."""
    ratio = token_size_ratio(readings, mode, baseline, level)
    return ratio is None or 1 / _COUNTS_APART <= ratio <= _COUNTS_APART


# -- two readings of one prompt --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Again:
    """Of `prompts` that one mode was asked twice: how many later readings took at most half, or at least twice."""

    prompts: int
    faster: int
    slower: int

    @property
    def systematic(self) -> bool:
        """Whether later readings are faster (or slower) so often that chance does not explain it (exact sign test)."""
        n, most = self.faster + self.slower, max(self.faster, self.slower)
        p = 2 * math.fsum(math.comb(n, k) for k in range(most, n + 1)) / 2.0**n
        return p <= _SYSTEMATIC and 5 * (n - most) <= n


def again(readings: Readings, mode: str, level: int) -> Again:
    """The first reading of each prompt in one start of a server against the later ones."""
    times: dict[tuple[str, int], list[tuple[int, float]]] = {}
    for s in readings.good(mode, level):
        times.setdefault((s.prompt, s.launch), []).append((s.position, float(s.exchange.e2e_us or 1)))
    twice = [[at for _, at in sorted(each)] for each in times.values() if len(each) > 1]
    faster = sum(first >= _TWICE * min(rest) for first, *rest in twice)
    slower = sum(first * _TWICE <= min(rest) for first, *rest in twice)
    return Again(len(twice), faster, slower)


def warm_ups(readings: Readings, facts: Iterable[WarmUp], mode: str, level: int) -> tuple[int, int]:
    """Prompts that were read in the last rounds of the warm-up and then timed; how many at half the time or less.

    The warm-up asks what no earlier run has asked: a gateway that keeps replies from before answers timed requests
    alone. Of several readings the slowest counts.
    """
    timed: dict[str, float] = {}
    for s in readings.good(mode, level):
        timed[s.prompt_id] = max(timed.get(s.prompt_id, 0.0), (s.exchange.e2e_us or 1) / 1000)
    warm: dict[str, float] = {}
    for name, ms in (one for w in facts if (w.mode, w.concurrency) == (mode, level) for one in w.last):
        warm[name] = min(warm.get(name, math.inf), ms)
    shared = warm.keys() & timed.keys()
    return len(shared), sum(warm[name] >= _TWICE * timed[name] for name in shared)


@dataclass(frozen=True, slots=True)
class Fresh:
    """How much longer (log, per character) a mode took for `n` texts that no cache has seen than for the timed ones."""

    mean: float
    error: float
    df: int
    n: int


def fresh(readings: Readings, facts: Iterable[WarmUp], mode: str, level: int, *, prompts: bool) -> Fresh | None:
    """Of `prompts` behind a salt, or of questions that are new. None where too little was read."""
    timed: dict[str, list[float]] = {}
    for s in readings.good(mode, level):
        if (length := _characters(s)) and s.exchange.e2e_us:
            timed.setdefault(s.prompt_id, []).append(math.log(s.exchange.e2e_us / 1000 / length))
    usual = {name: fmean(each) for name, each in timed.items()}
    if len(usual) < _FEWEST_PROMPTS:
        return None
    middle = fmean(usual.values())
    asked = [one for w in facts if (w.mode, w.concurrency) == (mode, level) for one in w.unseen]
    gaps = [
        math.log(ms / length) - usual.get(name, middle)
        for name, ms, length in asked
        if length and bool(name) is prompts and (not name or name in usual)
    ]
    if not gaps:
        return None
    spread = max(stdev(usual.values()), _LEAST_SPREAD)
    return Fresh(fmean(gaps), spread * math.sqrt(1 / len(gaps) + 1 / len(usual)), len(usual) - 1, len(gaps))


# -- who answered, and how -------------------------------------------------------------------------------------------


def names(replies: Iterable[Exchange]) -> Counter[tuple[str, ...]]:
    """How many replies carried which names of a model."""
    return Counter(reply.models for reply in replies if reply.ok and reply.models)


def fingerprints(replies: Iterable[Exchange]) -> Counter[str]:
    """How many replies carried which fingerprint of the server's set-up; empty where each reply has one of its own."""
    found = Counter(mark for reply in replies if reply.ok and (mark := reply.server.get("system_fingerprint")))
    return found if 2 * len(found) <= found.total() or len(found) == 1 else Counter()


def shape(reply: Exchange) -> Shape | None:
    """Whether a reply came token by token or several at a time; None: too short, without counts, or neither.

    Calls are left out: servers hold their text back until it parses.
    """
    tokens, chunks = reply.completion_tokens, len(reply.chunks)
    if not reply.ok or reply.tool_calls or not tokens or chunks < 1 or tokens < _FEWEST_TOKENS:
        return None
    counts = [count for _, count in reply.chunks if count is not None]
    if reply.server.get("reasoning_tokens") and not reply.reasoning:
        return None  # tokens that no chunk shows
    if len(counts) < max(2, chunks - 1):
        mean = tokens / chunks
        return "tokens" if mean < 1.4 and chunks >= _FEWEST_CHUNKS else "blocks" if mean >= 3 else None
    if not (steps := [b - a for a, b in pairwise(counts) if b > a]):
        return None
    if chunks >= _FEWEST_CHUNKS and len(reply.text) + len(reply.reasoning) <= _ONE * chunks:
        return "tokens"
    ones = sum(step == 1 for step in steps) / len(steps)
    if ones >= _SINGLE and len(steps) + 1 >= _FEWEST_CHUNKS:
        return "tokens"
    return "blocks" if ones <= _MANY and tokens >= 2 * chunks else None


def shapes(replies: Iterable[Exchange]) -> Counter[Shape]:
    """How many replies came in which shape."""
    return Counter(found for reply in replies if (found := shape(reply)) is not None)


def pace(replies: Iterable[Exchange], fewest: int) -> float | None:
    """Median ms a token behind the first chunk; None with fewer replies that are long enough."""
    found: list[float] = []
    for reply in replies:
        told = [(at, count) for at, count in reply.chunks if count is not None]
        if reply.ok and len(told) > 1 and (grown := told[-1][1] - told[0][1]) >= _PACED:
            found.append((told[-1][0] - told[0][0]) / 1000 / grown)
    return median(found) if len(found) >= fewest else None


def minority(found: Mapping[Any, int]) -> int:
    """How many do not belong to the most frequent kind."""
    return sum(found.values()) - max(found.values(), default=0)
