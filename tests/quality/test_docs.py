"""What the guide shows works, and what it says of sizes is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from evalkit.checklist.loader import load_checklist
from evalkit.stats.proportions import power_noninferiority
from tests.quality.support import suite_file

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/tasks.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)


def test_the_guides_suites_are_valid(tmp_path):
    suites = [suite_file(tmp_path, text) for text in BLOCKS if text.startswith("suite:")]
    assert [len(suite.cases) for suite in suites] == [2, 1, 1]
    assert suites[0].critical == ("refund",)


def test_the_guides_checklists_are_valid(tmp_path):
    texts = [text for text in BLOCKS if not text.startswith("suite:")]
    assert len(texts) == 1
    for text in texts:
        path = tmp_path / "checklist.yaml"
        path.write_text(text)
        assert load_checklist(path).checklist.items.quality.judge.model == "some-judge"


ROWS = re.findall(r"^\| (\d+) points.*?\| (\d+) \| (\d+) \| (\d+) \|$", GUIDE, re.MULTILINE)


@pytest.mark.parametrize("row", ROWS, ids=[f"{row[0]} points" for row in ROWS])
def test_the_guides_table_of_sizes_gives_about_nine_in_ten(row):
    margin = int(row[0]) / 100
    for n, differing in zip(row[1:], (0.01, 0.02, 0.05), strict=True):
        assert 0.84 <= power_noninferiority(int(n), differing, margin) <= 0.96, (n, differing)


def test_the_guide_has_the_three_default_margins():
    assert [row[0] for row in ROWS] == ["5", "3", "2"]
