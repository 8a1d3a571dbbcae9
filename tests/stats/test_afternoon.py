"""What `init` writes for a small team's 40 prompts and 60 cases ends GO where the gain is real, and not where it is none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.slow
def test_forty_prompts_and_sixty_cases_of_an_afternoon_decide(tmp_path, monkeypatch):
    """Seeded: the counts are the same in every run. benchmarks/afternoon.py prints rates over many more."""
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    import afternoon

    asked = afternoon.setup(tmp_path, afternoon.MODELS[0])
    assert asked.checklist.profile == "afternoon"
    assert asked.checklist.items.modes.launches == "single"
    assert afternoon.rate(asked, 10, 1.5, 0.0) >= 8
    assert afternoon.rate(asked, 10, 1.5, 0.15) == 0
    assert afternoon.rate(asked, 10, 1.0, 0.0) == 0
