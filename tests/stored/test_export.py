"""Figures for other programs: CSV that no spreadsheet executes, OpenMetrics that a scraper reads, no text in either."""

from __future__ import annotations

import csv
import io
import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.quality.facts import Grade
from evalkit.stored.again import document_of
from evalkit.stored.export import CASE_COLUMNS, PROMPT_COLUMNS, _cell, cases_csv, openmetrics, prompts_csv
from evalkit.stored.open import open_source
from tests.cli.command import evalkit
from tests.support.quality_run import DECIDING, MODES, run_facts

PACK = Path(__file__).parents[1] / "fixtures" / "runs" / "small.pack"
SAMPLE = re.compile(r'evalkit_[a-z_]+\{[a-z_]+="[^"\n]*"(,[a-z_]+="[^"\n]*")*\} -?[0-9.e+]+\Z')


@pytest.fixture(scope="module")
def source():
    return open_source(PACK)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_the_prompts_hold_every_timed_request_and_their_speedups_are_the_reports(source):
    facts, checklist = source.facts(), source.checklist().checklist
    found = rows(prompts_csv(checklist, facts))
    assert tuple(found[0]) == PROMPT_COLUMNS
    assert len(found) == sum(not s.fixed_length for s in facts.timed)
    mode = next(m for m in document_of(PACK)["modes"] if m["speedup"])
    each = {r["prompt"]: math.log(float(r["speedup"])) for r in found if r["mode"] == mode["mode"] and r["speedup"]}
    assert math.exp(sum(each.values()) / len(each)) == pytest.approx(mode["speedup"]["ratio"], rel=1e-3)


def test_the_cases_hold_every_answer_with_its_result_and_no_text(source):
    facts, checklist = source.facts(), source.checklist().checklist
    found = rows(cases_csv(checklist, facts))
    assert tuple(found[0]) == CASE_COLUMNS
    assert [r["result"] for r in found].count("pass") == sum(a.passed is True for a in facts.answers)
    longest = max((a.exchange.text for a in facts.answers), key=len)
    assert longest
    assert longest not in cases_csv(checklist, facts)


def test_a_case_has_one_line_and_the_result_that_the_report_counts() -> None:
    facts = run_facts(cases=6, prompts=2)
    repeating = Grade(grader="max_repetition", passed=True, detail={"rep4": 0.4, "over_baseline": 0.1})
    usual = repeating.model_copy(update={"detail": {"rep4": 0.1, "over_baseline": 0.1}})
    first = next(a for a in facts.answers if a.mode == MODES[0] and a.repeat == 0)
    own = next(a for a in facts.answers if (a.mode, a.suite, a.case_id) == (MODES[1], first.suite, first.case_id))
    changed = [first.model_copy(update={"grades": (usual,)}), own.model_copy(update={"grades": (repeating,)})]
    found = rows(cases_csv(DECIDING, facts.model_copy(update={"answers": (*facts.answers, *changed)})))
    mine = [r for r in found if (r["mode"], r["suite"], r["case"]) == (MODES[1], first.suite, first.case_id)]
    assert [(r["result"], r["graders"]) for r in mine] == [("fail", "max_repetition")]


@given(st.text() | st.text(alphabet="a =+-@;|\uff1d\uff0b\uff0d\uff20"))
def test_no_cell_is_a_formula_or_breaks_a_line(text):
    cell = str(_cell(text))
    assert "\n" not in cell
    for part in re.split("[;|]", cell):  # cells, where a comma cuts none
        assert not part.strip().startswith(tuple("=+-@\uff1d\uff0b\uff0d\uff20"))


def test_openmetrics_is_well_formed_and_says_the_verdict():
    doc = document_of(PACK)
    text = openmetrics(doc)
    lines = text.splitlines()
    assert lines[-1] == "# EOF"
    samples = [line for line in lines if not line.startswith("#")]
    assert all(SAMPLE.match(line) for line in samples), samples
    verdicts = [line for line in samples if line.startswith("evalkit_verdict{")]
    assert [line.endswith(" 1") for line in verdicts].count(True) == 1
    assert f'verdict="{doc["verdict"]}"' in next(line for line in verdicts if line.endswith(" 1"))


def test_the_command_writes_both_files_and_never_over_one(tmp_path, capsys):
    assert evalkit(capsys, "export", PACK, "--to", "csv", "-o", tmp_path).code == 0
    assert {p.name for p in tmp_path.iterdir()} == {"prompts.csv", "cases.csv"}
    again = evalkit(capsys, "export", PACK, "--to", "csv", "-o", tmp_path)
    assert again.code == 2
    assert "exists already" in again.err
    assert evalkit(capsys, "export", PACK, "--to", "openmetrics").out.endswith("# EOF\n")
