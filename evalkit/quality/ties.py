"""Is a difference in greedy text a fault, or a coin that lay on its edge?

Another shape of batch adds up in another order, and in bf16 logits near 20 have steps of 1/8: where the two likeliest
tokens are closer than that noise, sound servers part. So the baseline is asked once more with logprobs, and its lead
over the runner-up is looked up where a mode's reply leaves its own. Source: quality of speculative decoding in
https://github.com/vllm-project/vllm/issues/7627 and https://github.com/sgl-project/sglang/issues/10678.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from evalkit.client.types import ChatClient, Exchange, Target
from evalkit.limits import GIVE_UP_AFTER
from evalkit.modes import Mode, base_mode
from evalkit.quality.case import Case, Suite
from evalkit.quality.facts import Answer, Divergence, TieReading

#: leads from here on are not near-ties by any measure, and not kept one by one
FAR = 1.0
#: most extra requests, where it is not known yet which replies will differ
MAX_READINGS = 100

First = dict[tuple[str, str, str], Answer]


def speculative(modes: Iterable[str]) -> list[str]:
    """Modes that claim to give the baseline's text."""
    return [mode for mode in modes if base_mode(mode) in (Mode.SELF_SPECULATION, Mode.SPECULATIVE)]


def first_greedy(answers: Iterable[Answer]) -> First:
    """First streamed replies at temperature 0 by mode, suite and case."""
    return {
        (one.mode, one.suite, one.case_id): one
        for one in answers
        if not one.repeat and one.streamed and not one.temperature and one.exchange.ok
    }


def wanted(
    answers: Iterable[Answer], suites: Sequence[Suite], modes: Sequence[str], baseline: str, read: set[tuple[str, str]]
) -> list[tuple[Suite, Case]]:
    """Cases to read once more: those that differ, and where a speculative mode has not answered yet, some of all."""
    first, claim = first_greedy(answers), speculative(modes)
    found: list[tuple[Suite, Case]] = []
    ahead = 0
    for suite in suites:
        for case in suite.cases:
            base = first.get((baseline, suite.name, case.id))
            if not claim or base is None or case.tools or (suite.name, case.id) in read:
                continue
            theirs = [first.get((mode, suite.name, case.id)) for mode in claim]
            if any(one is not None and one.exchange.text != base.exchange.text for one in theirs):
                found.append((suite, case))
            elif None in theirs and ahead < MAX_READINGS:
                ahead += 1
                found.append((suite, case))
    return found


async def read_ties(
    cases: Sequence[tuple[Suite, Case]],
    first: First,
    target: Target,
    client: ChatClient,
    on_reading: Callable[[TieReading], None],
    *,
    concurrency: int = 1,
) -> None:
    """Asks the baseline for these cases with logprobs. A server that refuses or reports none is asked no further."""
    queue = iter(cases)
    silent = 0

    async def worker() -> None:
        nonlocal silent
        for suite, case in queue:
            if silent >= GIVE_UP_AFTER:
                return
            extra = {**case.request.extra_body, "logprobs": True, "top_logprobs": 2}
            reply = await client.chat(target, replace(case.request, stream=False, extra_body=extra))
            found = reading(target.label, suite.name, case.id, reply, first[target.label, suite.name, case.id])
            silent = 0 if found.size else silent + 1
            on_reading(found)

    async with asyncio.TaskGroup() as group:
        for _ in range(max(1, min(concurrency, len(cases)))):
            group.create_task(worker())


def reading(mode: str, suite: str, case_id: str, reply: Exchange, base: Answer) -> TieReading:
    """The places of one reply with logprobs. Tokens that do not add up to the text tell no places."""
    text = reply.text.encode()
    ends, close, at = [], [], 0
    for length, lead in reply.leads:
        if lead is not None and lead < FAR:
            close.append((at, at + length, lead))
        at += length
        ends.append(at)
    fits = reply.ok and bool(ends) and (len(text) in ends) and any(lead is not None for _, lead in reply.leads)
    if not fits:
        return TieReading(mode=mode, suite=suite, case_id=case_id)
    inside = tuple(one for one in close if one[0] < len(text))
    common = common_prefix(text, base.exchange.text.encode())
    return TieReading(mode=mode, suite=suite, case_id=case_id, size=len(text), close=inside, common=common)


def common_prefix(one: bytes | str, other: bytes | str) -> int:
    """Length of what both begin with."""
    shorter = min(len(one), len(other))
    if one[:shorter] == other[:shorter]:
        return shorter
    return next(i for i in range(shorter) if one[i] != other[i])


def divergences(
    answers: Iterable[Answer], readings: Iterable[TieReading], modes: Sequence[str], baseline: str
) -> list[Divergence]:
    """Where the greedy replies of speculative modes leave the baseline's, with its lead there where it was read."""
    first = first_greedy(answers)
    read = {(one.suite, one.case_id): one for one in readings if one.mode == baseline}
    found = []
    for (mode, suite, case_id), one in first.items():
        base = first.get((baseline, suite, case_id))
        if mode not in speculative(modes) or base is None or one.exchange.text == base.exchange.text:
            continue
        at = common_prefix(one.exchange.text, base.exchange.text)
        lead = lead_at(read.get((suite, case_id)), len(base.exchange.text[:at].encode()))
        found.append(Divergence(mode=mode, suite=suite, case_id=case_id, at=at, lead=lead))
    return found


def lead_at(found: TieReading | None, byte: int) -> float | None:
    """The baseline's lead at a byte of its reply; None where it was not read, or read another text up to there."""
    if found is None or byte >= found.size or found.common < byte:
        return None
    at = bisect_right([start for start, _, _ in found.close], byte) - 1
    if at >= 0 and found.close[at][1] > byte:
        return found.close[at][2]
    return FAR
