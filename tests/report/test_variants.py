"""The table that sets the candidate and its other variants side by side."""

from __future__ import annotations

from datetime import UTC, datetime

from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.gpu.declared import read_declared
from evalkit.gpu.facts import HardwareFacts
from evalkit.hub.facts import CandidateFacts
from evalkit.items.context import decide as context
from evalkit.items.hardware import decide as hardware
from evalkit.items.license import decide as license_item
from evalkit.report.words.tables import table_ages, variants_table
from tests.support.cards import facts
from tests.support.start import START


def document(*candidates: CandidateFacts) -> dict[str, object]:
    asks = Checklist.model_validate({"candidate": {"model": "m"}, "items": {"context": {"need_tokens": 16384}}})
    gpus = read_declared("H100-80GB").gpus
    seen = Facts(
        start=START, candidates=candidates, hardware=HardwareFacts(known_by="declared", gpus=gpus, declared="H100")
    )
    now = datetime(2026, 11, 24, tzinfo=UTC)
    return {
        "items": [
            {"findings": [f.model_dump(mode="json") for f in item.decide(asks, seen, now)]}
            for item in (license_item, hardware, context)
        ]
    }


def variant(candidate: CandidateFacts, name: str) -> CandidateFacts:
    return candidate.model_copy(update={"role": "variant", "model": name})


def test_terms_size_fit_and_context_of_each_variant_stand_in_one_row(tmp_path):
    text = facts(tmp_path / "t", "text-8b", "instruct-8b")
    base = variant(facts(tmp_path / "b", "base-3b", "base-3b"), "base")
    vision = variant(facts(tmp_path / "v", "vlm-8b", "vlm-8b"), "vision")
    lost = CandidateFacts(
        model="lost", role="variant", error="the Hub could not be reached", error_kind="network", hint="try"
    )
    head, rows = variants_table(document(text, base, vision, lost))
    cells = {row[0]: dict(zip(head, row, strict=True)) for row in rows}
    assert list(cells) == ["the candidate", "base", "vision", "lost"]
    terms = {name: row["Commercial, changed, passed on"] for name, row in cells.items()}
    assert terms == {
        "the candidate": "yes, yes, yes",
        "base": "yes, yes, yes",
        "vision": "no, yes, yes",
        "lost": "unknown, unknown, unknown",
    }
    windows = {name: row["Window (trained), tokens"] for name, row in cells.items()}
    assert windows["the candidate"] == "262,144 (16,384)"
    assert windows["base"].startswith("4,096")
    assert cells["the candidate"]["Need, GiB"] == "19.4 (bf16): fits"
    assert cells["vision"]["Need, GiB"] == "20.6 (bf16): fits"
    assert cells["lost"]["License"] == "not known"


def test_without_variants_there_is_no_table(tmp_path):
    assert variants_table(document(facts(tmp_path, "text-8b", "instruct-8b")))[1] == []


def test_the_report_says_how_old_the_tables_were_when_it_was_run():
    line = table_ages({"started_at": "2026-12-24T10:00:00+00:00"})
    assert "licenses of 2026-11-24 (30 days old)" in line
    for name in ("support of", "vendor claims of", "variants of"):
        assert name in line
