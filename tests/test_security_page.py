"""SECURITY.md claims only what is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
THREATS = TEXT.partition("## Threats")[2].partition("\n## ")[0].splitlines()
ROWS = [line for line in THREATS if line.startswith("|") and line.count("|") == 4][2:]


def test_every_threat_names_tests_that_exist():
    assert len(ROWS) >= 14
    for row in ROWS:
        assert "`" in row.split("|")[3], row
        for path in re.findall(r"`([^`]+)`", row.split("|")[3]):
            assert (ROOT / path).exists(), path
            if path.startswith("tests/"):
                files = [ROOT / path] if path.endswith(".py") else list((ROOT / path).rglob("test_*.py"))
                assert any("def test_" in file.read_text(encoding="utf-8") for file in files), path


def test_every_make_target_that_it_names_exists():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z]+)`", TEXT))
    assert named
    assert named <= targets
