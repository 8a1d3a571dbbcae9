"""The shipped checklist of the vision-language model: what it asks is answered by what is known."""

from __future__ import annotations

import pytest

from evalkit.checklist.loader import find_checklist, load_checklist
from evalkit.facts import Facts, RunStart
from evalkit.findings import Status
from evalkit.gpu.declared import read_declared
from evalkit.gpu.facts import HardwareFacts
from evalkit.hub.facts import CandidateFacts
from evalkit.items.hardware import decide as hardware
from evalkit.items.license import decide as license_item
from evalkit.timing.facts import PromptFacts
from tests.support.cards import facts
from tests.support.start import NOW


@pytest.fixture
def seen(tmp_path):
    vision: CandidateFacts = facts(tmp_path, "vlm-8b", "vlm-8b").model_copy(
        update={"model": "nvidia/Nemotron-Labs-Diffusion-VLM-8B"}
    )
    start = RunStart(
        run_id="r", started_at="2026-11-24T00:00:00Z", evalkit_version="0", plan_sha256="", checklist_sha256=""
    )
    card = HardwareFacts(known_by="declared", gpus=read_declared("H100-80GB").gpus, declared="H100-80GB")
    prompts = PromptFacts(path="p", sha256="0", count=2, shipped=False, longest_chars=12_000, max_tokens=512)
    return Facts(start=start, candidates=(vision,), hardware=card, prompts=(prompts,))


def test_as_shipped_it_asks_about_a_product_and_the_license_says_no(seen):
    loaded = load_checklist(find_checklist("nemotron-labs-diffusion-vlm-8b"))
    found = {f.id: f.status for f in license_item.decide(loaded.checklist, seen, NOW)}
    assert found["license.commercial-use"] is Status.FAIL
    assert found["license.purpose"] is Status.FAIL


def test_what_its_comments_say_holds(seen):
    path = find_checklist("nemotron-labs-diffusion-vlm-8b")
    text = path.read_text(encoding="utf-8")
    for words in (
        "research or evaluation only",
        "no engine with image input in diffusion mode is known",
        "3,025 tokens, 0.39 GiB",
    ):
        assert words in text
    checklist = load_checklist(path).checklist
    evaluation = checklist.model_copy(
        update={"use": checklist.use.model_copy(update={"purpose": "evaluation", "commercial": False})}
    )
    assert not any(f.status is Status.FAIL for f in license_item.decide(evaluation, seen, NOW))
    fit = next(f for f in hardware.decide(checklist, seen, NOW) if f.id == "hardware.fits")
    assert "3,025 of an image" in fit.summary
