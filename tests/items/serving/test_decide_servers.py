from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.findings import KnownBy, Status
from evalkit.items.serving.checks import CHECKS
from evalkit.items.serving.decide import decide
from evalkit.quality.facts import SamplingProbe, SuiteFacts
from evalkit.serving.facts import (
    Attempt,
    Capability,
    Conflict,
    EndpointFacts,
    LaunchFacts,
    Preflight,
    ServerContext,
    StabilityFacts,
)
from tests.items.serving.decide_cases import AR, DIFF, SELF, SPEC, checklist, facts, one, served
from tests.support.start import NOW


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({}, Status.PASS),
        ({"dtype": "float16"}, Status.INCONCLUSIVE),
        ({"quantization": "fp8"}, Status.INCONCLUSIVE),
        ({"kv_cache_dtype": "fp8_e5m2"}, Status.WARN),  # against auto: not comparable
    ],
)
def test_settings_are_compared_with_the_baseline(changed, status):
    base = served(AR)
    other = served(DIFF, DIFF, settings={**base.settings, **changed})
    assert one(decide(checklist(AR, DIFF), facts(base, other), NOW), "serving.same-settings", DIFF).status is status


def test_another_context_length_is_another_setting():
    other = served(DIFF, DIFF, context=ServerContext(max_model_len=2048))
    found = decide(checklist(AR, DIFF), facts(served(AR), other), NOW)
    assert one(found, "serving.same-settings", DIFF).status is Status.INCONCLUSIVE


def test_two_labels_of_one_process_fail():
    found = decide(checklist(AR, DIFF), facts(served(AR, process="p"), served(DIFF, DIFF, process="p")), NOW)
    shared = one(found, "serving.distinct-processes", DIFF)
    assert (shared.outcome, shared.status) == ("same-process", Status.FAIL)


def test_one_address_for_two_modes_is_open_when_the_process_is_not_told():
    same = {"process": None, "endpoint": "http://h"}
    found = decide(checklist(AR, DIFF), facts(served(AR, **same), served(DIFF, DIFF, **same)), NOW)
    shared = one(found, "serving.distinct-processes", DIFF)
    assert (shared.outcome, shared.status) == ("same-address", Status.INCONCLUSIVE)


@pytest.mark.parametrize(
    ("limit", "level", "outcome", "status"),
    [
        (1, 4, "below-deciding", "inconclusive"), (4, 4, "below-highest", "warn"), (16, 4, "enough", "pass"),
        (None, 4, "not-reported", "warn"), (None, 1, "one-needed", "pass"),
    ],
)  # fmt: skip
def test_running_requests_are_held_against_the_levels(limit, level, outcome, status):
    told = (Capability(name="max_running_requests", value=limit, known_by=KnownBy.DECLARED),)
    asked = checklist(AR, items={"modes": {"concurrency": [1, 4, 16], "decide_at": level}})
    found = one(decide(asked, facts(served(AR, capabilities=told)), NOW), "serving.max-running-requests")
    assert (found.outcome, found.status) == (outcome, status)


@pytest.mark.parametrize(
    ("value", "outcome", "status"),
    [(True, "parsed", "pass"), (False, "not-parsed", "error"), (None, "not-reported", "warn")],
)
def test_a_tools_suite_needs_a_parser(value, outcome, status):
    told = (Capability(name="tool_calls", value=value, known_by=KnownBy.DECLARED),)
    suite = SuiteFacts(name="t", kind="tools", path="t", sha256="", cases=3)
    found = one(
        decide(checklist(AR), facts(served(AR, capabilities=told), suites=(suite,)), NOW), "serving.tool-parser"
    )
    assert (found.outcome, found.status) == (outcome, status)


@pytest.mark.parametrize(
    ("usage", "streams", "outcome", "status"),
    [
        (True, True, "counted", "pass"), (False, True, "without-counts", "warn"), (False, False, "one-piece", "warn"),
        (None, None, "not-seen", "inconclusive"),
    ],
)  # fmt: skip
def test_a_stream_without_counts_is_a_warning(usage, streams, outcome, status):
    values = {"continuous_usage": usage, "streaming": streams}
    told = tuple(Capability(name=n, value=v, known_by=KnownBy.OBSERVED) for n, v in values.items() if v is not None)
    found = one(decide(checklist(AR), facts(served(AR, capabilities=told)), NOW), "serving.streaming-usage")
    assert (found.outcome, found.status) == (outcome, status)


