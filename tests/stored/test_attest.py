"""An attestation is of one run and one verdict, and a gate fails closed on any other."""

from __future__ import annotations

import base64
import copy
import json

import pytest

from evalkit.stored.again import document_of
from evalkit.stored.attest import PREDICATE, STATEMENT, differences, evidence_of, read_statement, statement
from tests.cli.command import evalkit
from tests.stored.test_export import PACK


@pytest.fixture(scope="module")
def made():
    return statement(document_of(PACK), evidence=evidence_of(PACK))


def test_the_statement_names_what_was_judged_by_digest(made):
    assert (made["_type"], made["predicateType"]) == (STATEMENT, PREDICATE)
    assert [s["name"] for s in made["subject"]][-1] == "report.json"
    assert all(len(digest) in (40, 64) for s in made["subject"] for digest in s["digest"].values())
    assert made["predicate"]["verdict"] == document_of(PACK)["verdict"]


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"payload": s}, lambda s: {"dsseEnvelope": {"payload": s}}])
def test_it_is_read_bare_enveloped_and_from_a_bundle(tmp_path, made, wrap):
    inner = made if wrap(1) == 1 else base64.b64encode(json.dumps(made).encode()).decode()
    (tmp_path / "a.json").write_text(json.dumps(wrap(inner)))
    assert differences(read_statement(tmp_path / "a.json"), made) == []


@pytest.mark.parametrize("field", ["verdict", "checklist_sha256", "evidence_sha256", "revision", "recommended_mode"])
def test_a_statement_of_another_verdict_differs(made, field):
    other = copy.deepcopy(made)
    other["predicate"][field] = "other"
    assert field in differences(other, made)[0]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"payload": "!!"}', '{"payload": "e30="}', "[" * 5000, "not json"])
def test_what_is_no_statement_is_refused_and_nothing_is_trusted(tmp_path, capsys, text):
    (tmp_path / "a.json").write_text(text)
    done = evalkit(capsys, "gate", PACK, "--attestation", tmp_path / "a.json")
    assert done.code == 2


def test_the_gate_is_open_with_a_foreign_attestation_and_says_what_differs(tmp_path, capsys, made):
    right, wrong = tmp_path / "right.json", tmp_path / "wrong.json"
    right.write_text(json.dumps(made))
    wrong.write_text(json.dumps({**made, "predicate": {**made["predicate"], "run_id": "another"}}))
    age = ("--max-age", "99999d")
    plain = evalkit(capsys, "gate", PACK, *age)
    assert evalkit(capsys, "gate", PACK, *age, "--attestation", right).code == plain.code
    foreign = evalkit(capsys, "gate", PACK, *age, "--attestation", wrong)
    assert foreign.code == 3
    assert "run_id" in foreign.out


def test_a_simulated_run_is_not_attested(tmp_path, capsys):
    from tests.golden.replay import unpacked

    run = unpacked("demo", tmp_path)
    done = evalkit(capsys, "attest", run)
    assert done.code == 3
    assert done.out == ""
    assert "simulated" in done.err
