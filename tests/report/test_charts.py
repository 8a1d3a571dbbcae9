from __future__ import annotations

import subprocess
import sys
from xml.etree import ElementTree as ET

import pytest

from evalkit.report.document.build import build
from evalkit.report.formats import html, markdown
from evalkit.report.words import charts, load_tables, quality_tables, tables
from evalkit.verdict.decide import decide
from tests.support.quality_run import DECIDING, NOW, run_facts
from tests.support.report_doc import document, finding, item, mode


def full(**changes) -> dict:
    doc = document(**changes)
    doc["frontier"] = [point("autoregressive", 1800, 0.97), point("diffusion", 1300, 0.92)]
    doc["lengths"] = [
        {"mode": m, "asked": asked, "unit": "words", "n": 5, "median": asked * share, "low": 1, "high": asked}
        for m, share in (("autoregressive", 1.0), ("diffusion", 0.6))
        for asked in (300, 800)
    ]
    for entry, rate in zip(doc["modes"], (4.0, 7.0), strict=False):
        entry["capacity"] = capacity(rate)
    return doc


def capacity(rate: float) -> dict:
    figures = {"p50": 900.0, "p90": 1800.0, "p95": 2200.0, "p99": None}
    curve = [{"rate": rate * share, "blocks": 3, "ttft_ms": figures, "e2e_ms": figures} for share in (0.5, 0.9, 1.1)]
    return {
        "slo": {"ttft_ms": None, "e2e_ms": 2500.0, "tpot_ms": None, "share": 0.95, "text": "E2E 2500 ms for 95%"},
        "rate": rate, "low": 0.9 * rate, "high": 1.1 * rate, "blocks": 8, "seconds": 30.0, "trials": 27,
        "beyond": "queues", "ratio": None, "curve": curve,
    }  # fmt: skip


def test_every_chart_is_drawn_when_its_figures_exist_and_none_without() -> None:
    assert set(charts.draw(full())) == set(charts.TITLES)
    empty = document(modes=[mode(m, levels=[]) for m in ("autoregressive", "diffusion")], context_probes=[], prompts=[])
    assert charts.draw(empty) == {}


def test_a_chart_whose_scale_has_no_width_is_left_out() -> None:
    doc = full()
    for entry in doc["modes"]:
        for level in entry["levels"]:
            level["distribution"]["e2e_ms"] = [10**30] * 3
    assert "latency" not in charts.draw(doc)


@pytest.mark.parametrize("name", charts.TITLES)
def test_a_chart_is_plain_svg_with_a_ground_for_light_and_dark(name: str) -> None:
    svg = charts.draw(full())[name]
    root = ET.fromstring(svg)
    tags = {node.tag.rpartition("}")[2] for node in root.iter()}
    assert not tags & {"script", "image", "foreignObject", "a", "use"}
    assert not any(key.lower().startswith("on") or "href" in key for node in root.iter() for key in node.attrib)
    assert "prefers-color-scheme: dark" in svg
    assert "@import" not in svg
    assert "url(" not in svg


