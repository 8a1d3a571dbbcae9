"""Which timed replies are answers, where only the other replies of the run can tell. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from evalkit.timing.facts import TimedSample


def judged(samples: Iterable[TimedSample]) -> list[TimedSample]:
    """`samples`, with `taken` set where a reply alone does not show whether it is an answer.

    Reasoning alone is one where every mode that is compared at the same concurrency answers the prompt so. A reply
    without an end word is cut where its mode writes end words elsewhere, even if something behind it sent `[DONE]`.
    """
    given = list(samples)
    ends = {s.mode for s in given if s.exchange.ok and s.exchange.finish_reason is not None}
    modes: dict[int, set[str]] = {}
    reasoned: dict[tuple[int, str], set[str]] = {}
    for s in given:
        modes.setdefault(s.concurrency, set()).add(s.mode)
        if s.exchange.e2e_us and s.exchange.reasoned:
            reasoned.setdefault((s.concurrency, s.prompt), set()).add(s.mode)
    return [_judged(s, ends, modes, reasoned) for s in given]


def _judged(
    s: TimedSample, ends: set[str], modes: dict[int, set[str]], reasoned: dict[tuple[int, str], set[str]]
) -> TimedSample:
    reply = s.exchange
    if not reply.e2e_us:
        return s
    if reply.finish_reason is None and s.mode in ends:
        return s.model_copy(update={"taken": False})
    if reply.reasoned and reasoned[s.concurrency, s.prompt] == modes[s.concurrency]:
        return s.model_copy(update={"taken": True})
    return s