@pytest.mark.parametrize(("value", "outcome"), [(True, "yes"), (False, "no"), (None, "not-known")])
@pytest.mark.parametrize(
    "check", [c for c in CHECKS if set(c.outcomes) == {"yes", "no", "not-known"}], ids=lambda c: c.id
)
def test_what_is_asked_by_name_is_shown_and_never_counted(check, value, outcome):
    names = ("ignore_eos", "json_schema", "logprobs", "seed", "template_tokens", "mask_text", "stop_inside_block",
             "odd_max_tokens", "context_enforced")  # fmt: skip
    told = tuple(Capability(name=name, value=value, known_by=KnownBy.OBSERVED) for name in names)
    found = one(decide(checklist(AR), facts(served(AR, capabilities=told)), NOW), check.id)
    assert (found.outcome, found.counts) == (outcome, False)


@pytest.mark.parametrize(
    ("temperature", "distinct", "ignored", "outcome", "status", "counts"),
    [
        (0.7, 5, False, "honoured", "pass", True),
        (0.7, 1, False, "ignored", "fail", True),
        (0.7, None, True, "not-honoured", "fail", True),
        (0.7, None, False, "not-probed", "inconclusive", True),
        (0.0, 1, False, "ignored-unasked", "warn", False),
        (0.0, None, True, "not-honoured-unasked", "warn", False),
        (0.0, None, False, "not-sampled", "not-applicable", False),
    ],
)
def test_temperature_matters_when_production_sends_one(temperature, distinct, ignored, outcome, status, counts):
    told = (Capability(name="temperature", value=False, known_by=KnownBy.INFERRED),) if ignored else ()
    probes = (
        () if distinct is None else (SamplingProbe(mode=AR, draws=5, distinct_at_one=distinct, distinct_at_zero=1),)
    )
    found = decide(
        checklist(AR, request={"temperature": temperature}), facts(served(AR, capabilities=told), sampling=probes), NOW
    )
    finding = one(found, "serving.sampling-honoured")
    assert (finding.outcome, finding.status, finding.counts) == (outcome, status, counts)


def test_one_reply_at_productions_temperature_is_a_warning():
    seen = SamplingProbe(mode=AR, draws=5, distinct_at_one=4, distinct_at_zero=1, distinct_at_asked=1, temperature=0.1)
    found = decide(checklist(AR, request={"temperature": 0.1}), facts(served(AR), sampling=(seen,)), NOW)
    finding = one(found, "serving.sampling-honoured")
    assert (finding.outcome, finding.status) == ("one-at-production", Status.WARN)


@pytest.mark.parametrize(
    ("more", "outcome", "status"),
    [
        ({}, "steady", "pass"),
        ({"failed": 1}, "failed", "fail"),
        ({"right_after": False}, "wrong-after-idle", "fail"),
        ({"right_after": None}, "not-shown", "inconclusive"),
        ({"requests": 0}, "not-shown", "inconclusive"),
        ({"kv_after": 0.2}, "leaks", "fail"),
        ({"kv_after": 0.01}, "memory-drifts", "warn"),
        ({"kv_after": 0.2, "flushed": False}, "memory-drifts", "warn"),  # the prefix cache may be what is left
        ({"disconnects": 3}, "too-short", "warn"),  # the replies were faster than the clients that leave
        ({"failed": 3, "right_after": None}, "failed", "fail"),
        ({"kv_after": None}, "memory-unknown", "warn"),
        ({"minutes": 0.5}, "too-short", "warn"),
    ],
)
def test_the_soak_is_judged(more, outcome, status):
    fields = {
        "mode": AR,
        "minutes": 2,
        "requests": 90,
        "failed": 0,
        "disconnects": 20,
        "idle_s": 60,
        "right_after": True,
    }
    soak = StabilityFacts(**{**fields, "kv_before": 0.0, "kv_after": 0.0, "flushed": True, **more})
    asked = checklist(AR, items={"serving": {"stability": {"minutes": 2.0}}})
    found = one(decide(asked, facts(served(AR), stability={AR: soak}), NOW), "serving.stability")
    assert (found.outcome, found.status) == (outcome, status)


def test_a_soak_that_was_asked_and_not_run_is_open():
    asked = checklist(AR, items={"serving": {"stability": {"minutes": 2.0}}})
    assert one(decide(asked, facts(served(AR)), NOW), "serving.stability").outcome == "not-run"


