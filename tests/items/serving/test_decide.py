from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts, RunStart
from evalkit.findings import KnownBy, Status
from evalkit.hub.facts import CandidateFacts
from evalkit.items.serving.decide import CHECKS, decide
from evalkit.quality.facts import SamplingProbe, SuiteFacts
from evalkit.serving.facts import Capability, EndpointFacts, LaunchFacts, ServerContext, ServerWarning, StabilityFacts

NOW = datetime(2026, 11, 24, tzinfo=UTC)
MODEL = "nvidia/Nemotron-Labs-Diffusion-8B"
START = RunStart(
    run_id="r", started_at="2026-11-24T00:00:00Z", evalkit_version="0", plan_sha256="", checklist_sha256=""
)


def checklist(*labels, launch=False, **more):
    modes = {label: {"endpoint": f"http://127.0.0.1:{30000 + n}"} for n, label in enumerate(labels)}
    return Checklist.model_validate({"candidate": {"model": MODEL}, "modes": modes, **more})


def served(label, declared="autoregressive", observed=None, **more):
    fields = {
        "endpoint": f"http://h/{label}",
        "reachable": True,
        "engine": "sglang",
        "engine_version": "0.5.23",
        "release": "release",
        "model_path": MODEL,
        "process": label,
        "settings": {"dtype": "bfloat16", "quantization": None, "kv_cache_dtype": "auto"},
        "context": ServerContext(max_model_len=4096),
        **more,
    }
    return EndpointFacts(label=label, declared_mode=declared, observed_mode=observed, **fields)


def facts(*endpoints, **more):
    return Facts(start=START, endpoints={e.label: e for e in endpoints}, **more)


def one(found, check, mode=None):
    return next(f for f in found if f.id == check and (mode is None or f.mode == mode))


AR, DIFF, SELF, SPEC = "autoregressive", "diffusion", "self-speculation", "speculative"


@pytest.mark.parametrize(
    ("label", "declared", "observed", "accept", "status"),
    [
        (AR, AR, AR, False, Status.PASS),
        (AR, AR, None, False, Status.PASS),
        (AR, AR, DIFF, False, Status.FAIL),
        (AR, AR, SPEC, False, Status.FAIL),
        (DIFF, DIFF, DIFF, False, Status.PASS),
        (DIFF, DIFF, None, False, Status.PASS),
        (DIFF, DIFF, AR, False, Status.INCONCLUSIVE),
        (DIFF, DIFF, SPEC, False, Status.INCONCLUSIVE),
        (SELF, SELF, SELF, False, Status.PASS),
        (SELF, SELF, None, False, Status.PASS),
        (SELF, SELF, AR, False, Status.INCONCLUSIVE),
        (SPEC, SPEC, SPEC, False, Status.PASS),
        (SPEC, SPEC, AR, False, Status.INCONCLUSIVE),
        (SELF, SPEC, SPEC, False, Status.FAIL),
        (SELF, SPEC, None, False, Status.FAIL),
        (SPEC, SELF, SELF, False, Status.FAIL),
        (AR, DIFF, DIFF, False, Status.FAIL),
        (DIFF, AR, AR, True, Status.FAIL),
        (AR, None, AR, False, Status.INCONCLUSIVE),
        (AR, None, AR, True, Status.WARN),
        (DIFF, None, DIFF, True, Status.WARN),
        (SELF, None, SPEC, False, Status.INCONCLUSIVE),
        (SELF, None, SPEC, True, Status.WARN),
        (AR, None, DIFF, True, Status.FAIL),
        (DIFF, None, AR, True, Status.INCONCLUSIVE),
        (DIFF, None, None, True, Status.INCONCLUSIVE),
    ],
)
def test_the_table_of_evidence_of_the_mode(label, declared, observed, accept, status):
    asked = checklist(label, items={"serving": {"accept_inferred": accept}})
    finding = one(decide(asked, facts(served(label, declared, observed)), NOW), "serving.mode")
    assert finding.status is status
    assert finding.mode == label
    assert status is Status.PASS or finding.remedy


def test_a_block_loop_is_a_warning_and_names_the_quality_trap():
    found = decide(checklist(AR), facts(served(AR, AR, DIFF, block_loop=True)), NOW)
    assert one(found, "serving.mode").status is Status.WARN
    trap = one(found, "serving.block-loop-baseline")
    assert trap.status is Status.WARN
    assert "quality" in trap.remedy


