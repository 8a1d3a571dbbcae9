"""The page of JSON documents names what the commands print."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from evalkit.data import demo_path
from evalkit.reference import ReferenceServer, preset
from tests.cli.command import evalkit

ROOT = Path(__file__).parents[2]
PACK = ROOT / "tests" / "fixtures" / "runs" / "small.pack"
PAGE = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")


def section(name):
    return re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)[1]


def table(name):
    """Fields by row: those in the first column, and everything in code spans behind them."""
    return {
        field: set(re.findall(r"`(\w+)`", rest))
        for first, rest in re.findall(r"^\| (`[^|]*) \|(.*)\|$", section(name), re.MULTILINE)
        for field in re.findall(r"`(\w+)`", first)
    }


def printed(capsys, *arguments):
    done = evalkit(capsys, *arguments, "--json")
    assert done.out.count("\n") > 1, done.err
    return json.loads(done.out)


def inner(value):
    return (
        set(value[0])
        if isinstance(value, list) and value and isinstance(value[0], dict)
        else set(value or ())
        if isinstance(value, dict)
        else set()
    )


def test_validate(capsys):
    document = printed(capsys, "validate", "hosted")
    rows = table("validate")
    assert set(document) == set(rows)
    for field in ("speedup", "suites", "cost"):
        assert inner(document[field]) <= rows[field], field


@pytest.mark.slow
def test_doctor(capsys, tmp_path):
    document = printed(capsys, "doctor", "--concurrency", 1, "--output-dir", tmp_path)
    rows = table("doctor")
    assert set(document) == set(rows)
    for field in ("hub", "gpu", "cpu", "folder", "network", "timing"):
        assert inner(document[field]) <= rows[field], field


def test_gate(capsys):
    with ReferenceServer(preset("self-speculation", speed=20.0)) as server:
        document = printed(capsys, "gate", PACK, "--live", server.base_url)
    assert set(document) == set(table("gate"))
    assert inner(document["live"]) <= table("gate")["live"]


def test_compare(capsys):
    document = printed(capsys, "compare", PACK, PACK)
    assert set(document) == set(table("compare"))
    assert inner(document["comparisons"]) - {"first", "other"} <= table("compare")["comparisons"]


def test_probe_license_and_hardware(capsys):
    named = {name: set(re.findall(r"`(\w+)`", section(name))) for name in ("probe", "license", "hardware")}
    with ReferenceServer(preset("diffusion", speed=20.0)) as server:
        assert set(printed(capsys, "probe", server.base_url)[0]) <= named["probe"]
    assert set(printed(capsys, "license", demo_path("trident-8b"))[0]) <= named["license"]
    assert set(printed(capsys, "hardware", "--gpu", "L4")) <= named["hardware"]
