"""Does production run what was evaluated? Real servers, probed twice."""

from __future__ import annotations

import random
import socket
from types import SimpleNamespace

import pytest

from evalkit.checklist.schema import Checklist, Endpoint
from evalkit.client import open_client, run
from evalkit.errors import UsageError
from evalkit.reference import ReferenceServer, preset
from evalkit.serving.facts import EndpointFacts, TokenDeltas
from evalkit.serving.probe import probe
from evalkit.stored import live

SPEED = 20.0
SELF = "self-speculation"


async def _probe(url, label):
    client = open_client([url])
    try:
        return await probe(label, Endpoint(endpoint=url), client=client)
    finally:
        await client.aclose()


@pytest.fixture(scope="module")
def evaluated():
    found = {}
    for label in ("autoregressive", "diffusion", SELF):
        with ReferenceServer(preset(label, speed=SPEED)) as server:
            found[label] = run(_probe(server.base_url, label))
    return found


def held_against(evaluated, mode=None, label=SELF, **changes):
    with ReferenceServer(preset(label, speed=SPEED, **changes)) as server:
        (found,) = run(live.look(Checklist(), evaluated, [(mode, server.base_url)]))
    return found


@pytest.mark.parametrize("label", ["autoregressive", "diffusion", SELF])
def test_the_same_server_started_again_is_what_was_evaluated(evaluated, label):
    found = held_against(evaluated, label=label, seed=3)
    assert found.differences == ()
    assert found.mode == label
    assert {"engine version", "declared mode", "observed mode", "context", "token deltas"} <= set(found.compared)


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"model_path": "acme-labs/Other-8B"}, "model path"),
        ({"model_type": "llama"}, "model type"),
        ({"architectures": ("LlamaForCausalLM",)}, "architectures"),
        ({"revision": "0123abc"}, "revision"),
        ({"version": "0.5.24"}, "engine version"),
        ({"dtype": "float16"}, "dtype"),
        ({"quantization": "fp8"}, "quantization"),
        ({"kv_cache_dtype": "fp8_e5m2"}, "kv_cache_dtype"),
        ({"context_length": 8192}, "context"),
        ({"tool_call_parser": None}, "tool_call_parser"),
        ({"reasoning_parser": "deepseek-r1"}, "reasoning_parser"),
        ({"tp_size": 2}, "tp_size"),
        ({"block_size": 16}, "block size"),
        ({"accept_max": 2}, "token deltas"),
    ],
)
def test_what_differs_is_named_one_a_line(evaluated, changed, name):
    found = held_against(evaluated, SELF, **changed)
    assert any(line.startswith(name) for line in found.differences), found.differences
    assert all("\n" not in line for line in found.differences)


def test_a_server_that_declares_one_mode_and_decodes_in_another_is_not_the_same(evaluated):
    found = held_against(evaluated, label="autoregressive", declares=SELF)
    assert any(line.startswith("token deltas") for line in found.differences)


def test_a_mode_that_was_not_evaluated_is_said(evaluated):
    found = held_against({SELF: evaluated[SELF]}, label="diffusion")
    assert found.mode is None
    assert "the run evaluated self-speculation" in found.differences[0]


def test_a_server_is_never_held_against_the_incumbent(evaluated):
    found = held_against({"incumbent": evaluated[SELF]}, label=SELF)
    assert found.mode is None
    assert found.differences


def test_a_named_mode_is_held_against_that_mode(evaluated):
    found = held_against(evaluated, "diffusion", label=SELF)
    assert any(line.startswith("declared mode") for line in found.differences)


def test_what_can_no_longer_be_told_is_a_difference(evaluated):
    found = held_against(evaluated, SELF, hide=("/server_info", "/get_server_info"))
    assert found.differences


def test_a_server_of_which_nothing_was_known_is_not_trusted():
    unknown = EndpointFacts(label=SELF, endpoint="x", reachable=True)
    told, compared = live.compare(unknown, unknown)
    assert (told, compared) == ([], [])


def test_an_unreachable_server_is_one_line(evaluated):
    (found,) = run(live.look(Checklist(), evaluated, [(SELF, "http://127.0.0.1:9")]))
    assert "unusable" in found.differences[0]


def test_a_server_that_hangs_ends_at_the_deadline_and_is_not_trusted(evaluated, monkeypatch):
    monkeypatch.setattr(live, "DEADLINE_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as listening:  # accepts, never answers
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        (found,) = run(live.look(Checklist(), evaluated, [(SELF, url)]))
    assert "within 0.3 s" in found.differences[0]
    assert live.DEADLINE_S < 60


@pytest.mark.parametrize(("before", "after", "same"), [(6, 6, True), (20, 18, True), (6, 2, False), (2, 6, False)])
def test_the_fingerprint_bears_chance_and_notices_a_lost_drafter(before, after, same):
    def deltas(mean):
        return TokenDeltas(deltas=(1, *([mean - 1, mean, mean + 1] * 20), 1))

    told, seen = live._fingerprint(deltas(before), deltas(after))
    assert seen
    assert (told == []) is same


def drawn(rng, more, tokens=256, block=32):
    """Accepted runs of a drafter that goes on with chance `more`."""
    runs = [1]
    while sum(runs) < tokens:
        run_length = 1
        while run_length < block and rng.random() < more:
            run_length += 1
        runs.append(min(run_length, tokens - sum(runs)))
    return TokenDeltas(deltas=tuple(runs))


@pytest.mark.parametrize(
    ("before", "after", "least", "most"),
    [(0.88, 0.88, 0.0, 0.03), (0.8, 0.8, 0.0, 0.03), (0.88, 0.75, 0.8, 1.0), (0.8, 0.6, 0.95, 1.0)],
)
def test_false_alarms_are_rare_and_half_the_acceptance_is_missed(before, after, least, most):
    rng = random.Random(7)
    found = [bool(live._fingerprint(drawn(rng, before), drawn(rng, after))[0]) for _ in range(400)]
    assert least <= sum(found) / len(found) <= most


def decision(verdict, **qualified):
    modes = [SimpleNamespace(mode=m.replace("_", "-"), adopted=True, qualified=q) for m, q in qualified.items()]
    return SimpleNamespace(verdict=verdict, modes=modes)


@pytest.mark.parametrize(
    ("running", "verdict", "count"),
    [((SELF,), "go", 0), (("diffusion",), "go", 1), (("autoregressive",), "go", 1), (("autoregressive", SELF), "go", 0),
     (("diffusion",), "no-go", 0)],
)  # fmt: skip
def test_a_go_speaks_only_for_the_modes_that_qualified(running, verdict, count):
    servers = [live.LiveServer("http://x", mode, (), ("engine",)) for mode in running]
    found = live.doubts(servers, decision(verdict, diffusion="fail", self_speculation="pass"))
    assert len(found) == count


@pytest.mark.parametrize("text", ["localhost:30000", "diffusoin=http://x", "diffusion=x", ""])
def test_what_is_no_live_server_is_refused(text):
    with pytest.raises(UsageError):
        live.parse([text])


def test_modes_and_addresses_are_told_apart():
    assert live.parse(["http://h:1/v1?a=b", "dlm=http://h:2"]) == [
        (None, "http://h:1/v1?a=b"),
        ("diffusion", "http://h:2"),
    ]