def test_the_likely_cause_of_a_contradiction_is_the_remedy():
    warning = ServerWarning(id="serving.mode", summary="the drafter is probably not loaded")
    found = decide(checklist(SELF), facts(served(SELF, SELF, AR, warnings=(warning,))), NOW)
    assert "drafter" in one(found, "serving.mode").remedy


def test_without_modes_the_user_is_told_what_to_start():
    found = decide(checklist(), facts(), NOW)
    nothing = one(found, "serving.reachable")
    assert nothing.status is Status.ERROR
    assert "--mode autoregressive=http://127.0.0.1:30000" in nothing.remedy
    assert "--demo" in nothing.remedy
    support = [f for f in found if f.id == "serving.support"]
    assert len(support) == 3
    assert all(f.status is Status.INCONCLUSIVE for f in support)  # a table never fails a model
    commands = "\n".join(f.remedy for f in support)
    assert commands.count(f" {MODEL} ") == 3
    assert all(word in commands for word in ("vllm serve", "--diffusion-config", "LinearSpec", "lora_mode", "30002"))


def test_a_model_that_no_record_names_gets_no_command_by_guess():
    asked = Checklist.model_validate({"candidate": {"model": "acme-labs/Trident-8B"}})
    found = decide(asked, facts(), NOW)
    remedy = one(found, "serving.reachable").remedy
    assert "No start command is known for acme-labs/Trident-8B" in remedy
    assert "launch_server" not in remedy
    assert "--mode autoregressive=" in remedy
    assert "serving.support" not in {f.id for f in found}


def test_a_folder_gets_the_command_of_its_architecture():
    from evalkit.hub.facts import CandidateFacts

    asked = Checklist.model_validate({"candidate": {"model": "/models/mine"}})
    known = CandidateFacts(model="/models/mine", kind="folder", architectures=("SDARForCausalLM",))
    found = decide(asked, facts().model_copy(update={"candidates": (known,)}), NOW)
    assert "--model-path /models/mine" in "\n".join(f.remedy for f in found if f.id == "serving.support")


@pytest.mark.parametrize(
    ("ours", "theirs", "status"),
    [(9, 9, Status.PASS), (9, 10, Status.PASS), (9, 4, Status.INCONCLUSIVE), (9, False, Status.INCONCLUSIVE)],
)
def test_two_servers_that_put_other_text_around_a_message_are_not_started_alike(ours, theirs, status):
    from evalkit.serving.facts import Capability

    def around(value):
        return (Capability(name="template_tokens", value=value, known_by="observed"),)

    modes = (served(AR, AR, AR, capabilities=around(ours)), served(DIFF, DIFF, DIFF, capabilities=around(theirs)))
    found = decide(checklist(AR, DIFF), facts(*modes), NOW)
    (finding,) = [f for f in found if f.id == "serving.same-settings" and f.mode == DIFF]
    if status is Status.PASS:
        assert "template_tokens" not in finding.summary
    else:
        assert finding.status is status
        assert "template_tokens" in finding.summary


def test_a_mode_without_server_gets_its_launch_command():
    asked = Checklist.model_validate({"candidate": {"model": MODEL}, "modes": {SELF: {"model": "x"}}})
    found = decide(asked, facts(), NOW)
    assert one(found, "serving.reachable").status is Status.ERROR
    assert "LinearSpec" in one(found, "serving.reachable").remedy
    assert "fork" in one(found, "serving.support").summary


def test_a_live_server_overrides_the_support_matrix():
    found = decide(checklist(SELF), facts(served(SELF, SELF, SELF)), NOW)
    assert "serving.support" not in {f.id for f in found}


@pytest.mark.parametrize("kind", ["refused", "timeout", "auth", "not-json", "not-found", "http", "protocol", "other"])
def test_an_unreachable_server_is_an_error_with_a_way_forward(kind):
    gone = EndpointFacts(label=AR, endpoint="http://h", reachable=False, error="x", error_kind=kind)
    finding = one(decide(checklist(AR), facts(gone), NOW), "serving.reachable")
    assert finding.status is Status.ERROR
    assert finding.remedy


def test_a_mode_that_was_never_probed_is_an_error():
    assert one(decide(checklist(AR), facts(), NOW), "serving.reachable").status is Status.ERROR


