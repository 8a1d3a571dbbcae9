"""What evalkit reads on the wire against what a real SGLang counts for itself, in each decoding mode.

The server's histograms hold sums and counts, so the comparison is of means; `make real` prints by how much they differ.
"""

from __future__ import annotations

import asyncio
import json
import re
import urllib.request
from pathlib import Path

import pytest

from evalkit.client.types import ChatRequest, Target
from evalkit.client.wire import WireClient
from tests.real import servers

PROMPTS = Path(__file__).parents[1] / "fixtures" / "tiny_trimode" / "prompts" / "chat.jsonl"
MODES = ("ar", "ngram", "diffusion:b8-t0.5")


def counters(base_url):
    page = urllib.request.urlopen(f"{base_url}/metrics", timeout=10).read().decode()
    found: dict[str, float] = {}
    for name, value in re.findall(r"^sglang:(\w+)(?:\{[^}]*\})? (\S+)$", page, re.MULTILINE):
        found[name] = found.get(name, 0.0) + float(value)
    return found


def generate(base_url, prompt, max_new_tokens):
    """SGLang's own words about one request: `meta_info` of /generate."""
    body = {"text": prompt, "sampling_params": {"temperature": 0, "max_new_tokens": max_new_tokens}}
    request = urllib.request.Request(
        f"{base_url}/generate", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    return json.load(urllib.request.urlopen(request, timeout=60))["meta_info"]


async def ask(base_url, prompts):
    client = WireClient()
    target = Target("mode", base_url, servers.MODEL)
    try:
        return [
            await client.chat(
                target, ChatRequest(messages=({"role": "user", "content": p["prompt"]},), max_tokens=p["max_tokens"])
            )
            for p in prompts
        ]
    finally:
        await client.aclose()


@pytest.mark.real
@pytest.mark.timeout(300)
@pytest.mark.parametrize("mode", MODES)
def test_tokens_and_times_agree_with_the_servers_own(mode):
    reason = servers.available(mode)
    if reason:
        pytest.skip(reason)
    lines = [json.loads(line) for line in PROMPTS.read_text().splitlines()]
    prompts = [{**line, "max_tokens": 96} for line in lines[::10]]
    with servers.RealSglang(mode) as server:
        asyncio.run(ask(server.base_url, prompts[:3]))  # warm
        before = counters(server.base_url)
        exchanges = asyncio.run(ask(server.base_url, prompts))
        after = counters(server.base_url)
        told = generate(server.base_url, "Count from 1 to 5.", 24)

    assert all(e.ok for e in exchanges), [e.error for e in exchanges if not e.ok]
    delta = {name: after[name] - before.get(name, 0.0) for name in after}
    ours = sum(e.completion_tokens for e in exchanges)
    assert ours == delta["generation_tokens_total"]
    assert sum(e.prompt_tokens for e in exchanges) == delta["prompt_tokens_total"]
    # the end token carries no text, so the last text may come one token before the end
    assert all(0 <= e.completion_tokens - e.chunks[-1][1] <= 1 for e in exchanges)

    count = delta["e2e_request_latency_seconds_count"]
    assert count == len(exchanges)
    server_ms = delta["e2e_request_latency_seconds_sum"] / count * 1000
    client_ms = sum(e.e2e_us for e in exchanges) / len(exchanges) / 1000
    # the client's clock starts earlier and ends later, so it can only read more
    assert server_ms <= client_ms * 1.01
    assert client_ms - server_ms < max(0.15 * server_ms, 25)

    assert told["completion_tokens"] <= 24
    print(
        f"\n{mode}: {ours} tokens in {len(exchanges)} requests on both sides; "
        f"mean E2E {client_ms:.1f} ms here, {server_ms:.1f} ms at the server ({100 * (client_ms / server_ms - 1):+.1f}%)"
    )
