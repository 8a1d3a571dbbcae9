"""The page of a matrix from outcomes: exit codes, what to take, and whether the speed-up transfers. Pure."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError

from evalkit.data import load_vendor_claims
from evalkit.errors import RunFolderError
from evalkit.matrix.outcome import SPEED_UNITS, Claim, Outcome, _cost, right_gpu
from evalkit.matrix.page import markdown
from evalkit.matrix.plan import Cell, Left, Plan
from evalkit.matrix.report import document, report
from evalkit.matrix.run import missing
from tests.support.hostile import HOSTILE, check_markdown
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


def test_the_document_is_json():
    assert json.loads(json.dumps(doc(go(), Outcome(status="lost")), allow_nan=False))["counts"] == {"go": 1, "lost": 1}


def test_a_folder_without_a_plan_has_no_report(tmp_path):
    with pytest.raises(RunFolderError):
        report(tmp_path)
    (tmp_path / "matrix.json").write_text("[]")
    with pytest.raises(RunFolderError):
        report(tmp_path)


@pytest.mark.parametrize("id_", ["../other", "/elsewhere/run", "a/../../b", "", "a\nb"])
def test_a_cell_lies_in_the_folder_of_its_matrix(tmp_path, id_):
    """Another's GO would count: a matrix that is judged may be a stranger's."""
    plan = Plan(name="m", at_least=1.5, confidence=0.95, cells=(cell("a"),)).model_dump(mode="json")
    (tmp_path / "matrix.json").write_text(json.dumps(plan))
    assert report(tmp_path)["cells"][0]["id"] == "a"
    plan["cells"][0]["id"] = id_
    (tmp_path / "matrix.json").write_text(json.dumps(plan))
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


def test_help_does_not_import_the_matrix_and_no_engine_is_ray_s():
    code = (
        "import sys, evalkit.cli.root, evalkit.cli.commands; print([m for m in sys.modules if 'evalkit.matrix' in m]);"
        "sys.modules['ray'] = None; import evalkit.matrix.engines"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_cell_s_place_is_in_the_document():
    (one,) = doc(go())["cells"]
    assert {"variant", "engine", "hardware", "precision", "load", "plan_sha256", "status"} <= set(one)
    assert isinstance(cell(), Cell)


# -- frontier, claims, target and schema -------------------------------------------------------------------------------


def placed(ms, share, usd=None, status="go", **more):
    return Outcome(status=status, mode="diffusion", ratio=2.0, low=1.8, high=2.2, e2e_p50_ms=ms, pass_share=share,
                   usd_per_1000_right=usd, **more)  # fmt: skip


def dominated(*outcomes):
    return {one["id"]: one["dominated_by"] for one in doc(*outcomes)["frontier"]}


def test_a_cell_that_is_worse_in_all_is_dominated_and_one_that_is_best_in_one_is_not():
    found = dominated(placed(100, 0.9, 0.5), placed(90, 0.9, 0.4), placed(200, 0.95, 0.9), placed(300, 0.5, 0.1))
    assert found == {"c0": ["c1"], "c1": [], "c2": [], "c3": []}


def test_money_counts_where_all_have_a_price():
    assert dominated(placed(100, 0.9, 0.1), placed(90, 0.9))["c0"] == ["c1"]
    assert dominated(placed(100, 0.9, 0.1), placed(90, 0.9, 0.2))["c0"] == []


def test_no_undecided_cell_dominates_one_that_is_go_and_no_go_is_not_there():
    found = dominated(placed(100, 0.9), placed(90, 0.95, status="inconclusive"), placed(10, 1.0, status="no-go"))
    assert found == {"c0": [], "c1": []}


def test_cells_at_different_loads_do_not_dominate_each_other():
    rows = [(cell("a", load=1), placed(100, 0.9)), (cell("b", load=8), placed(200, 0.9))]
    made = document(Plan(name="m", at_least=1.5, confidence=0.95, cells=tuple(c for c, _ in rows)), rows)
    assert all(not one["dominated_by"] for one in made["frontier"])


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 4), st.integers(1, 4)), min_size=1, max_size=8))
def test_some_cell_is_on_the_frontier_and_what_dominates_is_no_worse_in_anything(points):
    found = dominated(*(placed(ms, share / 4, usd) for ms, share, usd in points))
    assert any(not others for others in found.values())
    for name, others in found.items():
        mine = points[int(name[1:])]
        for other in others:
            its = points[int(other[1:])]
            assert its[0] <= mine[0]
            assert its[1] >= mine[1]
            assert its[2] <= mine[2]
            assert its != mine


def test_what_a_checklist_decides_at_is_what_is_taken():
    slow, fast = placed(100, 0.9, capacity=9.0), placed(50, 0.9, capacity=4.0)
    assert doc(slow, fast, decides="capacity")["take"]["id"] == "c0"
    assert doc(slow, fast, decides="concurrency")["take"]["id"] == "c1"
    assert doc(slow, placed(50, 0.9), decides="capacity")["take"]["by"] == "latency"


def claim(**more):
    return Claim(**{"claim": "Speed-up over AR", "value": 3.3, "unit": "times AR output speed", "mode": "diffusion",
                    "source": "https://example.org/card", "date": "2026-09-01", "conditions": "GB200", **more})  # fmt: skip


def test_what_the_vendor_says_is_shown_with_its_source_and_changes_nothing():
    plain = doc(placed(100, 0.9), placed(90, 0.9))
    found = doc(
        placed(100, 0.9, claims=(claim(measured=2.0, differs=("hardware",)),)), placed(90, 0.9, claims=(claim(),))
    )
    (one,) = found["vendor_claims"]
    assert (one["known_by"], one["source"], one["value"]) == ("vendor-reported", "https://example.org/card", 3.3)
    assert one["cells"] == [{"id": "c0", "value": 2.0, "differs": ["hardware"]}]
    for key in ("exit_code", "take", "homogeneity", "frontier", "cells", "counts"):
        assert found[key] == plain[key]
    assert "https://example.org/card" in markdown(found)


def test_the_vendor_s_figures_of_speed_are_those_of_the_shipped_table():
    units = {row.unit for row in load_vendor_claims()}
    assert set(SPEED_UNITS) <= units


def schema():
    return json.loads(resources.files("evalkit.data").joinpath("matrix.schema.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "outcomes", [[go(), go(status="no-go")], [Outcome(status="lost")], [placed(9, 1.0, 0.1, claims=(claim(),))]]
)
def test_the_document_fits_its_shipped_schema(outcomes):
    found = json.loads(json.dumps(doc(*outcomes, left=(Left(id="x", why=("exclude",)),))))
    Draft202012Validator(schema()).validate(found)
    with pytest.raises(ValidationError):
        Draft202012Validator(schema()).validate({**found, "exit_code": 0 if found["exit_code"] else 3})
    assert set(found) == set(schema()["properties"])
    assert set(found["cells"][0]) == set(schema()["$defs"]["CellEntry"]["properties"])


@pytest.mark.parametrize(
    ("own", "right", "low"),
    [
        ({"per_1000_requests": 1.0, "per_1000_right": {"value": 2.0, "low": 1.5, "high": 3.0}}, 2.0, 1.5),
        ({"per_1000_requests": 1.0, "per_1000_right": None}, None, None),
        (None, None, None),
    ],
)
def test_money_is_that_of_the_report_s_cost(own, right, low):
    found = _cost({"mode": "diffusion", "cost": own})
    assert found["usd_per_1000_requests"] == (own or {}).get("per_1000_requests")
    assert (found["usd_per_1000_right"], found["usd_right_low"]) == (right, low)


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_cell_or_a_server_says_is_no_markup_link_or_mention_on_the_page(text):
    plain, hostile = (
        markdown(doc(Outcome(status="failed", detail=one), name=one, left=(Left(id="left", why=(one,)),)))
        for one in ("word", text)
    )
    check_markdown(hostile)
    assert hostile.count("\n") == plain.count("\n")
