from __future__ import annotations

import pytest

from evalkit.checklist.loader import find_checklist, load_checklist, shipped_names
from evalkit.run.setup import prepare


@pytest.mark.parametrize("name", shipped_names())
def test_a_shipped_checklist_loads_with_its_prompts_and_tasks(name):
    setup = prepare(load_checklist(find_checklist(name)))
    assert setup.prompts.prompts
    assert setup.suites


def test_every_variant_has_a_shipped_checklist():
    assert {f"nemotron-labs-diffusion-{v}" for v in ("3b", "8b", "14b", "vlm-8b")} <= set(shipped_names())
