"""The page of a matrix from outcomes: exit codes, what to take, and whether the speed-up transfers. Pure."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from evalkit.errors import RunFolderError
from evalkit.matrix.outcome import Outcome, right_gpu
from evalkit.matrix.plan import Cell, Left, Plan
from evalkit.matrix.report import document, markdown, report
from evalkit.matrix.run import missing
from tests.support.matrix import cell


def go(ratio=2.0, spread=1.1, status="go", **more):
    return Outcome(
        status=status,
        mode="diffusion",
        ratio=ratio,
        low=ratio / spread,
        high=ratio * spread,
        e2e_p50_ms=100.0 / ratio,
        **more,
    )


def doc(*outcomes, **plan):
    rows = [(cell(f"c{n}", hardware=f"k{n}"), one) for n, one in enumerate(outcomes)]
    cells = tuple(one for one, _ in rows)
    return document(Plan(**{"name": "m", "at_least": 1.5, "confidence": 0.95, "cells": cells, **plan}), rows)


FAILED = (
    "not-run",
    "not-measured",
    "interrupted",
    "lost",
    "timed-out",
    "out-of-memory",
    "wrong-gpu",
    "failed",
    "other-plan",
)


@pytest.mark.parametrize("status", FAILED)
def test_a_cell_without_a_verdict_is_no_pass_and_no_no(status):
    assert doc(Outcome(status=status))["exit_code"] == 3
    assert doc(Outcome(status=status), go(status="no-go"))["exit_code"] == 3
    assert doc(Outcome(status=status), go())["exit_code"] == 0
    assert doc(go(status=status))["take"] is None
    assert doc(go(status=status))["homogeneity"] == []


@pytest.mark.parametrize(
    ("statuses", "code"),
    [(["go"], 0), (["no-go", "go"], 0), (["no-go", "no-go"], 1), (["no-go", "inconclusive"], 3), (["inconclusive"], 3)],
)
def test_the_exit_code_is_go_only_with_a_cell_that_is(statuses, code):
    assert doc(*(go(status=one) for one in statuses))["exit_code"] == code


def test_the_cheapest_cell_that_is_go_is_taken_where_all_have_a_price():
    found = doc(go(2.0, usd_per_1000_right=0.3), go(3.0, usd_per_1000_right=0.5), go(4.0, status="no-go"))
    assert (found["take"]["id"], found["take"]["by"]) == ("c0", "cost")
    found = doc(go(2.0, usd_per_1000_right=0.3), go(3.0))
    assert (found["take"]["id"], found["take"]["by"]) == ("c1", "latency")


def test_among_many_cells_one_that_is_go_by_a_hair_is_not_shown():
    alone = doc(go(1.7, 1.12))["take"]
    assert alone["shown_over_all"] is True
    many = doc(go(1.7, 1.12), *(go(1.0, 1.1, status="no-go") for _ in range(39)))["take"]
    assert many["tried"] == 40
    assert many["low_over_all"] < alone["low_over_all"]
    assert many["shown_over_all"] is False


def test_a_speed_up_that_depends_on_the_machine_is_found_and_equal_ones_are_not():
    (found,) = doc(go(1.5), go(3.0))["homogeneity"]
    assert (found["answer"], found["df"]) == ("differs", 1)
    (found,) = doc(go(2.0), go(2.05), go(1.98))["homogeneity"]
    assert (found["answer"], found["df"]) == ("no-difference-shown", 2)
    (found,) = doc(go(2.0))["homogeneity"]
    assert found["answer"] == "not-tested"


def test_each_cell_of_the_grid_says_what_it_is():
    page = markdown(
        doc(go(), go(status="no-go"), Outcome(status="lost", detail="gone"), left=(Left(id="x", why=("exclude",)),))
    )
    row = next(line for line in page.splitlines() if line.startswith("| v, e, bf16"))
    said = [part.strip() for part in row.strip("|").split("|")][1:]
    assert [re.split(r"<br>", part)[0] for part in said] == ["**GO**", "**NO-GO**", "lost"]
    assert "2.00×" in said[0]
    assert "| x | exclude |" in page


def test_nothing_of_a_cell_is_markdown_or_html():
    page = markdown(doc(Outcome(status="failed", detail="<img src=x> | [a](http://b) `c`\n# d")))
    assert "<img" not in page
    assert "\n# d" not in page
    assert r"\[a\]" in page


def test_the_document_is_json():
    assert json.loads(json.dumps(doc(go(), Outcome(status="lost")), allow_nan=False))["counts"] == {"go": 1, "lost": 1}


def test_a_folder_without_a_plan_has_no_report(tmp_path):
    with pytest.raises(RunFolderError):
        report(tmp_path)
    (tmp_path / "matrix.json").write_text("[]")
    with pytest.raises(RunFolderError):
        report(tmp_path)


def test_cells_without_a_verdict_are_missing(tmp_path):
    plan = Plan(name="m", at_least=1.5, confidence=0.95, cells=(cell("a"), cell("b")))
    assert [one.id for one in missing(plan, tmp_path)] == ["a", "b"]


@pytest.mark.parametrize(
    ("card", "seen", "right"),
    [
        ("A100-80GB", "NVIDIA A100-SXM4-80GB", True),
        ("A100-80GB", "NVIDIA A100-SXM4-40GB", False),
        ("H100-80GB", "NVIDIA H200", False),
        ("2x L4", "NVIDIA L4", True),
        ("cpu", "NVIDIA L4", True),
    ],
)
def test_a_card_with_less_memory_is_another_card(card, seen, right):
    assert right_gpu(card, [seen]) is right


def test_help_does_not_import_the_matrix():
    code = (
        "import sys, evalkit.cli.root, evalkit.cli.commands; print([m for m in sys.modules if 'evalkit.matrix' in m])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_cell_s_place_is_in_the_document():
    (one,) = doc(go())["cells"]
    assert {"variant", "engine", "hardware", "precision", "load", "plan_sha256", "status"} <= set(one)
    assert isinstance(cell(), Cell)
