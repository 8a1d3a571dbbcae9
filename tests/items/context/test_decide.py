"""Deciding the context item from stored facts."""

from __future__ import annotations

import pytest

from evalkit.checklist.schema import Checklist
from evalkit.client.types import Exchange
from evalkit.facts import Facts
from evalkit.findings import KnownBy, Status
from evalkit.hub.facts import CandidateFacts, ContextLimits
from evalkit.items.context.checks import CHECKS
from evalkit.items.context.decide import decide
from evalkit.serving.context_facts import ContextProbe, ContextStep
from evalkit.serving.facts import EndpointFacts, ServerContext
from evalkit.timing.facts import PromptFacts, TimedSample
from tests.support.start import NOW, START

INSTRUCT = ContextLimits(
    config_max=262_144,
    rope_original=16_384,
    rope_factor=16,
    trained=16_384,
    trained_source="report",
    trained_known_by=KnownBy.VENDOR_REPORTED,
)


def checklist(**context: object) -> Checklist:
    given = {"need_tokens": 16384, **context}
    return Checklist.model_validate(
        {"modes": {"diffusion": {"endpoint": "http://127.0.0.1:1"}}, "items": {"context": given}}
    )


def server(window: int | None = 32768, **more: object) -> EndpointFacts:
    values = {"context": ServerContext(max_model_len=window), **more}
    return EndpointFacts(label="diffusion", endpoint="http://127.0.0.1:1", reachable=True, **values)


def model(limits: ContextLimits = INSTRUCT) -> CandidateFacts:
    return CandidateFacts(model="m", context=limits)


def findings(
    asks: Checklist,
    *,
    candidate: CandidateFacts | None = None,
    endpoint: EndpointFacts | None = None,
    probe: ContextProbe | None = None,
    **facts: object,
):
    collected = Facts(
        start=START,
        candidates=(candidate,) if candidate else (),
        endpoints={"diffusion": endpoint} if endpoint else {},
        context_probes={"diffusion": probe} if probe else {},
        **facts,
    )
    made = decide(asks, collected, NOW)
    known = {check.id: check for check in CHECKS}
    for finding in made:
        assert finding.id in known
        assert bool(finding.mode) == known[finding.id].per_mode
        assert finding.remedy or finding.status in (Status.PASS, Status.NOT_APPLICABLE)
    return {finding.id: finding for finding in made}


def test_nothing_known_is_never_a_pass():
    made = findings(Checklist.model_validate({"modes": {"diffusion": {"endpoint": "http://127.0.0.1:1"}}}))
    assert not any(f.status is Status.PASS for f in made.values())
    assert made["context.window"].status is Status.INCONCLUSIVE
    assert made["context.server-limit"].status is Status.INCONCLUSIVE


def test_a_window_that_holds_the_need_passes_and_lists_every_limit():
    made = findings(checklist(), candidate=model(), endpoint=server())
    window = made["context.window"]
    assert window.status is Status.PASS
    assert window.observed == "262,144 tokens"
    sources = {row["source"]: row["known_by"] for row in window.data["limits"]}
    assert sources["trained length (report)"] == "vendor-reported"
    assert sources["diffusion server: window"] == "declared"


def test_the_usable_window_is_the_least_binding_limit():
    made = findings(checklist(), candidate=model(INSTRUCT.model_copy(update={"tokenizer_max": 8192})))
    assert made["context.window"].status is Status.FAIL
    assert "tokenizer" in made["context.window"].summary


def test_a_tokenizer_without_a_limit_is_not_a_limit():
    made = findings(checklist(), candidate=model(INSTRUCT.model_copy(update={"tokenizer_max": 10**30})))
    assert made["context.window"].status is Status.PASS


def test_a_base_with_4096_positions_fails_a_need_that_its_instruct_sibling_holds():
    base = ContextLimits(config_max=4096, rope_factor=0.25, trained=4096)
    made = findings(checklist(), candidate=model(base))
    assert made["context.window"].status is Status.FAIL
    assert made["context.trained-length"].status is Status.PASS


def test_a_window_stretched_beyond_the_trained_length_is_a_warning_with_both_figures():
    made = findings(checklist(need_tokens=20_000), candidate=model())
    trained = made["context.trained-length"]
    assert trained.status is Status.WARN
    assert "262,144" in trained.summary
    assert "16,384" in trained.summary
    assert "beyond" in trained.summary


def test_the_rope_scalings_original_length_stands_in_for_an_unpublished_training_length():
    made = findings(
        checklist(), candidate=model(ContextLimits(config_max=262_144, rope_original=16_384, rope_factor=16))
    )
    assert made["context.trained-length"].status is Status.WARN
    assert made["context.trained-length"].known_by is KnownBy.INFERRED