def test_the_same_figures_give_the_same_bytes_in_another_process() -> None:
    code = (
        "import hashlib,sys; from tests.report.test_charts import full; from evalkit.report.words import charts\n"
        "sys.stdout.write(hashlib.sha256(repr(sorted(charts.draw(full()).items())).encode()).hexdigest())"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PATH": ""}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1


def point(mode: str, ms: float, share: float, *better: str, surely: tuple[str, ...] = ()) -> dict:
    return {
        "mode": mode, "e2e_ms": ms, "share": share, "low": share - 0.05, "high": min(1.0, share + 0.05), "cases": 60,
        "dominated_by": list(better), "surely": list(surely),
    }  # fmt: skip


def test_a_configuration_that_is_slower_and_no_better_is_said_to_be_dominated() -> None:
    doc = document(modes=[mode("autoregressive"), mode("diffusion"), mode("diffusion@t0.9")])
    doc["frontier"] = [
        point("autoregressive", 1800, 0.98),
        point("diffusion", 1400, 0.95),
        point("diffusion@t0.9", 1700, 0.95, "diffusion", surely=("diffusion",)),
    ]
    rows = {row[0]: row[-1] for row in tables.frontier_table(doc)[1]}
    assert rows == {
        "autoregressive": "none: on the frontier",
        "diffusion": "none: on the frontier",
        "diffusion@t0.9": "diffusion (beyond chance)",
    }
    assert "diffusion@t0.9, dominated" in charts.draw(doc)["frontier"]
    assert "| diffusion@t0.9 |" in markdown.render(doc).replace("`", "")


def test_the_frontier_of_a_run_is_the_one_that_was_decided() -> None:
    facts = run_facts(cases=40, prompts=22)
    built = build(DECIDING, facts, decide(DECIDING, facts, NOW))
    assert {p["mode"] for p in built["frontier"]} == {built["modes"][n]["mode"] for n in range(3)}
    (found,) = [f for f in built["items"][1]["findings"] if f["id"] == "modes.frontier"]
    assert [p["dominated_by"] for p in found["data"]["points"]] == [p["dominated_by"] for p in built["frontier"]]
    assert len(tables.frontier_table(built)[1]) == 3


def test_the_crossover_is_said_where_several_loads_were_timed() -> None:
    doc = document(modes=[mode("autoregressive"), mode("diffusion", crossover=16), mode("self-speculation")])
    lines = tables.crossover_lines(doc)
    assert "diffusion: no longer faster than autoregressive from concurrency 16." in lines
    assert "self-speculation: faster than autoregressive up to concurrency 16." in lines
    slow = mode("diffusion", crossover=1)
    for level in slow["levels"]:
        level["speedup"] = level["speedup"] | {"ratio": 0.9}
    (line,) = tables.crossover_lines(document(modes=[mode("autoregressive"), slow]))
    assert line == "diffusion: not faster than autoregressive at any concurrency timed (1, 4, 16)."


def test_intervals_stay_inside_the_chart() -> None:
    doc = document()
    doc["modes"][2]["levels"][0]["speedup"]["high"] = 9.5
    svg = charts.draw(doc)["speedup"]
    tops = [float(p.split()[1]) for node in ET.fromstring(svg).iter() if (p := node.get("d", "")).startswith("M")]
    assert min(tops) >= 0


def test_tables_of_what_was_measured_beside_speed_and_quality() -> None:
    doc = full()
    doc["modes"][1]["levels"][0]["energy_j_per_1000_tokens"] = 41.5
    doc["modes"][1]["cost"] = {
        "per_1000_requests": 0.52, "low": 0.5, "high": 0.55, "paid_by": "hours", "gpus": 2, "concurrency": 1,
        "requests_per_second": 3.74, "per_1000_right": {"value": 0.61, "low": 0.55, "high": None}, "right_share": 0.852, "scored": 54,
    }  # fmt: skip
    data = {"suite": "calls", "replies": 40, "call": 30, "text": 9, "malformed": 1, "truncated": 0, "asked": 31,
            "right_function": 29, "right_arguments": 28}  # fmt: skip
    doc["items"][4] = item("quality", findings=[finding("quality.tool-outcomes", mode="diffusion", data=data)])
    doc["quality"]["suites"][0]["by_third"] = [1.0, 0.98, 0.9]
    made = {
        "energy": tables.energy_table(doc)[1],
        "cost": load_tables.cost_table(doc)[1],
        "tools": quality_tables.tool_table(doc)[1],
        "thirds": quality_tables.position_table(doc)[1],
        "lengths": quality_tables.length_table(doc)[1],
        "probe": quality_tables.probe_table(doc)[1],
    }
    assert made["energy"][0] == ("diffusion", "1", "41.5")
    assert made["cost"][0] == (
        "diffusion", "2 GPUs by the hour, 3.74/s at concurrency 1", "0.52 (0.50 to 0.55)", "0.61 (0.55 or more)", "85.2% of 54", "–",
    )  # fmt: skip
    assert made["tools"][0] == ("diffusion", "calls", "30 / 9 of 40", "1 (2.5%)", "0", "29 of 31", "28 of 31")
    assert made["thirds"][0][3:] == ("100.0%", "98.0%", "90.0%")
    assert made["lengths"][0][:2] == ("autoregressive", "300")
    assert made["probe"][-1][4] == "2 of 3"
    for text in (markdown.render(doc), html.render(doc)):
        for title in ("Tool calls", "Along long replies", "Length of replies", "Context probe"):
            assert title in text


def test_tables_have_seven_columns_at_most() -> None:
    for line in markdown.render(full()).splitlines():
        if line.startswith("|---"):
            assert line.count("---|") <= 7


def test_a_capacity_without_an_interval_or_a_curve_still_draws() -> None:
    doc = full()
    doc["modes"][0]["capacity"] |= {"high": None, "curve": []}
    doc["modes"][1]["capacity"] |= {"rate": None, "low": None}
    assert "load" in charts.draw(doc)
    doc["modes"][0]["capacity"]["slo"] |= {"e2e_ms": None, "tpot_ms": 40.0}
    assert "load" in charts.draw(doc)
