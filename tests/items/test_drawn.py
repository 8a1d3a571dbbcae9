"""Any facts of a server or a machine: each finding is in its check's decision table, and says what it has."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalkit.checklist.schema import Checklist
from evalkit.explain.catalogue import checks
from evalkit.facts import Facts
from evalkit.findings import KnownBy, Status
from evalkit.gpu.facts import Gpu, HardwareFacts, TelemetrySample
from evalkit.hub.facts import CandidateFacts, ModelFile
from evalkit.items.registry import ITEMS
from evalkit.quality.facts import SamplingProbe, SuiteFacts
from evalkit.serving.facts import (
    Afterwards,
    Attempt,
    Capability,
    Conflict,
    Counters,
    EndpointFacts,
    ForwardStats,
    Identity,
    LaunchFacts,
    Preflight,
    ServerContext,
    ServerWarning,
    StabilityFacts,
)
from evalkit.timing.facts import PromptFacts
from tests.support.start import NOW, START

AR, DIFF, SELF, SPEC = "autoregressive", "diffusion", "self-speculation", "speculative"
MODEL = "nvidia/Nemotron-Labs-Diffusion-8B"
GIB = 1 << 30
CONFIG = {
    "num_hidden_layers": 34, "hidden_size": 4096, "intermediate_size": 14336, "num_attention_heads": 32,
    "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 131_072, "max_position_embeddings": 262_144,
}  # fmt: skip

few = st.integers(0, 3)
modes = st.sampled_from((None, AR, DIFF, SELF, SPEC))
texts = st.sampled_from((None, "x", MODEL, "other/model"))
NAMES = (
    "max_running_requests", "continuous_usage", "streaming", "temperature", "tool_calls", "ignore_eos", "json_schema",
    "logprobs", "seed", "template_tokens", "mask_text", "stop_inside_block", "odd_max_tokens", "context_enforced",
)  # fmt: skip
COUNTED = (
    "sglang:generation_tokens_total", "sglang:spec_verify_calls_total", "sglang:cuda_graph_passes_total{decode}",
    "sglang:cuda_graph_passes_total{prefill}", "vllm:diffusion_num_denoising_steps_total",
    "vllm:diffusion_num_committed_tokens_total",
)  # fmt: skip


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def some(strategy: st.SearchStrategy[Any], most: int = 2) -> st.SearchStrategy[Any]:
    return st.lists(strategy, max_size=most).map(tuple)


def per_mode(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.dictionaries(st.sampled_from((AR, DIFF)), strategy)


either = st.booleans()
identities = st.builds(
    Identity, reachable=either, engine=texts, model_path=texts, process=texts,
    settings=st.dictionaries(st.just("tp_size"), few),
)  # fmt: skip
capabilities = st.builds(
    Capability, name=st.sampled_from(NAMES), value=st.none() | either | few, known_by=st.just("observed")
)
counts = st.dictionaries(st.sampled_from(COUNTED), st.sampled_from((0.0, 1.0, 60.0, 200.0, 400.0)))


@st.composite
def endpoints(draw: st.DrawFn, label: str) -> EndpointFacts:
    return EndpointFacts(
        label=label, endpoint=draw(st.sampled_from(("http://h:1", "http://h:2"))), reachable=draw(st.integers(0, 4)) > 0,
        error_kind=draw(st.sampled_from((None, "refused", "odd"))), engine=draw(st.sampled_from((None, "sglang", "vllm"))),
        release=draw(st.sampled_from(("release", "pre-release", "fork", "unknown"))), declared_mode=draw(modes),
        observed_mode=draw(modes), block_loop=draw(either), model_path=draw(texts), process=draw(texts),
        model_type=draw(texts), capabilities=draw(some(capabilities, 8)), place=draw(st.sampled_from(("here", "elsewhere"))),
        settings=draw(st.dictionaries(st.sampled_from(("dtype", "tp_size", "dllm_algorithm")), few.map(str))),
        context=ServerContext(max_total_num_tokens=draw(maybe(st.sampled_from((10_000, 40_000))))),
        memory_gib=draw(st.dictionaries(st.just("weight"), st.sampled_from((7.6, 15.8)))),
        warnings=draw(some(st.just(ServerWarning(id="serving.mode", summary="the drafter is not loaded")))),
    )  # fmt: skip


@st.composite
def machines(draw: st.DrawFn) -> HardwareFacts:
    gpus = st.builds(
        Gpu, index=few, name=st.sampled_from(("NVIDIA H100 80GB HBM3", "NVIDIA L4", "a card")), ecc=maybe(either),
        memory_total_bytes=maybe(st.sampled_from((15 * GIB, 80 * GIB))), memory_free_bytes=maybe(st.just(10 * GIB)),
        mig=maybe(either), mig_of=maybe(st.just(0)), processes=some(st.sampled_from((10, 99))),
        throttle_reasons=some(st.sampled_from(("hw-slowdown", "gpu-idle"))),
        unreadable=st.dictionaries(st.just("throttle_reasons"), st.just("no")),
    )  # fmt: skip
    return HardwareFacts(
        known_by=draw(maybe(st.sampled_from((KnownBy.OBSERVED, KnownBy.DECLARED)))), gpus=draw(some(gpus, 3)),
        place=draw(st.sampled_from(("here", "elsewhere", "unknown"))), nvml_error=draw(texts), cpu_only=draw(either),
        memory_bytes=draw(maybe(st.just(64 * GIB))), unknown_for=draw(some(st.just(DIFF), 1)), notes=draw(some(st.just("a trace"))),
        endpoint_pids=draw(some(st.just(10), 1)), endpoint_gpus=draw(per_mode(some(few))),
    )  # fmt: skip


@st.composite
def seen(draw: st.DrawFn) -> Facts:
    candidate = st.builds(
        CandidateFacts, model=st.just(MODEL), config=st.sampled_from(({}, CONFIG)), model_type=texts,
        files=some(st.just(ModelFile(name="model.safetensors", size=16_980_000_000)), 1), error=texts,
        role=st.just("candidate"),
    )  # fmt: skip
    labels = draw(st.sets(st.sampled_from((AR, DIFF, "incumbent"))))
    lengths = {"path": "p", "sha256": "0", "count": 1, "shipped": False, "longest_chars": 60_000, "max_tokens": 512}
    mode = st.sampled_from((AR, DIFF))
    return Facts(
        start=START, hardware=draw(maybe(machines())), endpoints={label: draw(endpoints(label)) for label in labels},
        candidates=draw(some(candidate, 1)), prompts=draw(some(st.just(PromptFacts(**lengths)), 1)),
        suites=draw(some(st.just(SuiteFacts(name="t", kind="tools", path="t", sha256="", cases=1)), 1)),
        telemetry=draw(some(st.builds(TelemetrySample, mode=mode, concurrency=st.just(1), gpu=few, at_ms=st.just(1.0),
                                      throttle_reasons=some(st.just("hw-slowdown"))))),
        launches=draw(some(st.builds(LaunchFacts, mode=mode, launch=few, argv=st.just(("x",)), error=texts,
                                     ready_s=maybe(st.just(2.0))))),
        attempts=draw(per_mode(st.builds(Attempt, mode=mode, ok=either, said=st.just("it answers")))),
        preflights=draw(per_mode(st.builds(Preflight, mode=mode, stopped=either, conflicts=some(st.just(
            Conflict(mode=AR, what="it is small", remedy="enlarge it", certain=True)))))),
        afterwards=draw(some(st.builds(Afterwards, mode=mode, before=identities, after=identities, opening=either), 4)),
        counters=draw(some(st.builds(Counters, mode=mode, opening=either, before=st.just({}), after=counts), 3)),
        forwards=draw(some(st.builds(ForwardStats, mode=mode, forward_passes=few, tokens=few))),
        sampling=draw(some(st.builds(SamplingProbe, mode=mode, draws=st.just(5), distinct_at_one=few, distinct_at_zero=few,
                                     distinct_at_asked=maybe(few), temperature=st.just(0.7)))),
        stability=draw(per_mode(st.builds(
            StabilityFacts, mode=mode, minutes=st.just(2.0), requests=few, failed=few, disconnects=st.just(20),
            idle_s=st.just(9.0), right_after=maybe(either), kv_before=maybe(st.just(0.0)), kv_after=maybe(st.just(0.01)),
            flushed=either))),
    )  # fmt: skip


@st.composite
def asked(draw: st.DrawFn) -> Checklist:
    ends = {AR: {"endpoint": "http://h:1", "stats_file": "/s"}, DIFF: {"endpoint": "http://h:2"}}
    return Checklist.model_validate({
        "candidate": {"model": MODEL}, "modes": {label: ends[label] for label in draw(st.sets(st.sampled_from((AR, DIFF))))},
        "request": {"temperature": draw(st.sampled_from((0.0, 0.7)))},
        "items": {
            "context": {"need_tokens": draw(maybe(st.just(16384)))},
            "serving": {"stability": {"minutes": 2.0}, "require": [AR, SELF], "accept_inferred": draw(either)},
            "modes": {"concurrency": [1, 4]},
        },
    })  # fmt: skip


@pytest.mark.parametrize("item", list(ITEMS))
@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(checklist=asked(), facts=seen())
def test_each_finding_is_in_its_decision_table_and_says_only_what_is_known(item, checklist, facts):
    for finding in ITEMS[item].decide(checklist, facts, NOW):
        assert checks()[finding.id].outcomes[finding.outcome] is finding.status
        assert finding.remedy or finding.status in (Status.PASS, Status.NOT_APPLICABLE)
        for text in (finding.summary, finding.observed or "", finding.threshold or "", finding.remedy or ""):
            assert "None" not in text
            assert "()" not in text
            assert not text.endswith("..")
