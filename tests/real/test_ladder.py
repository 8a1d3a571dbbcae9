"""A length ladder on a real SGLang in three modes of one small model: the knee is where the known accuracy falls.

How many such lists are right at each length was counted apart, by plain torch without a server or evalkit, for the
two block sizes, and once on the server for AR (tests/fixtures/tiny_trimode/PROVENANCE.md).
"""

from __future__ import annotations

import asyncio
import time
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from evalkit.analysis.ladder import Knee, Rung, knee, rungs
from evalkit.analysis.pairs import Answers, table
from evalkit.checklist.schema import Request
from evalkit.client.types import Target
from evalkit.client.wire import WireClient
from evalkit.items.quality.probes import ladder
from evalkit.quality.collect import plan, run_cases
from evalkit.quality.suite import facts_of, load_suite
from tests.real import make_suites, servers

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(servers.available() is not None, reason=str(servers.available())),
]
AR, BLOCK8, BLOCK32 = "autoregressive", "diffusion@b8", "diffusion@b32"
#: label -> how it is served, and right of 20 lists of each length as counted before
MODES = {
    AR: ("ar", (20, 20, 20, 11, 0, 0)),
    BLOCK8: ("diffusion:b8-t0.5", (20, 20, 20, 1, 0, 0)),
    BLOCK32: ("diffusion:b32-t0.5", (18, 10, 0, 0, 0, 0)),
}
#: batches change greedy text, and 20 lists of a half are 11 give or take 5
NEAR = 0.25


@cache
def suite():
    with TemporaryDirectory() as folder:
        path = Path(folder) / "ladder.yaml"
        path.write_text(make_suites.ladder())
        return load_suite(path, Request())


@cache
def answered(label):
    """The replies of one mode, four at a time; its server is started once."""
    found = []

    async def go(server):
        client = WireClient()
        try:
            planned = plan([suite()], [label], baseline="")
            target = Target(label, server.base_url, servers.MODEL)
            await run_cases({label: target}, planned, client, done=set(), on_answer=found.append, concurrency=4)
        finally:
            await client.aclose()

    with servers.RealSglang(MODES[label][0], ready_timeout_s=400) as server:
        begun = time.monotonic()
        asyncio.run(go(server))
        print(f"{label}: {len(found)} lists in {time.monotonic() - begun:.0f} s")
    return tuple(found)


def known(label) -> list[Rung]:
    return [Rung(size, passed, 20) for size, passed in zip(make_suites.SIZES, MODES[label][1], strict=True)]


@pytest.mark.parametrize("label", MODES)
def test_the_knee_is_where_the_known_accuracy_falls(label):
    points = rungs(answered(label), "items")
    found, expected = knee(points), knee(known(label))
    print(label, [(one.size, one.passed, one.scored, one.tokens_per_chunk) for one in points], found)
    assert [one.size for one in points] == list(make_suites.SIZES)
    for seen, counted in zip(points, known(label), strict=True):
        assert seen.share == pytest.approx(counted.share, abs=NEAR)
    assert isinstance(found, Knee)
    assert isinstance(expected, Knee)
    assert (found.holds, found.falls) == (expected.holds, expected.falls)


def test_the_untrained_block_falls_earlier_than_the_baseline_and_sends_more_tokens_at_a_time():
    answers = Answers([one for label in MODES for one in answered(label)])
    finding = ladder(answers, table(answers, facts_of(suite()), BLOCK32, AR, 0.05))
    assert finding.outcome == "falls-earlier"
    chunks = {label: rungs(answered(label), "items")[1].tokens_per_chunk for label in MODES}
    assert chunks[AR] < chunks[BLOCK8] < chunks[BLOCK32]
