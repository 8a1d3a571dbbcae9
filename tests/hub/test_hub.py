"""The Hub's edge against a Hub on loopback: the right finding for each thing that a Hub does."""

from __future__ import annotations

import json
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts, RunStart
from evalkit.findings import Status
from evalkit.hub.facts import CandidateFacts
from evalkit.items.license.decide import decide
from tests.hub.hub_cases import CARD, CONFIG, GATED_CARD, plain, trap
from tests.support.hub_client import collect_all
from tests.support.hub_server import DEFAULT_SHA, HubServer, Repo

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """One Hub with one repository for each case."""
    marker = str(tmp_path_factory.mktemp("trap") / "ran")
    traps = {name: trap(marker) for name in ("modeling_tri.py", "configuration_tri.py", "setup.py", "conftest.py")}
    faults = ("429", "500", "503", "401", "403", "404", "html", "no-json-object", "no-commit", "hang-up", "silence",
              "disabled", "bad-token")  # fmt: skip
    repos = {
        "acme/plain": plain(),
        "acme/trapped": plain(files={**traps, "LICENSE": b"terms", "model.pt": b"\x80\x04cos\nsystem\n"}),
        "acme/gated-closed": plain(gated="manual", card=GATED_CARD),
        "acme/old-name": Repo(renamed_to="acme/plain"),
        "acme/private": plain(private=True),
        "acme/crowded": plain(
            sha="7" * 40, files={"LICENSE": b"MIT License"},
            card={},
        ),
        "acme/absent-file": Repo(files={"config.json": json.dumps(CONFIG).encode()}, listed={"README.md": 100}),
        "acme/huge-card": Repo(files={"README.md": b"---\nlicense: mit\n---\n" + b"x" * (5 << 20)}),
        "acme/no-sizes": Repo(files={"README.md": CARD}, listed={"model.safetensors": None}),
        **{f"broken/{fault}": plain(fault=fault) for fault in faults},
    }  # fmt: skip
    repos["acme/crowded"].listed |= {f"shards/part-{i:06}.safetensors": 1000 for i in range(100_000)}
    with HubServer(repos) as server:
        server.marker = marker
        yield server


@pytest.fixture(scope="module")
def asked(hub, tmp_path_factory):
    """Everything that needs no environment of its own, asked in one process: (facts by model, modules)."""
    home = tmp_path_factory.mktemp("home")
    models = [m for m in hub.repos if m != "broken/silence"]
    models += [
        "acme/missing",
        "nvidia/Nemotron-Labs-Diffusion-8B-Instruct",
        "acme/plain@v9",
        f"acme/plain@{DEFAULT_SHA}",
    ]
    return collect_all(hub.endpoint, home, models, evidence=home / "run" / "evidence")


def test_a_public_model_is_read_at_the_commit_behind_the_branch(asked):
    facts = asked[0]["acme/plain"]
    assert facts["error"] is None
    assert (facts["revision"], facts["requested_revision"], facts["gated"]) == (DEFAULT_SHA, "main", "no")
    assert facts["card"]["license_name"] == "nvidia-nemotron-open-model-license"
    assert facts["config"]["hidden_size"] == 64
    assert {"name": "model.safetensors", "size": 16_979_120_000, "sha256": None} in facts["files"]
    assert all(len(text["sha256"]) == 64 and text["path"] for text in facts["texts"])


def test_a_full_commit_is_asked_for_as_it_is(asked):
    assert asked[0][f"acme/plain@{DEFAULT_SHA}"]["revision"] == DEFAULT_SHA


ERRORS = [
    ("acme/missing", "missing", "look the same"),
    ("acme/private", "missing", "look the same"),
    ("acme/plain@v9", "revision", "candidate.revision"),
    ("broken/429", "rate-limit", "wait 77 s"),
    ("broken/500", "server", "try again later"),
    ("broken/503", "server", "try again later"),
    ("broken/401", "auth", "HF_TOKEN"),
    ("broken/bad-token", "auth", "HF_TOKEN"),
    ("broken/403", "auth", "HF_TOKEN"),
    ("broken/404", "missing", "HF_ENDPOINT"),
    ("broken/disabled", "disabled", "another model"),
    ("broken/html", "server", "HF_ENDPOINT"),
    ("broken/no-json-object", "server", "HF_ENDPOINT"),
    ("broken/no-commit", "server", "HF_ENDPOINT"),
    ("broken/hang-up", "network", "HF_ENDPOINT"),
]


