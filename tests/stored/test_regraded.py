"""Stored replies under changed graders: nothing is sent, nothing stored is changed, what cannot be graded is said."""

from __future__ import annotations

import hashlib
import json
from functools import partial
from pathlib import Path

import pytest

from evalkit.report.formats import rendered
from evalkit.stored.again import document_of
from evalkit.stored.pack import Pack
from tests.cli.command import evalkit
from tests.support import small_run
from tests.support.stored_run import write_run

PACK = Path(__file__).parents[1] / "fixtures" / "runs" / "small.pack"
suite_text = partial(small_run.suite_text, stored=True)


@pytest.fixture
def folder(tmp_path):
    stored = Pack.open(PACK)
    return write_run(tmp_path / "run", stored.checklist().checklist, stored.facts()).path


def suite(tmp_path, text):
    path = tmp_path / "suite.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def hashes(folder):
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


def shares(document):
    return {row["mode"]: (row["scored"], row["share"]) for row in document["quality"]["suites"]}


def test_the_same_suite_gives_the_same_grades(tmp_path):
    again = document_of(PACK, regrade=[suite(tmp_path, suite_text())])
    assert again["quality"]["suites"] == document_of(PACK)["quality"]["suites"]
    assert again["verdict"] == "go"
    (told,) = again["regraded"]
    assert told["sha256"] == told["run_sha256"]
    assert told["changed_requests"] == told["without_reply"] == told["dropped"] == []


def test_changed_graders_change_the_verdict_from_the_folder_alone(tmp_path, folder, capsys, monkeypatch):
    before = hashes(folder)
    monkeypatch.setattr("socket.socket.connect", None)  # nothing is sent: there is no way to
    monkeypatch.setattr("socket.socket.connect_ex", None)
    stricter = suite(tmp_path, suite_text("[{json_match: {city: Atlantis}}]"))
    done = evalkit(capsys, "report", folder, "--regrade", stricter, "--format", "json")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert document["verdict"] != "go"
    assert shares(document) == {"autoregressive": (64, 0.0), "self-speculation": (64, 0.0)}
    assert hashes(folder) == before
    assert json.loads(evalkit(capsys, "report", folder, "--format", "json").out)["regraded"] == []


@pytest.mark.parametrize("form", ["markdown", "html", "terminal"])
def test_every_report_says_that_it_was_regraded_and_by_which_suite(tmp_path, form):
    path = suite(tmp_path, suite_text("[{json: {where: whole}}]"))
    text = rendered(form, document_of(PACK, regrade=[path]))
    assert "Regraded" in text
    assert document_of(PACK, regrade=[path])["regraded"][0]["sha256"][:12] in text
    assert hashlib.sha256(path.read_bytes()).hexdigest()[:12] in text


def test_a_changed_prompt_is_said_and_its_cases_are_unscored(tmp_path):
    changed = suite_text().replace("Give the record of Oslo", "Give the full record of Oslo")
    document = document_of(PACK, regrade=[suite(tmp_path, changed)])
    (told,) = document["regraded"]
    assert told["changed_requests"] == [f"oslo-{n}" for n in range(8)]
    assert {scored for scored, _ in shares(document).values()} == {56}
    assert document["verdict"] == "inconclusive"
    assert "8 cases unscored" in rendered("markdown", document)


def test_new_and_vanished_cases_are_named(tmp_path):
    fewer = suite_text(cases=56) + "  - {id: new, prompt: Hello., expect: [{contains: hello}]}\n"
    document = document_of(PACK, regrade=[suite(tmp_path, fewer)])
    (told,) = document["regraded"]
    assert told["without_reply"] == ["new"]
    assert len(told["dropped"]) == 8
    assert "without a stored reply: new" in rendered("markdown", document)


def test_a_suite_that_the_run_does_not_hold_is_refused(tmp_path, capsys):
    other = suite(tmp_path, suite_text().replace("name: records", "name: others"))
    done = evalkit(capsys, "report", PACK, "--regrade", other)
    assert done.code == 2
    assert "'others' is not in the run" in done.err
    assert "records" in done.err


def test_a_pack_without_texts_cannot_be_graded_again(tmp_path, capsys, folder):
    redacted = tmp_path / "r.pack"
    evalkit(capsys, "pack", folder, "-o", redacted, "--redact")
    done = evalkit(capsys, "report", redacted, "--regrade", suite(tmp_path, suite_text()))
    assert done.code == 2
    assert "--redact" in done.err
    assert done.out == ""


def test_code_in_stored_replies_runs_only_where_it_is_allowed(tmp_path, folder, capsys):
    marker = tmp_path / "ran"
    code = f"open({str(marker)!r}, 'w'); assert False"
    path = suite(tmp_path, suite_text(f"[{{json: {{where: whole}}}}, {{python_tests: {code!r}}}]", cases=2))
    without = document_of(folder, regrade=[path])
    assert [share for _, share in shares(without).values()] == [1.0, 1.0]
    assert not marker.exists()
    done = evalkit(capsys, "report", folder, "--regrade", path, "--allow-exec", "--format", "json")
    assert done.code == 0, done.err
    assert [share for _, share in shares(json.loads(done.out)).values()] == [0.0, 0.0]
    assert marker.exists()


def test_permission_to_run_code_without_a_suite_is_refused(folder, capsys):
    done = evalkit(capsys, "report", folder, "--allow-exec")
    assert done.code == 2
    assert "--regrade" in done.err
