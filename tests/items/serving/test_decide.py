from __future__ import annotations

import pytest

from evalkit.checklist.schema import Checklist
from evalkit.findings import Status
from evalkit.hub.facts import CandidateFacts
from evalkit.items.serving.decide import decide
from evalkit.serving.facts import (
    Capability,
    EndpointFacts,
    ServerWarning,
)
from tests.items.serving.decide_cases import AR, DIFF, MODEL, SELF, SPEC, checklist, facts, one, served
from tests.support.start import NOW


@pytest.mark.parametrize(
    ("label", "declared", "observed", "accept", "outcome", "status"),
    [
        (AR, AR, AR, False, "seen", Status.PASS),
        (AR, AR, None, False, "declared", Status.PASS),
        (AR, AR, DIFF, False, "ar-contradicted", Status.FAIL),
        (AR, AR, SPEC, False, "ar-contradicted", Status.FAIL),
        (DIFF, DIFF, DIFF, False, "seen", Status.PASS),
        (DIFF, DIFF, None, False, "declared", Status.PASS),
        (DIFF, DIFF, AR, False, "contradicted", Status.INCONCLUSIVE),
        (DIFF, DIFF, SPEC, False, "contradicted", Status.INCONCLUSIVE),
        (SELF, SELF, SELF, False, "seen", Status.PASS),
        (SELF, SELF, None, False, "declared", Status.PASS),
        (SELF, SELF, AR, False, "contradicted", Status.INCONCLUSIVE),
        (SPEC, SPEC, SPEC, False, "seen", Status.PASS),
        (SPEC, SPEC, AR, False, "contradicted", Status.INCONCLUSIVE),
        (SELF, SPEC, SPEC, False, "another-method", Status.FAIL),
        (SELF, SPEC, None, False, "another-method", Status.FAIL),
        (SPEC, SELF, SELF, False, "another-method", Status.FAIL),
        (AR, DIFF, DIFF, False, "another-mode", Status.FAIL),
        (DIFF, AR, AR, True, "another-mode", Status.FAIL),
        (AR, None, AR, False, "inferred", Status.INCONCLUSIVE),
        (AR, None, AR, True, "inferred-accepted", Status.WARN),
        (DIFF, None, DIFF, True, "inferred-accepted", Status.WARN),
        (SELF, None, SPEC, False, "inferred", Status.INCONCLUSIVE),
        (SELF, None, SPEC, True, "inferred-accepted", Status.WARN),
        (AR, None, DIFF, True, "ar-looks-otherwise", Status.FAIL),
        (DIFF, None, AR, True, "looks-otherwise", Status.INCONCLUSIVE),
        (DIFF, None, None, True, "unknown", Status.INCONCLUSIVE),
    ],
)
def test_the_table_of_evidence_of_the_mode(label, declared, observed, accept, outcome, status):
    asked = checklist(label, items={"serving": {"accept_inferred": accept}})
    finding = one(decide(asked, facts(served(label, declared, observed)), NOW), "serving.mode")
    assert (finding.outcome, finding.status) == (outcome, status)
    assert finding.mode == label
    assert status is Status.PASS or finding.remedy


def test_a_block_loop_is_a_warning_and_names_the_quality_trap():
    found = decide(checklist(AR), facts(served(AR, AR, DIFF, block_loop=True)), NOW)
    assert one(found, "serving.mode").outcome == "block-loop"
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
    assert (nothing.outcome, nothing.status) == ("no-mode", Status.ERROR)
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

    def around(value):
        return (Capability(name="template_tokens", value=value, known_by="observed"),)

    modes = (served(AR, AR, AR, capabilities=around(ours)), served(DIFF, DIFF, DIFF, capabilities=around(theirs)))
    found = decide(checklist(AR, DIFF), facts(*modes), NOW)
    (finding,) = [f for f in found if f.id == "serving.same-settings" and f.mode == DIFF]
    assert finding.status is status
    assert ("template_tokens" in finding.data["differ"]) is (status is not Status.PASS)


def test_a_mode_without_server_gets_its_launch_command():
    asked = Checklist.model_validate({"candidate": {"model": MODEL}, "modes": {SELF: {"model": "x"}}})
    found = decide(asked, facts(), NOW)
    assert one(found, "serving.reachable").outcome == "not-configured"
    assert "LinearSpec" in one(found, "serving.reachable").remedy
    assert {row["mode"] for row in one(found, "serving.support").data["rows"]} == {SELF}


def test_a_live_server_overrides_the_support_matrix():
    found = decide(checklist(SELF), facts(served(SELF, SELF, SELF)), NOW)
    assert "serving.support" not in {f.id for f in found}


@pytest.mark.parametrize("kind", ["refused", "timeout", "auth", "not-json", "not-found", "http", "protocol", "other"])
def test_an_unreachable_server_is_an_error_with_a_way_forward(kind):
    gone = EndpointFacts(label=AR, endpoint="http://h", reachable=False, error="x", error_kind=kind)
    finding = one(decide(checklist(AR), facts(gone), NOW), "serving.reachable")
    assert (finding.outcome, finding.status) == ("unusable", Status.ERROR)
    assert finding.data["error_kind"] == kind
    assert finding.remedy


def test_a_mode_that_was_never_probed_is_an_error():
    unasked = one(decide(checklist(AR), facts(), NOW), "serving.reachable")
    assert (unasked.outcome, unasked.status) == ("not-probed", Status.ERROR)
    assert "--resume" in unasked.remedy


@pytest.mark.parametrize(
    ("kind", "allow", "outcome", "status"),
    [
        ("release", ["release"], "release", Status.PASS),
        ("fork", ["release"], "not-allowed", Status.FAIL),
        ("fork", ["release", "fork"], "allowed", Status.WARN),
        ("pre-release", ["release"], "not-allowed", Status.FAIL),
        ("pre-release", ["pre-release"], "allowed", Status.WARN),
        ("release", ["fork"], "not-allowed", Status.FAIL),
        ("unknown", ["release", "fork"], "unknown", Status.INCONCLUSIVE),
    ],
)
def test_only_allowed_kinds_of_engines_pass(kind, allow, outcome, status):
    asked = checklist(AR, items={"serving": {"allow": allow}})
    found = one(decide(asked, facts(served(AR, release=kind)), NOW), "serving.engine-provenance")
    assert (found.outcome, found.status, found.observed) == (outcome, status, kind)


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