@pytest.mark.parametrize(("model", "kind", "hint"), ERRORS)
def test_each_answer_of_a_hub_has_its_own_error_and_a_way_on(asked, model, kind, hint):
    facts = asked[0][model]
    assert facts["error_kind"] == kind, facts["error"]
    assert hint in facts["hint"]
    assert facts["card"] is None
    assert "Traceback" not in facts["error"]


def decided(facts: dict[str, Any]) -> dict[str, tuple[Status, str | None]]:
    """License findings of a commercial use, from facts as they came out of the process."""
    candidate = CandidateFacts.model_validate(facts)
    asks = Checklist.model_validate({"candidate": {"model": candidate.model}})
    start = RunStart(
        run_id="r", started_at="2026-11-24T00:00:00Z", evalkit_version="0", plan_sha256="", checklist_sha256=""
    )
    made = decide(asks, Facts(start=start, candidates=(candidate,)), datetime(2026, 11, 24, tzinfo=UTC))
    return {f.id.removeprefix("license."): (f.status, f.remedy) for f in made}


@pytest.mark.parametrize(("model", "hint"), [(model, hint) for model, _, hint in ERRORS])
def test_each_error_of_a_hub_is_an_error_finding_with_what_to_do(asked, model, hint):
    found = decided(asked[0][model])
    assert {status for status, _ in found.values()} == {Status.ERROR}
    assert all(hint in (remedy or "") for _, remedy in found.values())


def test_a_gated_model_without_access_is_decided_by_its_public_fields_and_warned_of(asked):
    found = decided(asked[0]["acme/gated-closed"])
    assert found["gated"][0] is Status.WARN
    assert found["commercial-use"][0] is Status.FAIL
    assert found["text-pinned"][0] is Status.WARN


def test_a_public_model_is_decided(asked):
    assert decided(asked[0]["acme/plain"])["commercial-use"][0] is Status.PASS


def test_a_wrong_id_is_answered_with_the_real_one(asked):
    facts = asked[0]["nvidia/Nemotron-Labs-Diffusion-8B-Instruct"]
    assert facts["error_kind"] == "missing"
    assert "the id is nvidia/Nemotron-Labs-Diffusion-8B;" in facts["hint"]


def test_a_gated_repository_without_access_is_told_from_a_missing_one_and_its_public_fields_are_kept(asked):
    facts = asked[0]["acme/gated-closed"]
    assert facts["error"] is None
    assert (facts["gated"], facts["access_denied"]) == ("manual", True)
    assert facts["card"]["license_name"] == "nscl-v1"
    assert facts["texts"] == []
    assert any("gated" in note for note in facts["notes"])


def test_a_renamed_model_is_read_under_its_new_name(asked):
    facts = asked[0]["acme/old-name"]
    assert (facts["model"], facts["asked"]) == ("acme/plain", "acme/old-name")
    assert any("renamed" in note for note in facts["notes"])


def test_a_list_of_a_hundred_thousand_files_is_cut_and_the_few_that_are_read_are_kept(asked):
    facts = asked[0]["acme/crowded"]
    assert facts["error"] is None
    assert len(facts["files"]) == 20_000
    assert [t["name"] for t in facts["license_texts"]] == ["LICENSE"]
    assert facts["card"]["license_name"]
    assert any("100,004 files" in note for note in facts["notes"])


def test_a_listed_file_that_is_absent_is_noted_and_the_rest_is_read(asked):
    facts = asked[0]["acme/absent-file"]
    assert facts["error"] is None
    assert facts["config"]["hidden_size"] == 64
    assert any("README.md is listed but absent" in note for note in facts["notes"])


def test_a_card_of_five_megabytes_is_refused_and_not_loaded(asked, hub):
    facts = asked[0]["acme/huge-card"]
    assert facts["card"] is None
    assert any("not read" in note for note in facts["notes"])
    assert not any(s.method == "GET" and s.path.startswith("/acme/huge-card/resolve") for s in hub.seen)


def test_remote_code_is_named_and_never_fetched_imported_or_run(asked, hub):
    facts, modules = asked
    assert set(facts["acme/trapped"]["remote_code"]) == {"modeling_tri.py", "configuration_tri.py"}
    assert hub.files_asked_for("acme/trapped") == {"README.md", "config.json", "LICENSE"}
    assert not Path(hub.marker).exists()
    assert not {m for m in modules if "modeling_tri" in m or m.split(".")[0] in ("transformers", "torch", "pickle5")}


def test_no_request_carried_a_token_that_nobody_gave(hub, asked):
    assert hub.seen
    assert all(s.authorization is None for s in hub.seen)


