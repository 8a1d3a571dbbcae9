"""What replies show apart from right and wrong: signs of broken decoding, and where parts are right. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from evalkit.quality.facts import ADJACENT_LIMIT, TAIL_LOOP_LIMIT, Answer

SIGNS = ("loops", "doubled words", "special tokens", "cut off", "malformed calls", "unclosed", "reasoning not closed")
#: signs that stop an adoption in long and tools suites; an open bracket may be in good prose, and is only counted
BLOCKING = frozenset(SIGNS) - {"unclosed"}
#: signs that stop an adoption in every kind of suite
ALWAYS = frozenset({"loops", "special tokens", "malformed calls", "reasoning not closed"})
Thirds = Sequence[float]


def signs(one: Answer) -> frozenset[str]:
    """What is broken about one reply."""
    seen = one.signals
    if seen is None:
        return frozenset()
    flags = {
        "loops": seen.tail_loop > TAIL_LOOP_LIMIT,
        "doubled words": seen.adjacent > ADJACENT_LIMIT,
        "special tokens": bool(seen.special_tokens),
        "cut off": seen.truncated,
        "malformed calls": seen.malformed_call,
        "unclosed": bool(seen.unclosed),
        "reasoning not closed": seen.open_reasoning,
    }
    return frozenset(name for name, flag in flags.items() if flag)


def thirds_of(one: Answer) -> Thirds | None:
    """Share of right parts in the first, middle and last third of a reply; None where no grader measured places."""
    for grade in one.grades:
        found = grade.detail.get("by_third")
        if isinstance(found, list) and len(found) == 3:
            return found
    return None


def mean_thirds(replies: Iterable[Answer]) -> tuple[float, ...]:
    """Mean share of each third over the replies that measured it; empty without one."""
    rows = [found for one in replies if (found := thirds_of(one)) is not None]
    return tuple(round(sum(column) / len(rows), 4) for column in zip(*rows, strict=True)) if rows else ()