@pytest.mark.parametrize(
    ("kind", "allow", "status"),
    [
        ("release", ["release"], Status.PASS),
        ("fork", ["release"], Status.FAIL),
        ("fork", ["release", "fork"], Status.WARN),
        ("pre-release", ["release"], Status.FAIL),
        ("pre-release", ["pre-release"], Status.WARN),
        ("release", ["fork"], Status.FAIL),
        ("unknown", ["release", "fork"], Status.INCONCLUSIVE),
    ],
)
def test_only_allowed_kinds_of_engines_pass(kind, allow, status):
    asked = checklist(AR, items={"serving": {"allow": allow}})
    assert one(decide(asked, facts(served(AR, release=kind)), NOW), "serving.engine-provenance").status is status


CANDIDATE = CandidateFacts(
    model=MODEL,
    revision="a" * 40,
    model_type="nemotron_labs_diffusion",
    architectures=("NemotronLabsDiffusionModel",),
)
OTHER = CandidateFacts(model="nvidia/Nemotron-Labs-Diffusion-3B", role="variant")


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"model_path": MODEL}, Status.PASS),
        ({"model_path": MODEL, "revision": "a" * 40}, Status.PASS),
        ({"model_path": MODEL, "revision": "b" * 40}, Status.FAIL),
        ({"model_path": "…/weights"}, Status.WARN),
        ({"model_path": None}, Status.WARN),
        ({"model_path": "…/Nemotron-Labs-Diffusion-3B"}, Status.FAIL),
        ({"model_path": "other/llama"}, Status.FAIL),
        ({"model_path": "someone/Nemotron-Labs-Diffusion-8B-FP8"}, Status.WARN),
        ({"model_path": MODEL, "model_type": "llama"}, Status.FAIL),
        ({"model_path": MODEL, "architectures": ("LlamaForCausalLM",)}, Status.FAIL),
        ({"model_path": MODEL, "architectures": ("NemotronLabsDiffusionForCausalLM",)}, Status.PASS),
    ],
)
def test_the_served_model_is_held_against_the_candidate(more, status):
    found = decide(checklist(AR), facts(served(AR, **more), candidates=(CANDIDATE, OTHER)), NOW)
    assert one(found, "serving.same-model").status is status


@pytest.mark.parametrize(
    ("candidate", "more", "status"),
    [
        ({"model": "/data/model", "kind": "folder"}, {}, Status.WARN),
        ({"model": "model", "kind": "folder"}, {}, Status.WARN),
        ({"model": "/data/Nemotron-Labs-Diffusion-8B", "kind": "folder"}, {}, Status.WARN),
        ({"model": "/data/model", "kind": "folder"}, {"model_path": "…/model"}, Status.WARN),
        ({"model": "/data/model", "kind": "folder"}, {"model_path": None, "model": "served-name"}, Status.WARN),
        ({"model": "/data/model", "kind": "folder"}, {"model_path": "…/Nemotron-Labs-Diffusion-3B"}, Status.FAIL),
        ({"model": "/data/model", "kind": "folder", "model_type": "llada"}, {"model_type": "llama"}, Status.FAIL),
        ({"model": MODEL}, {"model_path": "/model"}, Status.WARN),
        ({"model": MODEL, "kind": "snapshot", "asked": "./model.json"}, {}, Status.PASS),
        ({"model": MODEL, "kind": "snapshot", "asked": "./model.json"}, {"model_path": "a/b"}, Status.FAIL),
    ],
)
def test_the_name_of_a_folder_contradicts_no_served_model(candidate, more, status):
    found = decide(checklist(AR), facts(served(AR, **more), candidates=(CandidateFacts(**candidate), OTHER)), NOW)
    assert one(found, "serving.same-model").status is status


def test_modes_that_serve_different_models_fail():
    found = decide(checklist(AR, DIFF), facts(served(AR), served(DIFF, DIFF, model_path="a/b")), NOW)
    assert one(found, "serving.same-model", DIFF).status is Status.FAIL


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
    assert one(found, "serving.distinct-processes", DIFF).status is Status.FAIL


def test_one_address_for_two_modes_is_open_when_the_process_is_not_told():
    same = {"process": None, "endpoint": "http://h"}
    found = decide(checklist(AR, DIFF), facts(served(AR, **same), served(DIFF, DIFF, **same)), NOW)
    assert one(found, "serving.distinct-processes", DIFF).status is Status.INCONCLUSIVE


