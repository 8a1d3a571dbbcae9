"""JUnit, step summary and workflow commands, as CI systems read them."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from evalkit.checklist.loader import load_checklist
from evalkit.checklist.schema import Checklist, LoadedChecklist
from evalkit.report.formats import github, junit
from evalkit.report.words import quote
from tests.support.hostile import HOSTILE, check_markdown, hostile
from tests.support.report_doc import document, finding, harm, item

SCHEMAS = [
    etree.XMLSchema(etree.parse(Path(__file__).parent.parent / "fixtures/junit" / name))
    for name in ("junit.xsd", "junit-10.xsd")
]
EVERY = ("pass", "warn", "fail", "inconclusive", "error", "skipped", "not-applicable", "waived")
LOADED = LoadedChecklist(
    checklist=Checklist(), path=None, folder=Path(), sha256="x", lines={"items.modes.speedup": 31, "modes.diffusion": 9}
)


def read(doc: dict) -> etree._Element:
    root = etree.fromstring(junit.render(doc).encode())
    for schema in SCHEMAS:
        schema.assertValid(root)
    return root


@pytest.mark.parametrize("text", [*HOSTILE, "", "line\u2028sep\x85", "\ud800 lone", "]]>"])
def test_junit_is_valid_whatever_the_text(text: str) -> None:
    root = read(hostile(text))
    assert int(root.get("tests")) == len(root.findall(".//testcase"))
    for kind, counter in (("failure", "failures"), ("error", "errors")):
        assert int(root.get(counter)) == len(root.findall(f".//{kind}"))


@pytest.mark.parametrize("text", ["[[ATTACHMENT|/etc/passwd]]", "a [[attachment|../../key]] b", "[[[ATTACHMENT|/x]]"])
def test_no_text_names_a_file_that_a_reader_of_junit_would_attach(text: str) -> None:
    """GitLab and the plugin of Jenkins take such a file from the machine and show it with the test."""
    made = junit.render(hostile(text)).lower()
    assert "attachment|" in made
    assert "[[attachment|" not in made


def test_the_verdict_has_the_time_of_the_run_and_a_run_without_an_end_has_none() -> None:
    root = read(document())  # 10:15 to 10:42
    assert root.get("time") == root.find("testsuite/testcase").get("time") == "1620"
    assert sum(float(case.get("time")) for case in root.iter("testcase")) == 1620
    for changed in ({"finished_at": None}, {"started_at": "no date"}, {"started_at": "2026-11-24T10:15:00"}):
        assert read(document(**changed)).get("time") == "0"


def test_no_case_shares_its_name_with_another() -> None:
    """GitLab and its kind keep one case of a (classname, name): a failed suite must not hide behind a passed one."""
    doc = document()
    doc["items"][4]["findings"] = [
        finding("quality.floor", status, mode="diffusion", data={"suite": suite})
        for suite, status in (("first", "fail"), ("second", "pass"), ("second", "warn"))
    ] + [finding("license.consistent", "pass"), finding("license.consistent", "fail")]
    cases = [(c.get("classname"), c.get("name")) for c in read(doc).iter("testcase")]
    assert len(cases) == len(set(cases))
    assert ("evalkit.quality", "quality.floor [diffusion] [first]") in cases


def test_junit_statuses_mean_what_ci_systems_mean() -> None:
    doc = document(verdict="inconclusive", recommended_mode=None, started_at="no date")
    doc["items"][0]["findings"] = [finding(f"license.{s}", s) for s in EVERY]
    doc["items"][0]["findings"].append(finding("license.other", "fail", counts=False))
    suite = read(doc).find("testsuite[@name='license']")
    outcome = {case.get("name"): (case[0].tag if len(case) else None) for case in suite}
    assert outcome == {
        "license.pass": "system-out",
        "license.warn": "system-out",
        "license.waived": "system-out",
        "license.fail": "failure",
        "license.inconclusive": "error",
        "license.error": "error",
        "license.skipped": "skipped",
        "license.not-applicable": "skipped",
        "license.other": "skipped",
    }
    assert suite.get("skipped") == "3"
    assert read(doc).find("testsuite[@name='verdict']/testcase/error") is not None


def test_a_go_is_green_and_says_what_it_does_not_rest_on() -> None:
    doc = document()
    doc["items"][1]["findings"] = [
        finding("modes.speedup", "fail", mode="diffusion"), finding("modes.speedup", "pass", mode="self-speculation"),
    ]  # fmt: skip
    root = read(doc)
    assert (root.get("failures"), root.get("errors")) == ("0", "0")
    case = root.find(".//testcase[@name='modes.speedup [diffusion]']/skipped")
    assert case is not None
    assert case.get("message").startswith("fail")
    doc |= {"verdict": "no-go", "recommended_mode": None}
    assert int(read(doc).get("failures")) >= 1


def thousand() -> dict:
    doc = document()
    doc["quality"]["harms"] = [
        harm(n, prompt="p" * 4000, baseline_text="b" * 4000, mode_text="m" * 4000) for n in range(1000)
    ]
    doc["quality"]["harms_total"] = 1000
    return doc


def test_step_summary_of_a_thousand_cases_fits_and_stays_whole_markdown() -> None:
    text = github.render(thousand())
    print(f"step summary of 1,000 harmed cases: {len(text.encode()):,} bytes")
    assert len(text.encode()) <= 1024 * 1024
    assert text.startswith("# GO")
    check_markdown(text)


def test_step_summary_of_everything_too_large_keeps_the_first_screen(monkeypatch) -> None:
    monkeypatch.setattr(github, "BUDGET", 60_000)
    doc = thousand()
    del doc["quality"]["harms"][60:]
    doc["items"] = [
        item(i["id"], findings=[finding(f"{i['id']}.x", summary="é" * 900) for _ in range(60)]) for i in doc["items"]
    ]
    text = github.render(doc)
    assert len(text.encode()) <= 61_000
    assert "May we use it?" in text
    assert "Cut to fit" in text
    check_markdown(text)


def test_step_summary_reaches_no_sibling_file() -> None:
    text = github.render(document())
    assert "charts/" not in text


def test_findings_are_told_on_the_line_of_the_checklist(tmp_path) -> None:
    file = tmp_path / "checklist.yaml"
    file.write_text(
        "schema_version: 1\nname: x\nmodes:\n  autoregressive: {endpoint: 'http://127.0.0.1:1'}\n"
        "  diffusion: {endpoint: 'http://127.0.0.1:2'}\nitems:\n  modes:\n    speedup:\n      at_least: 1.5\n"
        "    latency: {e2e_p95_ms: 4000}\n  quality:\n    margin: {default: 0.05}\n"
    )
    loaded = load_checklist(file)
    for name, mode, line in (
        ("modes.speedup", "diffusion", 8),
        ("modes.latency-e2e-p95", "diffusion", 10),
        ("quality.non-inferiority", "diffusion", 12),
        ("serving.mode", "diffusion", 5),
        ("quality.scored", None, 11),
        ("license.x", None, 1),
    ):
        assert github.line_of(finding(name, "fail", **({"mode": mode} if mode else {})), loaded) == line, name


def test_workflow_commands_tell_errors_first_and_only_what_does_not_pass() -> None:
    doc = document()
    doc["items"][0]["findings"] = [finding(f"license.{s}", s) for s in EVERY]
    lines = github.workflow_commands(doc, file="check.yaml", loaded=LOADED)
    assert [line.split()[0] for line in lines] == ["::error", "::warning", "::warning", "::notice"]


COMMAND = re.compile(r"::(error|warning|notice) file=([^,:]*),line=(\d+),title=([^,:]*)::(.*)\Z")


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200), st.text(min_size=1, max_size=60))
def test_no_text_breaks_out_of_a_workflow_command(text: str, file: str) -> None:
    doc = document()
    doc["items"] = [item("modes", "fail", findings=[finding("modes.speedup", "fail", summary=text, mode=text or "m")])]
    (line,) = github.workflow_commands(doc, file=file, loaded=LOADED)
    assert len(line.splitlines()) == 1
    match = COMMAND.match(line)
    assert match
    assert match[3] == "31"
    assert unquote(match[5]) == quote.sanitize(text, limit=1000)
