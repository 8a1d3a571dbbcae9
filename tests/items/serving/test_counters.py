"""Counters before and after the work, against the declared mode."""

from __future__ import annotations

import pytest

from evalkit.checklist.schema import Checklist
from evalkit.client.types import Exchange
from evalkit.facts import Facts, RunStart
from evalkit.findings import Status
from evalkit.items.serving.decide import decide
from evalkit.serving.facts import Counters, EndpointFacts
from evalkit.timing.facts import TimedSample
from tests.support.start import NOW

TOKENS, VERIFY = "sglang:generation_tokens_total", "sglang:spec_verify_calls_total"
DECODE, PREFILL = "sglang:cuda_graph_passes_total{decode}", "sglang:cuda_graph_passes_total{prefill}"
STEPS, COMMITTED = "vllm:diffusion_num_denoising_steps_total", "vllm:diffusion_num_committed_tokens_total"
AR, DIFF, SELF, SPEC = "autoregressive", "diffusion", "self-speculation", "speculative"
UPSTREAM = {"dllm_algorithm": "LowConfidence", "dllm_fdfo": True}


def corroborated(mode, grown, *, timed=(), settings=None, block_loop=False):
    before = dict.fromkeys(grown, 7.0)
    after = {name: 7.0 + value for name, value in grown.items()}
    served = EndpointFacts(
        label=mode, endpoint="http://h", reachable=True, engine="sglang", declared_mode=mode, block_loop=block_loop,
        settings=settings or {}, block_size=4 if settings else None,
    )  # fmt: skip
    start = RunStart(run_id="r", started_at="2026-11-24T00:00:00Z", evalkit_version="0", plan_sha256="",
                     checklist_sha256="")  # fmt: skip
    facts = Facts(
        start=start, endpoints={mode: served}, timed=timed,
        counters=(Counters(mode=mode, before=before, after=after),) if grown else (),
    )  # fmt: skip
    found = decide(Checklist.model_validate({"modes": {mode: {"endpoint": "http://h"}}}), facts, NOW)
    return next((f for f in found if f.id == "serving.corroborated"), None)


@pytest.mark.parametrize(
    ("mode", "grown", "status", "outcome"),
    [
        # from real servers of SGLang 0.5.23: one prompt of 256 tokens each
        (AR, {TOKENS: 260, DECODE: 258, PREFILL: 2}, Status.PASS, "autoregressive"),
        (SPEC, {TOKENS: 361, VERIFY: 204, DECODE: 204, PREFILL: 6}, Status.PASS, "drafts"),
        (DIFF, {TOKENS: 338, PREFILL: 242}, Status.PASS, "rounds"),
        # contradictions
        (AR, {TOKENS: 361, VERIFY: 204, DECODE: 204}, Status.FAIL, "ar-drafts"),
        (AR, {TOKENS: 338, PREFILL: 242}, Status.FAIL, "ar-block-loop"),
        (AR, {TOKENS: 338, STEPS: 100}, Status.FAIL, "ar-denoises"),
        (SPEC, {TOKENS: 361, VERIFY: 0}, Status.INCONCLUSIVE, "no-verify-call"),
        (SPEC, {TOKENS: 361, VERIFY: 360}, Status.INCONCLUSIVE, "no-draft-accepted"),
        (SELF, {TOKENS: 361, VERIFY: 360}, Status.INCONCLUSIVE, "no-draft-accepted"),
        (DIFF, {TOKENS: 260, DECODE: 258, PREFILL: 2}, Status.INCONCLUSIVE, "rounds-of-decoding"),
        (DIFF, {TOKENS: 260, STEPS: 260, COMMITTED: 260}, Status.INCONCLUSIVE, "steps-gain-nothing"),
        (DIFF, {TOKENS: 260, STEPS: 100, COMMITTED: 260}, Status.PASS, "steps-gain"),
        # nothing to see
        (AR, {TOKENS: 3}, Status.INCONCLUSIVE, "too-few"),
        (SPEC, {TOKENS: 361}, Status.PASS, "verify-not-counted"),
    ],
)
def test_counters_are_held_against_the_mode(mode, grown, status, outcome):
    found = corroborated(mode, grown)
    assert (found.outcome, found.status) == (outcome, status)
    assert found.known_by == "observed"
    assert found.counts or status is Status.INCONCLUSIVE


@pytest.mark.parametrize(
    ("mode", "grown", "each"),
    [
        (SPEC, {TOKENS: 361, VERIFY: 204, DECODE: 204, PREFILL: 6}, 361 / 204),
        (SPEC, {TOKENS: 361, VERIFY: 360}, 361 / 360),
        (DIFF, {TOKENS: 300, STEPS: 100, COMMITTED: 260}, 2.6),
        (DIFF, {TOKENS: 300, STEPS: 100}, 3.0),
    ],
)
def test_tokens_are_counted_for_each_verify_call_and_denoising_step(mode, grown, each):
    found = corroborated(mode, grown)
    assert found.data["each"] == pytest.approx(each)
    assert f"{each:.2f} " in found.summary


def test_without_counters_nothing_is_said():
    assert corroborated(AR, {}) is None


def test_the_block_loop_is_a_warning_where_it_is_known():
    found = corroborated(AR, {TOKENS: 338, PREFILL: 242}, block_loop=True)
    assert (found.outcome, found.status) == ("ar-block-loop-declared", Status.WARN)


def sample(number: int, tokens: int, prompt: int = 8) -> TimedSample:
    exchange = Exchange(ok=True, completion_tokens=tokens, prompt_tokens=prompt, written_at=f"t{number}")
    return TimedSample(mode=DIFF, concurrency=1, prompt_id=f"p{number}", repeat=0, position=number, exchange=exchange)


@pytest.mark.parametrize(("rounds", "outcome"), [(120, "rounds"), (400, "one-token-a-round")])
def test_a_diffusion_loop_at_one_token_a_round_is_noted(rounds, outcome):
    timed = tuple(sample(n, 60) for n in range(5))
    found = corroborated(DIFF, {TOKENS: 300, PREFILL: rounds}, timed=timed, settings=UPSTREAM)
    assert found.outcome == outcome
    assert found.status is (Status.PASS if outcome == "rounds" else Status.WARN)


def test_a_server_that_counted_less_than_it_replied_is_not_the_only_one():
    timed = tuple(sample(n, 100) for n in range(10))
    found = corroborated(DIFF, {TOKENS: 400, PREFILL: 100}, timed=timed)
    assert (found.outcome, found.status) == ("fewer-than-replied", Status.WARN)
    assert "1,000" in found.summary


def test_a_restart_in_between_counts_nothing_backwards():
    fallen = Counters(mode=AR, before={TOKENS: 900.0}, after={TOKENS: 20.0})
    assert fallen.grew(TOKENS) is None
    assert fallen.grew("unknown") is None
