"""The demo's suites over real sockets, against the reference server without and with faults."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from evalkit.checklist.schema import Request
from evalkit.client.types import Target
from evalkit.client.wire import WireClient
from evalkit.quality.collect import plan, run_cases
from evalkit.quality.suite import load_suites
from evalkit.reference import ReferenceServer, Script

ROOT = Path(__file__).parents[2]


def collected(script):
    suites = load_suites(sorted(ROOT.glob("prompts/demo/*.yaml")), Request())
    stored = []
    with ReferenceServer(script) as server:

        async def go():
            client = WireClient()
            try:
                planned = list(plan(suites, ["diffusion"], baseline="autoregressive"))
                await run_cases(
                    {"diffusion": Target("diffusion", server.base_url, "m")},
                    planned,
                    client,
                    done=set(),
                    on_answer=stored.append,
                    concurrency=4,
                )
            finally:
                await client.aclose()

        asyncio.run(go())
    return stored


@pytest.mark.slow
def test_the_reference_server_can_do_the_demos_tasks():
    answers = collected(Script(ttft_ms=1, ms_per_forward=0.2))
    wrong = [
        (one.suite, one.case_id, [g.reason for g in one.grades], one.exchange.error)
        for one in answers
        if not one.passed
    ]
    assert wrong == []
