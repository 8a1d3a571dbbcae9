"""The gate on stored runs: what it is given, and the exit code and reason that it must end with."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from evalkit.checklist.schema import Checklist, LoadedChecklist
from evalkit.facts import Facts, RunEnd
from evalkit.hub.facts import CandidateFacts, TextFile
from evalkit.report.formats import rendered
from evalkit.stored.again import document_of
from evalkit.stored.folder import RunFolder
from evalkit.stored.gate import gate
from evalkit.stored.open import open_for_gate
from evalkit.stored.pack import pack
from tests.cli.command import evalkit
from tests.support.quality_run import COMMIT, DECIDING, NOW, run_facts
from tests.support.stored_run import write_run

TODAY = NOW.date()


def checklist(**changes: Any) -> Checklist:
    data = DECIDING.model_dump(mode="json")
    for path, value in changes.items():
        *parents, leaf = path.split("__")
        place = data
        for parent in parents:
            place = place[parent]
        place[leaf] = value
    return Checklist.model_validate_json(json.dumps(data))


def waiver(days: int, **changes: Any) -> dict[str, Any]:
    expires = (TODAY + timedelta(days=days)).isoformat()
    return {"finding": "quality.non-inferiority", "reason": "known", "owner": "jd", "expires": expires} | changes


GO = run_facts(cases=40, prompts=22)
LOST = GO.model_copy(
    update={
        "answers": tuple(
            a.model_copy(update={"passed": False}) if a.mode != "autoregressive" and a.case_id < "c2" else a
            for a in GO.answers
        )
    }
)
EVIDENCE = b"# the card\n"


def with_card(facts: Facts) -> Facts:
    from evalkit.checklist.files import sha256_of

    text = TextFile(name="README.md", path="evidence/card.md", sha256=sha256_of(EVIDENCE), size=len(EVIDENCE))
    return facts.model_copy(update={"candidates": (CandidateFacts(model="org/model", revision=COMMIT, texts=(text,)),)})


RUNS: dict[str, tuple[Checklist, Facts]] = {
    "go": (DECIDING, with_card(GO)),
    "no-go": (DECIDING, with_card(LOST)),
    "inconclusive": (checklist(items__license={"required": True}), with_card(GO)),
    "simulated": (DECIDING, GO.model_copy(update={"start": GO.start.model_copy(update={"simulated": True})})),
    "partial": (DECIDING, GO.model_copy(update={"end": None})),
    "interrupted": (DECIDING, GO.model_copy(update={"end": RunEnd(finished_at=GO.end.finished_at, interrupted=True)})),
    "undated": (DECIDING, GO.model_copy(update={"end": RunEnd(finished_at="yesterday")})),
    "future": (DECIDING, GO.model_copy(update={"end": RunEnd(finished_at="2027-11-24T10:00:00+00:00")})),
    "backwards": (DECIDING, GO.model_copy(update={"end": RunEnd(finished_at="2026-11-20T10:00:00+00:00")})),
    "strict": (DECIDING, GO.model_copy(update={"start": GO.start.model_copy(update={"strict": True})})),
    "waived": (checklist(waivers=[waiver(20)]), LOST),
    "waived-until-today": (checklist(waivers=[waiver(0)]), LOST),
    "unused-waiver": (checklist(waivers=[waiver(20)]), GO),
    "empty": (Checklist(), GO.model_copy(update={"timed": (), "answers": (), "suites": ()})),
}


@pytest.fixture(scope="module")
def stored(tmp_path_factory) -> Callable[[str], Path]:
    """A fresh copy of a stored run by name; each is written once."""
    root = tmp_path_factory.mktemp("runs")

    def get(name: str) -> Path:
        if not (root / name).exists():
            folder = write_run(root / name, *RUNS[name])
            (folder.evidence / "card.md").write_bytes(EVIDENCE)
        copy = Path(tmp_path_factory.mktemp("copy")) / name
        shutil.copytree(root / name, copy)
        return copy

    return get


def edit(name: str, old: bytes, new: bytes) -> Callable[[Path], None]:
    def change(run: Path) -> None:
        data = (run / name).read_bytes()
        assert old in data
        (run / name).write_bytes(data.replace(old, new, 1))

    return change


def drop_a_line(run: Path) -> None:
    lines = (run / "journal.jsonl").read_bytes().splitlines(keepends=True)
    (run / "journal.jsonl").write_bytes(b"".join(lines[:3] + lines[4:]))


def cut_the_end(run: Path) -> None:
    lines = (run / "journal.jsonl").read_bytes().splitlines(keepends=True)
    (run / "journal.jsonl").write_bytes(b"".join(lines[:-1]))


def call_it_real(run: Path) -> None:
    """The first record once more with other data, no hash touched."""
    path = run / "journal.jsonl"
    lines = path.read_text().splitlines()
    data = json.loads(lines[0])["data"] | {"simulated": False}
    lines[0] = lines[0][:-1] + f',"data":{json.dumps(data, separators=(",", ":"))}}}'
    path.write_text("\n".join(lines) + "\n")


def remove(name: str) -> Callable[[Path], None]:
    return lambda run: (run / name).unlink()


def nothing(run: Path) -> None:
    del run


def loaded(changed: Checklist) -> LoadedChecklist:
    return LoadedChecklist(checklist=changed, path=None, folder=Path(), sha256="x")


STRICTER = checklist(items__modes__speedup={"at_least": 1.32})
TOO_STRICT = checklist(items__modes__speedup={"at_least": 9.0})
LOOSER = checklist(items__modes__speedup={"at_least": 1.1})
OTHER = checklist(candidate={"model": "org/other"})
WAIVING = checklist(waivers=[waiver(20)])

TABLE = [
    # the run's own checklist
    ("go", nothing, {}, 0, "passes every required item"),
    ("no-go", nothing, {}, 1, "quality.non-inferiority"),
    ("inconclusive", nothing, {}, 3, "license is"),
    ("empty", nothing, {}, 3, ""),
    ("strict", nothing, {}, 1, "does not qualify"),
    # whether the run speaks of a real, finished measurement
    ("simulated", nothing, {}, 3, "simulated"),
    ("partial", nothing, {}, 3, "did not finish"),
    ("interrupted", nothing, {}, 3, "did not finish"),
    # age
    ("go", nothing, {"now": NOW + timedelta(days=29)}, 0, "passes"),
    ("go", nothing, {"now": NOW + timedelta(days=31)}, 3, "days old"),
    ("go", nothing, {"now": NOW + timedelta(days=31), "max_age": timedelta(days=60)}, 0, "passes"),
    ("undated", nothing, {}, 3, "date cannot be read"),
    ("future", nothing, {}, 3, "in the future"),
    ("backwards", nothing, {}, 3, "before it began"),
    # commit
    ("go", nothing, {"revision": COMMIT}, 0, "passes"),
    ("go", nothing, {"revision": COMMIT[:12]}, 0, "passes"),
    ("go", nothing, {"revision": "f" * 40}, 3, "not ffff"),
    ("go", nothing, {"revision": COMMIT[:3]}, 3, "run again at that commit"),
    # another checklist
    ("go", nothing, {"checklist": loaded(STRICTER)}, 0, "passes"),
    ("go", nothing, {"checklist": loaded(TOO_STRICT)}, 1, "does not qualify"),
    ("go", nothing, {"checklist": loaded(LOOSER)}, 3, "asks less"),
    ("go", nothing, {"checklist": loaded(LOOSER), "accept_changed_checklist": True}, 0, "passes"),
    ("go", nothing, {"checklist": loaded(OTHER)}, 3, "asks for org/other"),
    # waivers
    ("waived", nothing, {}, 0, "passes"),
    ("waived-until-today", nothing, {}, 0, "passes"),
    ("waived-until-today", nothing, {"now": NOW + timedelta(days=1)}, 1, "quality.non-inferiority"),
    ("unused-waiver", nothing, {}, 0, "passes"),
    ("no-go", nothing, {"checklist": loaded(WAIVING)}, 3, "waivers"),
    ("no-go", nothing, {"checklist": loaded(WAIVING), "accept_changed_checklist": True}, 0, "passes"),
    # tampering, missing and newer parts
    ("no-go", edit("journal.jsonl", b'"passed":false', b'"passed":true '), {}, 3, "damaged or changed"),
    ("go", drop_a_line, {}, 3, "damaged or changed"),
    ("go", cut_the_end, {}, 3, "did not finish"),
    ("go", edit("checklist.json", b'"at_least": 1.3', b'"at_least": 1.0'), {}, 3, "checklist.json was changed"),
    ("simulated", call_it_real, {}, 3, "damaged or changed"),
    ("go", edit("checklist.json", b'"format": 1', b'"format": 1, "checklist": {}'), {}, 3, "appears twice"),
    ("go", edit("plan.json", b"{", b'{"prompts": 1, "prompts": 2,'), {}, 3, "appears twice"),
    ("go", edit("plan.json", b"[]", b'["x"]'), {}, 3, "plan.json is not the plan"),
    ("go", edit("evidence/card.md", b"card", b"CARD"), {}, 3, "evidence/card.md was changed"),
    ("go", remove("evidence/card.md"), {}, 3, "evidence/card.md is missing"),
    ("go", remove("checklist.json"), {}, 3, "cannot be read"),
    ("go", edit("checklist.json", b'"format": 1', b'"format": 2'), {}, 3, "newer evalkit"),
    ("go", edit("checklist.json", b'"format": 1', b'"format": "x"'), {}, 3, "newer evalkit"),
    ("go", edit("checklist.json", b'"schema_version": 1', b'"schema_version": 2'), {}, 3, "evalkit's checklist"),
    ("go", edit("checklist.json", b"{", b"["), {}, 3, "is not JSON"),
    ("go", edit("checklist.json", b'"sha256": "b', b'"sha256": "c'), {}, 3, "not the checklist that the journal"),
]


@pytest.mark.parametrize(("name", "harm", "options", "code", "word"), TABLE)
def test_the_gate_ends_with(stored, name, harm, options, code, word) -> None:
    run = stored(name)
    harm(run)
    result = gate(RunFolder.open(run), options.pop("now", NOW) if "now" in options else NOW, **options)
    assert result.exit_code == code, result.reasons
    assert word in " ".join(result.reasons)
    assert result.reasons
    assert all("\n" not in reason for reason in result.reasons)


def test_one_table_of_exit_codes_for_folder_pack_and_command(stored, tmp_path, capsys) -> None:
    """The command and a pack end as the folder does; what is no run is a usage error."""
    for name in ("go", "simulated"):
        run = stored(name)
        expected = gate(RunFolder.open(run), NOW).exit_code
        file = tmp_path / f"{name}.pack"
        for redact in (False, True):
            file.write_bytes(pack(RunFolder.open(run), redact=redact))
            assert gate(open_for_gate(file), NOW).exit_code == expected, (name, redact)
    told = evalkit(capsys, "gate", stored("simulated"))
    assert told.code == 3
    assert told.out.startswith("gate: cannot be trusted\nthe run was simulated")
    assert evalkit(capsys, "gate", stored("simulated"), "--report-only").code == 0
    assert evalkit(capsys, "gate", tmp_path / "nowhere").code == 2
    assert evalkit(capsys, "gate", tmp_path).code == 2
    damaged = tmp_path / "go.pack"
    for content in (b"", b"nonsense", gzip.compress(b'{"kind": "evalkit-pack", "format": 2}'), gzip.compress(b"[1]")):
        damaged.write_bytes(content)
        assert gate(open_for_gate(damaged), NOW).exit_code == 3
        assert evalkit(capsys, "gate", damaged).code == 3


def test_a_new_checklist_is_told_change_by_change(stored) -> None:
    result = gate(RunFolder.open(stored("go")), NOW, checklist=loaded(LOOSER))
    assert any("items.modes.speedup.at_least: 1.3 -> 1.1 (looser)" in reason for reason in result.reasons)
    result = gate(RunFolder.open(stored("go")), NOW, checklist=loaded(STRICTER))
    assert any("items.modes.speedup.at_least: 1.3 -> 1.32 (stricter)" in note for note in result.notes)


def test_what_stands_by_waiver_is_noted_and_shown_on_top(stored) -> None:
    run = stored("waived")
    result = gate(RunFolder.open(run), NOW)
    assert any("waiver of quality.non-inferiority is used, was fail, valid through" in note for note in result.notes)
    document = document_of(run)
    for name in ("markdown", "terminal", "github"):
        head = " ".join(rendered(name, document).split())[:900]
        assert (
            "Waiver: quality.non-inferiority: used, was fail; known; owner jd; valid through 2026-12-14."
            in head.replace("\\", "")
        ), name
    html = rendered("html", document)
    assert html.index("used, was fail") < html.index("May we use it?")


@pytest.mark.parametrize(
    ("harm", "code", "word"),
    [
        (drop_a_line, 2, "damaged or changed after it was written"),
        (edit("evidence/card.md", b"card", b"CARD"), 0, "Not as it was written: evidence/card.md was changed"),
        (cut_the_end, 0, "Partial: the run did not finish"),
        (remove("checklist.json"), 2, "checklist.json"),
        (edit("checklist.json", b'"format": 1', b'"format": 9'), 2, "was written by a newer evalkit"),
        (edit("checklist.json", b'"checklist": {', b'"checklist": [{'), 2, "is not JSON"),
    ],
)
def test_a_report_of_a_damaged_run_is_one_error_line_or_says_so_on_top(stored, capsys, harm, code, word) -> None:
    run = stored("go")
    harm(run)
    told = evalkit(capsys, "report", run)
    assert told.code == code
    assert word in (told.out[:700].replace("\\", "") if code == 0 else told.err)
    assert "Traceback" not in told.err


def test_a_run_without_a_readable_date_is_told(stored, capsys) -> None:
    told = evalkit(capsys, "report", stored("undated"))
    assert told.code == 2
    assert "the run's date cannot be read: 'yesterday'" in told.err


def test_a_run_in_a_folder_that_may_only_be_read_is_rendered_and_packed_elsewhere(stored, tmp_path, capsys) -> None:
    run = stored("go")
    before = {p: p.stat().st_mtime_ns for p in run.rglob("*")}
    for folder in (run, *(p for p in run.rglob("*") if p.is_dir())):
        folder.chmod(0o500)
    assert evalkit(capsys, "report", run, "--format", "html").code == 0
    assert evalkit(capsys, "pack", run, "-o", tmp_path / "run.pack").code == 0
    assert {p: p.stat().st_mtime_ns for p in run.rglob("*")} == before


def test_a_stored_run_is_rendered_again_to_the_same_bytes(stored, tmp_path) -> None:
    from evalkit.report.document.build import build
    from evalkit.report.formats import write_all
    from evalkit.verdict.decide import decide

    run = stored("go")
    facts = RunFolder.open(run).facts()
    written = write_all(run, build(DECIDING, facts, decide(DECIDING, facts, facts.as_of)))
    again = document_of(run)
    assert rendered("json", again) == written["report.json"].read_text()
    assert rendered("html", again) == written["report.html"].read_text()
    assert rendered("markdown", again) == written["report.md"].read_text()
    assert rendered("junit", again) == written["junit.xml"].read_text()