def test_the_launch_scripts_window_of_2048_fails_the_mode_and_is_named():
    made = findings(checklist(), candidate=model(), endpoint=server(2048))
    limit = made["context.server-limit"]
    assert limit.status is Status.FAIL
    assert limit.mode == "diffusion"
    assert "2,048 is the default" in limit.summary


def test_a_token_pool_below_the_window_is_the_window():
    context = ServerContext(max_model_len=32768, max_total_num_tokens=9000)
    made = findings(checklist(), candidate=model(), endpoint=server(context=context))
    assert made["context.server-limit"].status is Status.FAIL
    assert "token pool" in made["context.server-limit"].summary


def test_a_block_is_kept_free_at_the_windows_end():
    exact = {"window": 16384, "engine": "sglang", "declared_mode": "diffusion", "block_size": 32}
    assert findings(checklist(), endpoint=server(**exact))["context.server-limit"].status is Status.FAIL
    assert (
        findings(checklist(), endpoint=server(**{**exact, "window": 16416}))["context.server-limit"].status
        is Status.PASS
    )


def test_a_prompt_limit_holds_the_prompt_and_not_the_reply():
    context = ServerContext(max_model_len=16384, max_req_input_len=16378)
    made = findings(checklist(need_output_tokens=1024), endpoint=server(context=context))
    assert made["context.server-limit"].status is Status.PASS


def test_a_server_that_tells_nothing_is_open_until_a_length_was_answered():
    assert findings(checklist(), endpoint=server(None))["context.server-limit"].status is Status.INCONCLUSIVE
    probe = ContextProbe(mode="diffusion", need_tokens=16384, longest_ok=16330, outcome="ok", over_limit="not-tried")
    made = findings(checklist(), endpoint=server(None), probe=probe)
    assert made["context.server-limit"].status is Status.PASS
    assert made["context.server-limit"].known_by is KnownBy.OBSERVED


def test_an_unreachable_server_is_open():
    gone = EndpointFacts(label="diffusion", endpoint="http://127.0.0.1:1", reachable=False, error="connection refused")
    assert findings(checklist(), endpoint=gone)["context.server-limit"].status is Status.INCONCLUSIVE


PROMPTS = PromptFacts(path="p", sha256="0", count=2, shipped=False, longest_chars=12_000, max_tokens=512)


@pytest.mark.parametrize(("window", "status"), [(8192, Status.PASS), (3000, Status.INCONCLUSIVE), (2048, Status.FAIL)])
def test_an_estimated_need_neither_passes_nor_fails_in_its_grey_zone(window, status):
    made = findings(checklist(need_tokens=None), endpoint=server(window), prompts=(PROMPTS,))
    assert made["context.server-limit"].status is status
    assert "estimated" in made["context.server-limit"].summary


def test_counted_prompts_replace_the_estimate():
    sample = TimedSample(
        mode="diffusion",
        concurrency=1,
        prompt_id="a",
        repeat=0,
        position=0,
        exchange=Exchange(ok=True, prompt_tokens=1500, completion_tokens=10),
    )
    prompts = PROMPTS.model_copy(update={"count": 1})
    made = findings(checklist(need_tokens=None), endpoint=server(2100), prompts=(prompts,), timed=(sample,))
    assert made["context.server-limit"].status is Status.PASS
    assert "counted by the server" in made["context.server-limit"].summary
    assert made["context.server-limit"].outcome == "fits"


def step(**more: object) -> ContextStep:
    return ContextStep(
        **{"asked_tokens": 16000, "counted_tokens": 16000, "ok": True, "recalled": {"0.5": False, "0.98": True}, **more}
    )


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        ("ok", Status.PASS),
        ("truncated", Status.FAIL),
        ("lost-middle", Status.FAIL),
        ("lost", Status.FAIL),
        ("refused", Status.FAIL),
        ("no-recall", Status.WARN),
        ("unclear", Status.INCONCLUSIVE),
    ],
)
def test_each_outcome_of_the_probe(outcome, status):
    probe = ContextProbe(mode="diffusion", need_tokens=16384, longest_ok=16330, outcome=outcome, steps=(step(),))
    made = findings(checklist(probe=True), endpoint=server(), probe=probe)
    assert made["context.probe"].status is status
    assert made["context.probe"].outcome == outcome