def test_a_launch_that_died_shows_its_last_lines():
    died = LaunchFacts(mode=AR, launch=0, argv=("x",), error="ended with code 3", log_tail=("CUDA out of memory",))
    finding = one(decide(checklist(AR), facts(launches=(died,)), NOW), "serving.launch")
    assert (finding.outcome, finding.status) == ("failed", Status.ERROR)
    assert "CUDA out of memory" in finding.remedy
    assert "modes.NAME.launch" in finding.remedy


@pytest.mark.parametrize(
    ("launch", "tried", "outcomes"),
    [
        ({"ready_s": 3.0}, None, ["ready"]),
        ({}, None, ["never-ready"]),
        ({"error": "ended"}, {"ok": False, "said": "ended"}, ["failed"]),
        (None, {"ok": True, "said": "it answers"}, ["tried"]),
        (None, {"ok": False, "said": "ended", "log_tail": ("no such model",)}, ["try-failed"]),
        ({"ready_s": 3.0}, {"ok": True, "said": "it answers"}, ["ready"]),
        ({"ready_s": 3.0}, {"ok": False, "said": "ended"}, ["ready", "try-failed"]),
    ],
)
def test_a_launch_and_the_try_of_it(launch, tried, outcomes):
    seen = facts(
        launches=() if launch is None else (LaunchFacts(mode=AR, launch=0, argv=("x",), **launch),),
        attempts={} if tried is None else {AR: Attempt(mode=AR, **tried)},
    )
    found = [f for f in decide(checklist(AR), seen, NOW) if f.id == "serving.launch"]
    assert [f.outcome for f in found] == outcomes
    for finding in found:
        assert finding.status is (Status.PASS if finding.outcome in ("ready", "tried") else Status.ERROR)


def test_modes_required_by_name_block_when_they_are_missing():
    asked = checklist(AR, items={"serving": {"require": [AR, DIFF]}})
    found = [f for f in decide(asked, facts(served(AR)), NOW) if f.id == "serving.required-modes"]
    assert [(f.outcome, f.status) for f in found] == [("served", Status.PASS), ("not-configured", Status.ERROR)]
    assert all(f.mode is None for f in found)
    for declared, observed, outcome in ((DIFF, DIFF, "not-served"), (None, AR, "not-shown")):
        asked = checklist(AR, items={"serving": {"require": [AR]}})
        found = decide(asked, facts(served(AR, declared, observed)), NOW)
        assert one(found, "serving.required-modes").outcome == outcome


def test_what_conflicts_before_the_first_request_is_a_warning_or_stops_the_mode():
    conflict = Conflict(mode=AR, what="the server takes 32 tokens", remedy="raise it", certain=True)
    for stopped, conflicts, outcome, status in (
        (True, (conflict,), "stopped", Status.ERROR), (False, (conflict,), "conflicts", Status.WARN),
        (False, (), "clear", Status.PASS),
    ):  # fmt: skip
        seen = Preflight(mode=AR, conflicts=conflicts, stopped=stopped)
        found = one(decide(checklist(AR), facts(served(AR), preflights={AR: seen}), NOW), "serving.preflight")
        assert (found.outcome, found.status) == (outcome, status)
        assert found.data.get("conflicts", []) == [each.what for each in conflicts]


def test_an_optional_incumbent_that_is_down_does_not_count():
    asked = checklist(AR, incumbent={"endpoint": "http://127.0.0.1:1"})
    finding = one(decide(asked, facts(served(AR)), NOW), "serving.reachable", "incumbent")
    assert finding.status is Status.ERROR
    assert not finding.counts


_known = st.sampled_from([None, AR, DIFF, SELF, SPEC])


@given(st.lists(st.sampled_from([AR, DIFF, SELF]), unique=True), _known, _known, st.booleans(), st.booleans())
def test_missing_facts_never_crash_and_every_open_finding_has_a_way_forward(labels, declared, observed, reach, probe):
    ends = [
        EndpointFacts(label=label, endpoint="http://h", reachable=reach, declared_mode=declared, observed_mode=observed)
        for label in labels
        if probe
    ]
    found = decide(checklist(*labels), facts(*ends), NOW)
    assert found
    known = {check.id: check for check in CHECKS}
    for finding in found:
        assert known[finding.id].outcomes[finding.outcome] is finding.status
        assert finding.remedy or finding.status in (Status.PASS, Status.NOT_APPLICABLE)
    if not reach or not probe:
        assert not any(f.status is Status.PASS for f in found)
