"""The gate looks into the files that a checklist names, and at what production would run."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from evalkit.checklist.loader import load_checklist
from evalkit.checklist.schema import LoadedChecklist
from evalkit.facts import Facts, Resumed
from evalkit.quality.suite import facts_of
from evalkit.report.words import view
from evalkit.run.setup import prepare
from evalkit.stored.again import document_of
from evalkit.stored.folder import RunFolder
from evalkit.stored.gate import gate
from evalkit.stored.open import open_for_gate
from evalkit.stored.pack import Pack, pack
from tests.support.quality_run import NOW, run_facts
from tests.support.stored_run import write_run

PROMPTS = [{"id": f"p{n}", "prompt": f"Question {n}?"} for n in range(3)]
SUITE = "suite: {name: own, kind: chat}\ncases:\n  - {id: a, prompt: Capital of France?, expect: [{contains: {any: [Paris]}}]}\n"


@pytest.fixture
def run(tmp_path) -> tuple[Path, Path]:
    """A checklist on disk with prompts and a suite, and a run that was made with them."""
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(one) + "\n" for one in PROMPTS))
    (tmp_path / "t.yaml").write_text(SUITE)
    checklist = tmp_path / "c.yaml"
    write(checklist)
    loaded = load_checklist(checklist)
    setup = prepare(loaded)
    facts = run_facts(cases=24, prompts=22)
    facts = facts.model_copy(
        update={"prompts": setup.prompts.facts, "suites": tuple(facts_of(suite) for suite in setup.suites)}
    )
    return write_run(tmp_path / "run", loaded.checklist, facts).path, checklist


def write(path: Path, **changes: Any) -> None:
    mode: dict[str, Any] = {"launch": ["server", "--port", "{port}"], "model": "m"}
    data: dict[str, Any] = {
        "schema_version": 1, "prompts": ["p.jsonl"], "tasks": ["t.yaml"],
        "modes": {"autoregressive": {"endpoint": "http://127.0.0.1:1"}, "diffusion": mode | changes.pop("mode", {})},
    } | changes  # fmt: skip
    path.write_text(json.dumps(data))


def doubts(run: Path, loaded: LoadedChecklist, *, packed: bool, **options: Any) -> str:
    source: Any = RunFolder.open(run)
    if packed:
        file = run.parent / "run.pack"
        file.write_bytes(pack(source, redact=True))
        source = open_for_gate(file)
    return " ".join(gate(source, NOW, checklist=loaded, **options).reasons)


HARMS = {
    "prompts": lambda at: (at / "p.jsonl").write_text('{"id": "p0", "prompt": "Something else?"}\n'),
    "tasks": lambda at: (at / "t.yaml").write_text(SUITE.replace("Paris", "a")),
    "a suite that is none": lambda at: (at / "t.yaml").write_text("suite: 3"),
    "launch": lambda at: write(at / "c.yaml", mode={"launch": ["server", "--other", "{port}"]}),
    "served model": lambda at: write(at / "c.yaml", mode={"model": "another"}),
    "statistics": lambda at: write(at / "c.yaml", mode={"min_tokens_per_forward": 0.1}),
}
SAYS = {"a suite that is none": "tasks (sha256)", "served model": "modes.diffusion.model", "statistics": "min_tokens"}


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "redacted pack"])
@pytest.mark.parametrize("harm", HARMS)
def test_what_was_replaced_is_named_by_its_hash_and_not_trusted(run, harm, packed) -> None:
    folder, checklist = run
    assert "asks less" not in doubts(folder, load_checklist(checklist), packed=packed)
    HARMS[harm](checklist.parent)
    found = doubts(folder, load_checklist(checklist), packed=packed)
    assert "asks less, or something else" in found
    assert SAYS.get(harm, harm) in found
    assert "asks less" not in doubts(folder, load_checklist(checklist), packed=packed, accept_changed_checklist=True)


def test_files_that_moved_and_a_server_elsewhere_are_no_change(run) -> None:
    folder, checklist = run
    (checklist.parent / "p.jsonl").rename(checklist.parent / "q.jsonl")
    elsewhere = {"ready_timeout_s": 5, "note": "moved", "api_key_env": "OTHER_KEY"}
    write(checklist, prompts=["q.jsonl"], name="renamed", mode=elsewhere)
    assert "asks less" not in doubts(folder, load_checklist(checklist), packed=False)


@pytest.mark.parametrize("gone", ["p.jsonl", "t.yaml"])
def test_files_that_are_not_here_are_not_trusted(run, gone) -> None:
    """A pull request that deletes what it was to be measured with would be judged by what it ran instead."""
    folder, checklist = run
    (checklist.parent / gone).unlink()
    loaded = load_checklist(checklist)
    result = gate(RunFolder.open(folder), NOW, checklist=loaded)
    assert result.exit_code == 3
    assert any("asks less" in one for one in result.reasons)
    assert any(gone in one for one in result.reasons)
    assert "asks less" not in doubts(folder, loaded, packed=True, accept_changed_checklist=True)


def test_a_key_in_a_launch_command_changes_nothing(run) -> None:
    folder, checklist = run
    write(checklist, mode={"launch": ["server", "--api-key", "canary-9ab7-key", "{port}"]})
    loaded = load_checklist(checklist)
    kept = write_run(folder.parent / "keyed", loaded.checklist, RunFolder.open(folder).facts()).path
    write(checklist, mode={"launch": ["server", "--api-key", "canary-other-77", "{port}"]})
    assert "asks less" not in doubts(kept, load_checklist(checklist), packed=False)


def test_a_key_in_the_command_of_another_harness_is_neither_kept_nor_a_change(run) -> None:
    folder, checklist = run
    task = {"command": ["tool", "--api-key", "canary-9ab7-key", "{out}"], "reads": "csv", "args": []}
    write(checklist, tasks=["t.yaml", task])
    loaded = load_checklist(checklist)
    kept = write_run(folder.parent / "tool", loaded.checklist, RunFolder.open(folder).facts()).path
    assert "canary" not in (kept / "checklist.json").read_text()
    assert "canary" not in gzip.decompress(pack(RunFolder.open(kept))).decode()
    assert "asks less" not in doubts(kept, loaded, packed=False)
    task["command"][0] = "other"  # beside a file of cases that is the same
    write(checklist, tasks=["t.yaml", task])
    assert "asks less" in doubts(kept, load_checklist(checklist), packed=False)


def test_a_session_under_another_version_is_told_in_report_and_gate(tmp_path) -> None:
    later = Resumed(at="2026-11-24T10:00:00+00:00", evalkit_version="9.9.9", python="3.13.1")
    facts: Facts = run_facts(cases=24, prompts=22).model_copy(update={"resumed": (later,)})
    from tests.support.quality_run import DECIDING

    folder = write_run(tmp_path / "run", DECIDING, facts)
    document = document_of(folder.path)
    assert any("9.9.9" in line for line in view.notices(document))
    assert document["provenance"]["resumed"][0]["python"] == "3.13.1"
    assert any("9.9.9" in note for note in gate(folder, NOW).notes)


# -- a pull request that loosens both sides ---------------------------------------------------------------------------


SMALL = Path(__file__).parents[1] / "fixtures/runs/small.pack"


def forged(place: Path, asked: dict[str, Any]) -> Path:
    """A GO as an author may write it: another checklist in the pack, and the hash that belongs to it."""
    head, *records, _ = gzip.decompress(pack(Pack.open(SMALL))).splitlines(keepends=True)
    body = json.dumps(json.loads(head) | {"checklist": asked}).encode() + b"\n" + b"".join(records)
    file = place / "forged.pack"
    file.write_bytes(gzip.compress(body + b'{"sha256":"%s"}\n' % hashlib.sha256(body).hexdigest().encode()))
    return file


@pytest.mark.parametrize("by", ["base", "pull request"])
def test_what_an_author_loosened_on_both_sides_is_decided_by_the_base_branchs_checklist(tmp_path, by) -> None:
    stored = Pack.open(SMALL)
    asked = stored.checklist().checklist.model_dump(mode="json", exclude_unset=True)
    asked["items"]["modes"]["speedup"]["at_least"] = 50.0
    (tmp_path / "base.json").write_text(json.dumps(asked))
    asked["items"]["modes"]["speedup"]["at_least"] = 0.1
    (tmp_path / "own.json").write_text(json.dumps(asked))
    checklist = load_checklist(tmp_path / ("base.json" if by == "base" else "own.json"))
    found = gate(open_for_gate(forged(tmp_path, asked)), stored.facts().as_of, checklist=checklist)
    assert found.verdict == ("no-go" if by == "base" else "go")
    assert any("at_least" in note for note in found.notes) is (by == "base"), "alike on both sides is no change"


def test_prompts_and_tasks_that_the_pull_request_replaced_are_seen_against_the_base_branchs(run) -> None:
    """The base branch keeps the files that the run was to be made with; the author ran others."""
    folder, base = run
    mine = base.parent / "mine"
    mine.mkdir()
    for name, text in (("p.jsonl", '{"id": "p0", "prompt": "Say hi."}\n'), ("t.yaml", SUITE.replace("France", "Peru"))):
        (mine / name).write_text(text)
    write(mine / "c.yaml")
    setup = prepare(load_checklist(mine / "c.yaml"))
    facts = RunFolder.open(folder).facts()
    ran = facts.model_copy(
        update={"prompts": setup.prompts.facts, "suites": tuple(facts_of(suite) for suite in setup.suites)}
    )
    made = write_run(mine / "run", load_checklist(mine / "c.yaml").checklist, ran)
    said = " ".join(gate(made, NOW, checklist=load_checklist(base)).reasons)
    assert "prompts" in said
    assert "tasks" in said
    assert "asks less" not in " ".join(gate(made, NOW, checklist=load_checklist(mine / "c.yaml")).reasons)
