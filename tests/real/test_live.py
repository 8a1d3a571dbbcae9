"""A real server is what was evaluated of it; one with another block size is not."""

from __future__ import annotations

import pytest

from evalkit.checklist.schema import Checklist, Endpoint
from evalkit.client import open_client, run
from evalkit.serving.probe import probe
from evalkit.stored import live
from tests.real import servers

pytestmark = [pytest.mark.real, pytest.mark.timeout(500)]


async def _probe(url):
    client = open_client([url])
    try:
        return await probe("diffusion", Endpoint(endpoint=url), client=client)
    finally:
        await client.aclose()


def held(evaluated, url):
    (found,) = run(live.look(Checklist(), {"diffusion": evaluated}, [(None, url)]))
    return found


def test_a_real_server_is_what_was_evaluated_and_one_of_another_block_size_is_not():
    modes = ("diffusion:b8-t0.95", "diffusion")
    reasons = [reason for mode in modes if (reason := servers.available(mode))]
    if reasons:
        pytest.skip(reasons[0])
    with servers.RealSglang(modes[0]) as server:
        evaluated = run(_probe(server.base_url))
        same = held(evaluated, server.base_url)
    assert same.differences == ()
    assert {"model path", "engine version", "declared mode", "observed mode", "token deltas"} <= set(same.compared)
    with servers.RealSglang(modes[1]) as server:
        other = held(evaluated, server.base_url)
    assert any(line.startswith("block size") for line in other.differences), other
    assert any(line.startswith("token deltas") for line in other.differences), other