@pytest.mark.parametrize(("limit", "status"), [(1, "inconclusive"), (4, "warn"), (16, "pass"), (None, "warn")])
def test_running_requests_are_held_against_the_levels(limit, status):
    told = (Capability(name="max_running_requests", value=limit, known_by=KnownBy.DECLARED),)
    asked = checklist(AR, items={"modes": {"concurrency": [1, 4, 16], "decide_at": 4}})
    found = decide(asked, facts(served(AR, capabilities=told)), NOW)
    assert one(found, "serving.max-running-requests").status == status


@pytest.mark.parametrize(("value", "status"), [(True, "pass"), (False, "error"), (None, "warn")])
def test_a_tools_suite_needs_a_parser(value, status):
    told = (Capability(name="tool_calls", value=value, known_by=KnownBy.DECLARED),)
    suite = SuiteFacts(name="t", kind="tools", path="t", sha256="", cases=3)
    found = decide(checklist(AR), facts(served(AR, capabilities=told), suites=(suite,)), NOW)
    assert one(found, "serving.tool-parser").status == status


@pytest.mark.parametrize(
    ("temperature", "distinct", "ignored", "status", "counts"),
    [
        (0.7, 5, False, "pass", True),
        (0.7, 1, False, "fail", True),
        (0.7, None, True, "fail", True),
        (0.7, None, False, "inconclusive", True),
        (0.0, 1, False, "warn", False),
        (0.0, None, False, "not-applicable", False),
    ],
)
def test_temperature_matters_when_production_sends_one(temperature, distinct, ignored, status, counts):
    told = (Capability(name="temperature", value=False, known_by=KnownBy.INFERRED),) if ignored else ()
    probes = (
        () if distinct is None else (SamplingProbe(mode=AR, draws=5, distinct_at_one=distinct, distinct_at_zero=1),)
    )
    found = decide(
        checklist(AR, request={"temperature": temperature}), facts(served(AR, capabilities=told), sampling=probes), NOW
    )
    finding = one(found, "serving.sampling-honoured")
    assert (finding.status, finding.counts) == (status, counts)


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({}, "pass"),
        ({"failed": 1}, "fail"),
        ({"right_after": False}, "fail"),
        ({"right_after": None}, "inconclusive"),
        ({"requests": 0}, "inconclusive"),
        ({"kv_after": 0.2}, "fail"),
        ({"kv_after": 0.2, "flushed": False}, "warn"),  # the prefix cache may be what is left
        ({"disconnects": 3}, "warn"),  # the replies were faster than the clients that leave
        ({"failed": 3, "right_after": None}, "fail"),
        ({"kv_after": None}, "warn"),
        ({"minutes": 0.5}, "warn"),
    ],
)
def test_the_soak_is_judged(more, status):
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
    assert one(decide(asked, facts(served(AR), stability={AR: soak}), NOW), "serving.stability").status == status


def test_a_soak_that_was_asked_and_not_run_is_open():
    asked = checklist(AR, items={"serving": {"stability": {"minutes": 2.0}}})
    assert one(decide(asked, facts(served(AR)), NOW), "serving.stability").status is Status.INCONCLUSIVE


def test_a_launch_that_died_shows_its_last_lines():
    died = LaunchFacts(mode=AR, launch=0, argv=("x",), error="ended with code 3", log_tail=("CUDA out of memory",))
    finding = one(decide(checklist(AR), facts(launches=(died,)), NOW), "serving.launch")
    assert finding.status is Status.ERROR
    assert "CUDA out of memory" in finding.remedy


def test_modes_required_by_name_block_when_they_are_missing():
    asked = checklist(AR, items={"serving": {"require": [AR, DIFF]}})
    found = [f for f in decide(asked, facts(served(AR)), NOW) if f.id == "serving.required-modes"]
    assert [f.status for f in found] == [Status.PASS, Status.ERROR]
    assert all(f.mode is None for f in found)


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
    known = {check.id for check in CHECKS}
    for finding in found:
        assert finding.id in known
        assert finding.remedy or finding.status in (Status.PASS, Status.NOT_APPLICABLE)
    if not reach or not probe:
        assert not any(f.status is Status.PASS for f in found)
