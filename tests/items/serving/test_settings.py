"""Settings that change speed: equal, forced by the mode, part of the offer, or a reason to leave the claim open."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from evalkit.checklist.schema import Checklist
from evalkit.findings import Status
from evalkit.gpu.facts import Gpu, HardwareFacts
from evalkit.items.serving.decide import decide
from evalkit.serving.facts import ServerContext
from tests.timing.support import sample

from .test_decide import AR, DIFF, MODEL, NOW, SPEC, facts, one, served

COMMON = {
    "dtype": "bfloat16",
    "quantization": None,
    "kv_cache_dtype": "auto",
    "tp_size": 1,
    "disable_cuda_graph": False,
}


def asked(*labels, differs=(), **items):
    modes = {label: {"endpoint": f"http://127.0.0.1:{30000 + n}"} for n, label in enumerate(labels)}
    modes[labels[1]]["differs"] = list(differs)
    return Checklist.model_validate({"candidate": {"model": MODEL}, "modes": modes, "items": items})


def status(ours, theirs, *, mode=DIFF, checklist=None, engine="sglang", **more):
    base = served(AR, settings={**COMMON, **ours})
    other = served(mode, mode, settings={**COMMON, **theirs}, engine=engine)
    found = decide(checklist or asked(AR, mode), facts(base, other, **more), NOW)
    return one(found, "serving.same-settings", mode)


@pytest.mark.parametrize(
    ("name", "ours", "theirs"),
    [
        ("tp_size", 1, 4), ("dp_size", 1, 2), ("pp_size", 1, 2), ("ep_size", 1, 8), ("disable_cuda_graph", True, False),
        ("enable_torch_compile", False, True), ("quantization", None, "fp8"), ("kv_cache_dtype", "bf16", "fp8_e5m2"),
        ("attention_backend", "fa3", "torch_native"), ("device", "cpu", "cuda"),
    ],
)  # fmt: skip
def test_what_changes_speed_leaves_the_claim_open_unless_it_is_part_of_the_offer(name, ours, theirs):
    got = status({name: ours}, {name: theirs})
    assert got.status is Status.INCONCLUSIVE
    assert list(got.data["differ"]) == [name]
    offered = status({name: ours}, {name: theirs}, checklist=asked(AR, DIFF, differs=[name]))
    assert (offered.status, offered.outcome) == (Status.WARN, "declared")


def test_a_setting_that_the_mode_forces_is_a_warning():
    forced = {"attention_backend": "flashinfer", "disable_overlap_schedule": True, "page_size": 32}
    got = status({"attention_backend": "fa3", "disable_overlap_schedule": False, "page_size": 1}, forced)
    assert (got.status, got.outcome) == (Status.WARN, "forced")
    drafted = status({"disable_overlap_schedule": False}, {"disable_overlap_schedule": True}, mode=SPEC)
    assert drafted.status is Status.WARN


@pytest.mark.parametrize(("level", "expected"), [(1, Status.PASS), (2, Status.PASS), (4, Status.INCONCLUSIVE)])
def test_a_limit_that_was_never_reached_is_equal(level, expected):
    check = asked(AR, DIFF, modes={"concurrency": [level]})
    got = status({"max_running_requests": 4096}, {"max_running_requests": 2}, checklist=check)
    assert got.status is expected


def test_a_chunk_that_no_prompt_fills_is_equal_as_well():
    timed = tuple(sample(AR, f"p{i}", 0, 10.0) for i in range(3))
    assert status({"max_prefill_tokens": 16384}, {"max_prefill_tokens": 4096}, timed=timed).status is Status.PASS
    assert status({"max_prefill_tokens": 16384}, {"max_prefill_tokens": 4}, timed=timed).status is Status.INCONCLUSIVE


def test_engines_of_two_kinds_are_compared_by_what_both_have():
    other = {"attention_backend": "TRITON_ATTN", "page_size": 16}
    assert status({"attention_backend": "fa3", "page_size": 1}, other, engine="vllm").status is Status.PASS
    assert status({}, {"tp_size": 2}, engine="vllm").status is Status.INCONCLUSIVE


def test_other_devices_are_another_set_up():
    gpus = tuple(Gpu(index=i, name=n) for i, n in enumerate(["L4", "H100", "H100"]))
    for devices, expected in (({AR: (1,), DIFF: (2,)}, Status.PASS), ({AR: (1,), DIFF: (0,)}, Status.INCONCLUSIVE),
                              ({AR: (1,), DIFF: (1, 2)}, Status.INCONCLUSIVE)):  # fmt: skip
        here = HardwareFacts(gpus=gpus, endpoint_gpus=devices)
        assert status({}, {}, hardware=here).status is expected


def test_a_setting_that_is_not_compared_cannot_be_offered():
    with pytest.raises(ValidationError, match="tp_size"):
        asked(AR, DIFF, differs=["tp"])


def test_recorded_servers_of_one_engine_are_not_held_against_each_other():
    """Start arguments of real servers of three modes: nothing that a user could not take away leaves them open."""
    folder = Path(__file__).parents[2] / "fixtures" / "captures" / "serving"
    from evalkit.serving.engines import engine_of
    from evalkit.serving.pages import Answers, Reply

    def settings(name):
        page = json.loads((folder / f"sglang-0.5.23-trimode-{name}.json").read_text())
        info = next(v for k, v in _pages(page) if "server_info" in k)
        return engine_of("sglang").settings(Answers(Reply(), engine="sglang", info=info))

    base = served(AR, settings=settings("ar"), context=ServerContext(max_model_len=2048))
    for mode, name in ((DIFF, "diffusion"), (SPEC, "ngram")):
        other = served(mode, mode, settings=settings(name), context=ServerContext(max_model_len=2048))
        got = one(decide(asked(AR, mode), facts(base, other), NOW), "serving.same-settings", mode)
        assert got.status in (Status.PASS, Status.WARN), got.summary


def _pages(node, name=""):
    if isinstance(node, dict):
        if "tp_size" in node:
            yield name + "server_info", node
        for key, value in node.items():
            yield from _pages(value, str(key))
    elif isinstance(node, list):
        for value in node:
            yield from _pages(value, name)
    elif isinstance(node, str) and '"tp_size"' in node:
        try:
            yield name + "server_info", json.loads(node, strict=False)
        except ValueError:
            return
