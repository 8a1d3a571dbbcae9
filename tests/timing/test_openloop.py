"""Blocks of open load on real sockets: starts on time, latency from the intended start, and servers that give way."""

from __future__ import annotations

import pytest

from evalkit.analysis.copies import FILLED_IN, REPEATED, copies, frame
from evalkit.analysis.load import behaviour, good, kept
from evalkit.analysis.replies import gist
from evalkit.checklist.load import Slo
from evalkit.client import run
from evalkit.client.types import ChatRequest, Exchange, Target
from evalkit.client.wire import WireClient
from evalkit.reference import ReferenceServer, preset
from evalkit.run.plan.openloop import Arrival, Level, play
from evalkit.timing.facts import LoadBlock

REQUEST = ChatRequest(messages=({"role": "user", "content": "Tell me about rivers."},), max_tokens=8)
#: 10 ms to the first text, 14 tokens at 5 ms each
TIMES = {"ttft_ms": 10.0, "ms_per_forward": 5.0, "jitter_ms": 0.0, "slowdown": 0.0}


def played(script, ats, *, slo=None, drain_s=5.0, counted_from_s=0.0):
    level = Level(slo, counted_from_s, sum(at >= counted_from_s for at in ats)) if slo else None

    async def main():
        client = WireClient()
        try:
            target = Target("a", script.base_url, "reference-8b")
            arrivals = [Arrival(at, n, REQUEST) for n, at in enumerate(ats)]
            return await play(client, target, arrivals, drain_s=drain_s, level=level, quiet=REQUEST)
        finally:
            await client.aclose()

    told = run(main())
    return LoadBlock(load="x", mode="a", block=0, rate=1.0, seconds=1.0, planned=len(ats), **told)


@pytest.fixture(scope="module")
def one_slot():
    with ReferenceServer(preset("autoregressive", max_running_requests=1, **TIMES)) as server:
        yield server


def test_requests_start_at_their_times_and_wait_in_the_servers_queue(one_slot):
    """Six requests at once on one slot: the last waits for five others, although each is served as fast as ever."""
    block = played(one_slot, [0.0] * 6)
    assert block.ends == "aaaaaa"
    alone = min(block.e2e_ms)
    assert max(block.e2e_ms) > 4.5 * alone
    assert block.after_ms is not None
    assert block.tokens == (8,) * 6
    assert block.intended_ms == (0.0,) * 6
    assert all(0 <= late < max(block.e2e_ms) for late in block.late_ms)
    assert block.looked_at == 6
    assert block.signs["cut off"] == 6


def test_what_is_unfinished_when_a_block_is_cut_off_is_counted(one_slot):
    block = played(one_slot, [0.0] * 40, drain_s=0.2)
    assert block.ends.count("u") > 10
    assert block.ends.count("a") + block.ends.count("u") == 40
    cut = [ms for ms, end in zip(block.e2e_ms, block.ends, strict=True) if end == "u"]
    assert min(cut) >= 190
    assert not any(good(block, i, Slo(e2e_ms=1e6)) for i, end in enumerate(block.ends) if end == "u")


def test_a_block_that_can_no_longer_keep_the_level_ends_early(one_slot):
    slo = Slo(e2e_ms=80, share=0.9)
    block = played(one_slot, [0.02 * n for n in range(400)], slo=slo)
    assert block.stopped
    assert len(block.ends) < 400
    assert not kept(block, slo)
    assert block.after_ms is not None  # what was left was hung up on, and the server is there again


@pytest.mark.parametrize(
    ("faults", "letter", "said"),
    [({"shed_above_waiting": 1}, "s", "sheds"), ({"die_above_waiting": 3}, "x", "dies")],
)
def test_servers_that_shed_and_servers_that_die_are_told_apart(faults, letter, said):
    with ReferenceServer(preset("autoregressive", max_running_requests=1, **TIMES, **faults)) as server:
        block = played(server, [0.01 * n for n in range(30)])
    assert letter in block.ends
    assert behaviour(block, Slo(e2e_ms=80)) == said
    assert (block.after_ms is None) == (said == "dies")


def test_no_server_at_all():
    class Nobody:
        base_url = "http://127.0.0.1:9"

    block = played(Nobody, [0.0, 0.01], drain_s=1.0)
    assert block.ends == "rr"
    assert block.after_ms is None


def marks(text, prompt):
    return prompt, gist(Exchange(ok=True, text=text, finish_reason="stop")), frame(text, prompt)


def test_replies_of_a_block_that_are_also_those_of_another_prompt_are_counted():
    of_rivers = "The river {} rises in the hills, grows with each brook, turns around the town and meets the sea."
    own = [marks(f"{n} sheep {'and' * n} {n * 7} more", f"prompt {n}") for n in range(9)]
    assert not copies([*own, *own])
    same = [marks("Fine.", f"other {n}") for n in range(4)]
    assert copies([*own, *same]) == [(f"other {n}", REPEATED) for n in range(4)]
    asked = {name: f"Where does the {name} rise?" for name in ("Elbe", "Rhone", "Po")}
    filled = [marks(of_rivers.format(name), prompt) for name, prompt in asked.items()]
    assert copies([*own, *filled]) == [(prompt, FILLED_IN) for prompt in asked.values()]