def test_a_token_is_sent_to_the_hub_that_the_user_named_and_to_no_other_origin(tmp_path):
    """The Hub answers a file with a redirect to another origin, which gets the request without the token."""
    with HubServer({"acme/moved": plain()}) as other, HubServer() as hub:
        hub.repos["acme/moved"] = plain(redirect_files_to=other.endpoint)
        facts, _ = collect_all(hub.endpoint, tmp_path, ["acme/moved"], HF_TOKEN="hf_sentinelsentinel")
    assert facts["acme/moved"]["card"]["license_name"]
    assert {s.authorization for s in hub.seen} == {"Bearer hf_sentinelsentinel"}
    assert other.seen
    assert {s.authorization for s in other.seen} == {None}
    assert "hf_sentinel" not in json.dumps(facts)


def test_a_token_that_is_stored_for_the_real_hub_is_not_sent_to_a_mirror(tmp_path):
    (tmp_path / "token").write_text("hf_storedstoredstored")
    with HubServer({"acme/plain": plain()}) as hub:
        facts, _ = collect_all(hub.endpoint, tmp_path, ["acme/plain"])
    assert facts["acme/plain"]["error"] is None
    assert {s.authorization for s in hub.seen} == {None}


def test_a_token_opens_gated_and_private_models(tmp_path):
    with HubServer({"acme/gated": plain(gated="auto"), "acme/private": plain(private=True)}) as hub:
        facts, _ = collect_all(hub.endpoint, tmp_path, list(hub.repos), HF_TOKEN="hf_sentinelsentinel")
    assert [f["error"] for f in facts.values()] == [None, None]
    assert (facts["acme/gated"]["gated"], facts["acme/gated"]["access_denied"]) == ("auto", False)


def test_offline_the_cache_answers_and_what_is_not_in_it_is_not_called_missing(tmp_path):
    with HubServer({"acme/plain": plain()}) as hub:
        online, _ = collect_all(hub.endpoint, tmp_path, ["acme/plain"])
        before = len(hub.seen)
        asked = ["acme/plain", f"acme/plain@{DEFAULT_SHA}", "acme/other", "acme/plain@v9"]
        offline, _ = collect_all(hub.endpoint, tmp_path, asked, HF_HUB_OFFLINE="1")
        assert len(hub.seen) == before
    for name in asked[:2]:
        facts = offline[name]
        assert facts["error"] is None
        assert facts["revision"] == DEFAULT_SHA
        assert [t["sha256"] for t in facts["texts"]] == [t["sha256"] for t in online["acme/plain"]["texts"]]
        assert facts["gated"] is None
        assert any("read from the cache" in note for note in facts["notes"])
    for name in asked[2:]:
        assert offline[name]["error_kind"] == "offline"
        assert "not in the cache" in offline[name]["error"]
        assert "HF_HUB_OFFLINE" in offline[name]["hint"]


def test_offline_two_commits_in_the_cache_are_not_guessed_between(tmp_path):
    with HubServer({"acme/plain": plain()}) as hub:
        collect_all(hub.endpoint, tmp_path, ["acme/plain"])
        hub.repos["acme/plain"] = plain(sha="6" * 40)
        collect_all(hub.endpoint, tmp_path, ["acme/plain"])
    offline, _ = collect_all(hub.endpoint, tmp_path, ["acme/plain", f"acme/plain@{'6' * 40}"], HF_HUB_OFFLINE="1")
    assert offline["acme/plain"]["error_kind"] == "offline"
    assert "5" * 12 in offline["acme/plain"]["hint"]
    assert offline[f"acme/plain@{'6' * 40}"]["error"] is None


def dead_endpoint() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def test_a_network_that_is_down_is_an_error_and_never_a_missing_model_or_file(tmp_path):
    wrong = "nvidia/Nemotron-Labs-Diffusion-8B-Instruct"
    facts, _ = collect_all(dead_endpoint(), tmp_path, ["acme/plain", wrong])
    for model in ("acme/plain", wrong):
        assert facts[model]["error_kind"] == "network"
        assert "network" in facts[model]["hint"]
    assert "the id is nvidia/Nemotron-Labs-Diffusion-8B" in facts[wrong]["hint"]


def test_a_network_that_goes_down_later_names_the_commit_that_is_in_the_cache(tmp_path):
    with HubServer({"acme/plain": plain()}) as hub:
        collect_all(hub.endpoint, tmp_path, ["acme/plain"])
    asked = ["acme/plain", f"acme/plain@{DEFAULT_SHA}"]
    facts, _ = collect_all(dead_endpoint(), tmp_path, asked)
    assert facts["acme/plain"]["error_kind"] == "network"
    assert f"commit {DEFAULT_SHA[:12]} is in the cache" in facts["acme/plain"]["hint"]
    assert facts[asked[1]]["error"] is None


