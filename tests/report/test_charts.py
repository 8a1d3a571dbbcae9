from __future__ import annotations

import subprocess
import sys
from xml.etree import ElementTree as ET

import pytest

from evalkit.report import charts, shapes
from tests.support.report_doc import document, level, mode, suite


def full(**changes) -> dict:
    doc = document(**changes)
    doc["quality"]["suites"].append(suite("city records", "autoregressive", passed=58))
    doc["lengths"] = [
        {"mode": m, "asked": asked, "unit": "words", "n": 5, "median": asked * share, "low": 1, "high": asked}
        for m, share in (("autoregressive", 1.0), ("diffusion", 0.6))
        for asked in (300, 800)
    ]
    return doc


def test_every_chart_is_drawn_when_its_figures_exist_and_none_without() -> None:
    assert set(charts.draw(full())) == set(charts.TITLES)
    empty = document(modes=[mode(m, levels=[]) for m in ("autoregressive", "diffusion")], context_probes=[])
    assert charts.draw(empty) == {}


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
        "import hashlib,sys; from tests.report.test_charts import full; from evalkit.report import charts\n"
        "sys.stdout.write(hashlib.sha256(repr(sorted(charts.draw(full()).items())).encode()).hexdigest())"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PATH": ""}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1


def test_a_configuration_that_is_slower_and_no_better_is_said_to_be_dominated() -> None:
    modes = [mode("autoregressive"), mode("diffusion"), mode("diffusion@t0.9")]
    modes[2]["levels"] = [level("autoregressive", 1)]
    doc = document(modes=modes)
    doc["quality"]["suites"] = [
        suite("s", "autoregressive", passed=60),
        suite("s", "diffusion", passed=57),
        suite("s", "diffusion@t0.9", passed=57),
    ]
    found = {p.mode: p.dominated_by for p in shapes.frontier(doc)}
    assert found == {"autoregressive": (), "diffusion": (), "diffusion@t0.9": ("autoregressive", "diffusion")}
    assert any(
        "diffusion@t0.9" in line and "dominated by autoregressive" in line for line in shapes.frontier_lines(doc)
    )
    assert "diffusion@t0.9, dominated" in charts.draw(doc)["frontier"]


def test_the_crossover_is_said_where_several_loads_were_timed() -> None:
    doc = document(modes=[mode("autoregressive"), mode("diffusion", crossover=16), mode("self-speculation")])
    lines = shapes.crossover_lines(doc)
    assert "diffusion: no longer faster than autoregressive from 16 at once." in lines
    assert "self-speculation: faster than autoregressive up to 16 at once." in lines


def test_intervals_stay_inside_the_chart() -> None:
    doc = document()
    doc["modes"][2]["levels"][0]["speedup"]["high"] = 9.5
    svg = charts.draw(doc)["speedup"]
    tops = [float(p.split()[1]) for node in ET.fromstring(svg).iter() if (p := node.get("d", "")).startswith("M")]
    assert min(tops) >= 0
