"""LMDeploy, by pages made after its source (0.18): no real server was recorded."""

from __future__ import annotations

import asyncio
import json

from evalkit.checklist.schema import Endpoint
from evalkit.serving.counters import kv_share, sampled
from evalkit.serving.probe import probe
from tests.serving.replay import serving

CARDS = {
    "object": "list",
    "data": [{"id": "JetLM/SDAR-8B-Chat", "object": "model", "owned_by": "lmdeploy", "root": "x"}],
}
METRICS = b"""# TYPE lmdeploy:generation_tokens_total counter
lmdeploy:generation_tokens_total{engine="0",model_name="m"} 640.0
lmdeploy:gpu_cache_usage_perc{engine="0",model_name="m"} 0.25
lmdeploy:spec_decode_num_drafts_total{engine="0",model_name="m"} 0.0
lmdeploy:iter_token_latency_bucket{engine="0",le="0.1"} 3.0
"""


def probed(routes):
    async def main():
        async with serving(routes) as server:
            facts = await probe("m", Endpoint(endpoint=server.url), client=None)
            return facts, [path for _, path, _ in server.seen]

    return asyncio.run(main())


def test_it_is_known_by_the_owner_of_its_model_card_and_asked_for_nothing_else():
    routes = {"/v1/models": (200, "application/json", json.dumps(CARDS).encode())}
    facts, seen = probed({**routes, "/metrics": (200, "text/plain", METRICS)})
    assert facts.engine == "lmdeploy"
    assert facts.declared_mode is None  # it names none: the stream has to show it
    assert facts.release == "unknown"
    assert seen == ["/v1/models", "/metrics"]
    facts, _ = probed(routes)  # started without --enable-metrics
    assert facts.engine == "lmdeploy"


def test_its_counters_are_kept():
    found = sampled(METRICS.decode())
    assert found == {
        "lmdeploy:generation_tokens_total": 640.0,
        "lmdeploy:gpu_cache_usage_perc": 0.25,
        "lmdeploy:spec_decode_num_drafts_total": 0.0,
    }
    assert kv_share(found) == 0.25