def test_a_probe_that_stopped_short_of_the_need_does_not_carry():
    probe = ContextProbe(mode="diffusion", need_tokens=4096, longest_ok=4000, outcome="ok", over_limit="refused")
    assert (
        findings(checklist(probe=True), endpoint=server(), probe=probe)["context.probe"].status is Status.INCONCLUSIVE
    )


def test_a_probe_that_was_asked_for_and_not_run_is_open():
    made = findings(checklist(probe=True), endpoint=server())
    assert made["context.probe"].status is Status.INCONCLUSIVE
    assert made["context.over-limit"].status is Status.INCONCLUSIVE


def test_without_the_wish_for_a_probe_nothing_is_said_of_it():
    assert "context.probe" not in findings(checklist(), endpoint=server())


@pytest.mark.parametrize(
    ("outcome", "status"),
    [("refused", Status.PASS), ("truncated", Status.FAIL), ("accepted", Status.WARN), ("unclear", Status.INCONCLUSIVE)],
)
def test_the_over_long_request(outcome, status):
    probe = ContextProbe(mode="diffusion", need_tokens=16384, longest_ok=16330, outcome="ok", over_limit=outcome)
    assert findings(checklist(), endpoint=server(), probe=probe)["context.over-limit"].status is status


@pytest.mark.parametrize(
    ("output", "status"),
    [
        ({"output_reached": 2048, "output_finish": "length"}, Status.PASS),
        ({"output_reached": 900, "output_finish": "length"}, Status.FAIL),
        ({"output_reached": 900, "output_finish": "stop"}, Status.INCONCLUSIVE),
        ({"output_error": "HTTP 400: too long"}, Status.FAIL),
        ({"output_error": "timeout: total"}, Status.INCONCLUSIVE),
    ],
)
def test_the_long_reply(output, status):
    probe = ContextProbe(
        mode="diffusion", need_tokens=16384, longest_ok=16330, outcome="ok", output_asked=2048, **output
    )
    made = findings(checklist(need_output_tokens=2048), endpoint=server(), probe=probe)
    assert made["context.output"].status is status


def test_a_long_reply_that_was_never_seen_is_open():
    assert (
        findings(checklist(need_output_tokens=2048), endpoint=server())["context.output"].status is Status.INCONCLUSIVE
    )


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"x-ratelimit-limit-requests": "600"}, Status.PASS),
        ({"x-ratelimit-limit-requests": "60"}, Status.FAIL),
        ({}, Status.INCONCLUSIVE),
        ({"x-ratelimit-limit-requests": "lots"}, Status.INCONCLUSIVE),
    ],
)
def test_rate_limits_against_the_need(headers, status):
    made = findings(checklist(limits={"need_rpm": 100}), endpoint=server(rate_limits=headers, place="elsewhere"))
    assert made["context.rate-limits"].status is status


def test_a_server_of_ones_own_has_no_rate_limits():
    made = findings(checklist(limits={"need_tpm": 100}), endpoint=server(place="here"))
    assert made["context.rate-limits"].status is Status.NOT_APPLICABLE


def test_a_model_without_configuration_is_carried_by_a_probe():
    probe = ContextProbe(mode="diffusion", need_tokens=16384, longest_ok=16330, outcome="ok")
    assert findings(checklist(), endpoint=server(), probe=probe)["context.window"].status is Status.PASS
    assert findings(checklist(), endpoint=server())["context.window"].status is Status.INCONCLUSIVE


@pytest.mark.parametrize(
    ("limits", "error", "status"),
    [
        (INSTRUCT, None, Status.PASS),
        (ContextLimits(config_max=4096, trained=4096), None, Status.FAIL),
        (ContextLimits(), None, Status.INCONCLUSIVE),
        (ContextLimits(), "the Hub could not be reached", Status.INCONCLUSIVE),
    ],
)
def test_another_variants_window_is_shown_and_never_counted(limits, error, status):
    other = CandidateFacts(model="other", role="variant", context=limits, error=error)
    collected = Facts(start=START, candidates=(model(), other))
    (made,) = [f for f in decide(checklist(), collected, NOW) if f.id == "context.variants"]
    assert (made.status, made.variant, made.counts) == (status, "other", False)
    assert made.remedy or status is Status.PASS


def test_an_estimated_need_does_not_fail_a_variant():
    other = CandidateFacts(model="other", role="variant", context=ContextLimits(config_max=3000))
    asks = checklist(need_tokens=None)
    collected = Facts(start=START, candidates=(model(), other), prompts=(PROMPTS,))
    (made,) = [f for f in decide(asks, collected, NOW) if f.id == "context.variants"]
    assert made.status is Status.INCONCLUSIVE
