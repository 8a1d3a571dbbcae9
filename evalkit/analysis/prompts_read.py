"""How much of each prompt a server read, by the tokens of prompt that it counted. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median

from evalkit.client.types import Exchange
from evalkit.facts import Facts

#: share of another server's count below which a prompt was read in part: templates and formats of tools explain less
_PART = 0.8
#: the same where the other server has another tokenizer
_OTHER_TOKENIZER = 0.5
#: tokens that a template may have more than another, whatever the prompt
_TEMPLATE = 8
#: of prompts that may be counted in part: one whose text a server writes in a way of its own
_FEW = 0.05
#: characters a token that no text of people has, and from how many characters on that is asked
_MOST_CHARACTERS, _LONG = 12.0, 2_000

Counts = Mapping[object, int]


@dataclass(frozen=True, slots=True)
class Part:
    """Of `prompts` that two servers counted: how many one of them read in part, and its and the other's tokens of the
    prompt with the largest difference.
    """

    prompts: int
    fewer: int
    mine: int
    theirs: int

    @property
    def many(self) -> bool:
        return self.fewer > _FEW * self.prompts


def timed_counts(facts: Facts, mode: str, *, live: bool = False) -> Counts:
    """Tokens of a timed prompt, as the mode's server counts them. `live`: a later turn holds the mode's own replies."""
    each = ((s.prompt, s.exchange) for s in facts.timed if s.mode == mode and not (live and (s.turn or 1) > 1))
    return _counts(each)


def scored_counts(facts: Facts, mode: str) -> Counts:
    """The same of each task case."""
    return _counts(((a.suite, a.case_id), a.exchange) for a in facts.answers if a.mode == mode)


def _counts(each: Iterable[tuple[object, Exchange]]) -> Counts:
    found: dict[object, list[int]] = {}
    for key, reply in each:
        if reply.ok and reply.prompt_tokens:
            found.setdefault(key, []).append(reply.prompt_tokens)
    return {key: round(median(counts)) for key, counts in found.items()}


def part(mine: Counts, theirs: Counts, *, same_tokenizer: bool = True, same_template: bool = True) -> Part | None:
    """What of the prompts `mine` read in part, against `theirs`; None where no prompt has both counts. Where the
    checklist declares another template, what it adds to every prompt is left out.
    """
    both = [(mine[key], theirs[key]) for key in mine if key in theirs]
    if not both:
        return None
    added = 0.0 if same_template else median(other - own for own, other in both)
    share = _PART if same_tokenizer else _OTHER_TOKENIZER
    fewer = [
        (own, other) for own, other in both
        if own + added < share * other and other - own - added > _TEMPLATE
    ]  # fmt: skip
    worst = max(fewer or both, key=lambda one: one[1] - one[0])
    return Part(len(both), len(fewer), *worst)


def part_under_load(facts: Facts, mode: str, other: str, *, same_tokenizer: bool = True) -> Part | None:
    """Of the open load under which the mode read least against the other, by the mean of a request: blocks go to all
    modes alike.
    """
    share, worst = _PART if same_tokenizer else _OTHER_TOKENIZER, None
    for load in dict.fromkeys(block.load for block in facts.loads):
        counts = [
            [sum(b.counted_prompts for b in mine), sum(b.read_tokens for b in mine)]
            for mine in ([b for b in facts.loads if (b.load, b.mode) == (load, name)] for name in (mode, other))
        ]
        if not all(requests for requests, _ in counts):
            continue
        own, theirs = (tokens / requests for requests, tokens in counts)
        if own < share * theirs and theirs - own > _TEMPLATE and (worst is None or own / theirs < worst[0]):
            worst = own / theirs, Part(counts[0][0], counts[0][0], round(own), round(theirs))
    return worst[1] if worst else None


def cut(facts: Facts, mode: str) -> tuple[int, int] | None:
    """Characters of the longest prompt and the most tokens that the server counted of any, where no tokenizer makes so
    few of so many; None else, and where not every prompt was counted.
    """
    counts = timed_counts(facts, mode)
    longest = max((file.longest_chars for file in facts.prompts), default=0)
    told = sum(file.count - file.repeated for file in facts.prompts)
    most = max(counts.values(), default=0)
    if longest < _LONG or len(counts) < told or not most or longest <= _MOST_CHARACTERS * most:
        return None
    return longest, most