def test_a_hub_that_says_nothing_is_given_up(tmp_path):
    with HubServer({"broken/silence": plain(fault="silence")}) as hub:
        facts, _ = collect_all(hub.endpoint, tmp_path, ["broken/silence"])
    assert facts["broken/silence"]["error_kind"] == "network"


def test_a_hub_that_fails_between_the_list_and_the_files_is_an_error_and_not_a_missing_file(tmp_path):
    faults = {f"acme/{fault}": plain(files_fault=fault) for fault in ("500", "429", "html", "hang-up")}
    with HubServer({**faults, "acme/other-commit": plain(files_sha="9" * 40)}) as hub:
        facts, _ = collect_all(hub.endpoint, tmp_path, list(hub.repos))
    kinds = {name.removeprefix("acme/"): one["error_kind"] for name, one in facts.items()}
    assert kinds == {
        "500": "server",
        "429": "rate-limit",
        "html": "server",
        "hang-up": "network",
        "other-commit": "server",
    }
    assert all(one["card"] is None for one in facts.values())
    assert "999999999999" in facts["acme/other-commit"]["error"]


def card(license_: str, base: str | None = None) -> Repo:
    named = f"base_model: {base}\n" if base else ""
    return Repo(files={"README.md": f"---\nlicense: {license_}\n{named}---\n".encode()})


@pytest.fixture(scope="module")
def chains(tmp_path_factory):
    """Derivatives and their bases, asked for in one process."""
    repos = {
        "acme/quantised": card("mit", "acme/tuned"),
        "acme/tuned": card("apache-2.0", "acme/original"),
        "acme/original": card("cc-by-nc-4.0"),
        "acme/round-a": card("mit", "acme/round-b"),
        "acme/round-b": card("mit", "acme/round-a"),
        "acme/of-gated": card("mit", "acme/gated-base"),
        "acme/gated-base": Repo(files={"README.md": b"---\n---\n"}, gated="manual", card={"license": "llama3.1"}),
        "acme/of-missing": card("mit", "acme/nowhere"),
        "acme/of-nonsense": card("mit", "../../etc/passwd"),
        "acme/of-broken": card("mit", "acme/broken"),
        "acme/broken": Repo(fault="500"),
        **{f"acme/long-{n}": card("mit", f"acme/long-{n + 1}") for n in range(9)},
    }
    home = tmp_path_factory.mktemp("home")
    asked = [m for m in repos if m.startswith(("acme/of-", "acme/round-a", "acme/quantised", "acme/long-0"))]
    with HubServer(repos) as server:
        return collect_all(server.endpoint, home, asked, evidence=home / "run" / "evidence")[0]


def test_the_chain_of_base_models_is_followed_upward_with_commit_hash_and_card(chains):
    bases = chains["acme/quantised"]["bases"]
    assert [(b["model"], b["card"]["license"]) for b in bases] == [
        ("acme/tuned", ["apache-2.0"]), ("acme/original", ["cc-by-nc-4.0"]),
    ]  # fmt: skip
    assert all(b["revision"] == DEFAULT_SHA and len(b["text"]["sha256"]) == 64 and b["text"]["path"] for b in bases)


def test_a_circle_and_a_long_chain_end(chains):
    assert [b["model"] for b in chains["acme/round-a"]["bases"]] == ["acme/round-b"]
    assert len(chains["acme/long-0"]["bases"]) == 4


def test_a_gated_base_gives_its_public_license(chains):
    (base,) = chains["acme/of-gated"]["bases"]
    assert (base["error"], base["card"]["license"]) == (None, ["llama3.1"])


@pytest.mark.parametrize(
    ("model", "why"), [("missing", "knows no such"), ("nonsense", "not a Hub id"), ("broken", "500")]
)
def test_a_base_that_cannot_be_read_is_kept_with_the_reason(chains, model, why):
    facts = chains[f"acme/of-{model}"]
    assert facts["error"] is None
    (base,) = facts["bases"]
    assert why in base["error"]
    assert base["card"] is None


def test_trap_8_the_hubs_computed_pipeline_does_not_replace_the_cards(asked):
    assert asked[0]["acme/plain"]["pipeline_tag"] == "text-generation"


def test_trap_12_the_hubs_dates_are_not_kept_as_dates_of_a_release(asked):
    text = json.dumps(asked[0]["acme/plain"])
    assert "2026-03-02" not in text
    assert "2026-06-03" not in text
