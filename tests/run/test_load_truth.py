"""Open load on real sockets against a server whose queue is known: capacities, and latency from the intended start."""

from __future__ import annotations

import math
from statistics import fmean, median, stdev

import pytest

from evalkit.analysis.capacity import Bounds, capacity, search
from evalkit.analysis.load import CAPACITY
from evalkit.checklist.load import CapacityAsked
from evalkit.client import run
from evalkit.client.types import ChatRequest, Target
from evalkit.client.wire import WireClient
from evalkit.reference import ReferenceProcess, Script
from evalkit.run.plan.openloop import Arrival, Level, play
from evalkit.stats.distributions import t_quantile
from evalkit.timing.arrivals import RAMP, starts
from evalkit.timing.facts import LoadBlock
from tests.support.queues import Server, searched, true_edge

pytestmark = [pytest.mark.proof, pytest.mark.timeout(900)]
ASK = ChatRequest(({"role": "user", "content": "Say something."},), 16, extra_body={"ignore_eos": True})
STEADY = {"ttft_ms": 20.0, "ms_per_forward": 8.0, "jitter_ms": 0.0, "slowdown": 0.0}


def served(slots, play_all):
    """What `play_all(send, server)` gives; `send(ats, level)` plays one block."""
    with ReferenceProcess(Script(max_running_requests=slots, **STEADY)) as server:

        async def main():
            client, target = WireClient(), Target("a", server.base_url, server.script.model)

            async def send(ats, level=None):
                arrivals = [Arrival(at, 0, ASK) for at in ats]
                return await play(client, target, arrivals, drain_s=20, level=level, quiet=ASK)

            try:
                await send([0.0])  # connections and code are warm
                return await play_all(send, server)
            finally:
                await client.aclose()

        return run(main())


def calm(alone_ms, service):
    """Skips where other work on this machine is in the times: a queue of one request at a time has none."""
    if fmean(alone_ms) > 1.1 * service:
        pytest.skip(f"busy: a request alone took {fmean(alone_ms):.0f} ms, the server {service:.0f} ms of it")


def service_ms(emissions):
    """From leaving the queue to the end of the reply, as the server wrote it down."""
    return [(one.done_ns - one.admitted_ns) / 1e6 for one in emissions if one.done_ns]


@pytest.mark.parametrize("seed", range(3))
def test_a_search_on_real_sockets_finds_what_it_finds_of_the_same_arrivals_in_a_known_queue(seed):
    """Of blocks this few and short the capacity of other arrivals lies elsewhere by chance: it is printed beside."""
    asked = CapacityAsked.model_validate({"slo": {"e2e_ms": 500, "share": 0.9}, "seconds": 4, "resolution": 1.15})

    within = Bounds(6.0, 1.0, 60.0)

    async def on_sockets(send, server):
        blocks = []
        while (found := search(blocks, "a", asked, within, seed)).next is not None:
            number, rate = found.next
            ats, ramp = (
                list(starts(rate, asked.seconds, asked.arrivals, f"{seed}|{CAPACITY}|{number}")),
                RAMP * asked.seconds,
            )
            told = await send(ats, Level(asked.slo, ramp, sum(at >= ramp for at in ats)))
            blocks.append(LoadBlock(load=CAPACITY, mode="a", block=number, rate=rate, seconds=asked.seconds,
                                    counted_from_ms=1000 * ramp, planned=len(ats), **told))  # fmt: skip
        return found, [(await send([0.0]))["e2e_ms"][0] for _ in range(20)], server.emissions()

    found, alone, emissions = served(2, on_sockets)
    each = median(service_ms(emissions))
    queue = Server(slots=2, mean_ms=each, cv=0.0)
    truth, _ = true_edge(queue, asked, low=400 / each, high=4000 / each, blocks=1000)
    mine, ideal = (capacity(one.edges, asked, 0.95) for one in (
        found, searched(queue, "a", asked, seed=f"{seed}", within=within, number=seed)[0]
    ))  # fmt: skip
    print(f"seed {seed}: service {each:.1f} ms, capacity {mine.rate:.2f}/s ({mine.low:.2f} to {mine.high:.2f}), of the "
          f"same arrivals {ideal.rate:.2f}/s, of others {math.exp(truth):.2f}/s")  # fmt: skip
    calm(alone, each)
    assert mine.rate == pytest.approx(ideal.rate, rel=0.05)
    assert mine.low <= ideal.rate <= mine.high


def test_latency_from_the_intended_start_is_that_of_theory_and_a_closed_loop_is_off():
    """M/D/1 at half load: the mean is S + rho S / (2 (1 - rho)); a closed loop of one user reads S."""

    async def blocks(send, server):
        rate, means = 0.5 / 0.142, []
        for number in range(8):
            told = await send(list(starts(rate, 25, "poisson", f"theory|{number}")))
            means.append(fmean(told["e2e_ms"]))
        opened = len(server.emissions())
        closed = [(await send([0.0]))["e2e_ms"][0] for _ in range(20)]
        return rate, means, closed, server.emissions()[:opened]

    rate, means, closed, emissions = served(1, blocks)
    service = fmean(service_ms(emissions))
    load = rate * service / 1000
    theory = service + load * service / (2 * (1 - load))
    mean, half = fmean(means), t_quantile(0.975, 7) * stdev(means) / math.sqrt(8)
    print(f"service {service:.1f} ms, theory {theory:.1f}, open {mean:.1f} ± {half:.1f}, closed {fmean(closed):.1f}")
    calm(closed, service)
    assert mean - half <= theory <= mean + half
    assert fmean(closed) < mean - half
