"""Which of the vendor's claims a report shows: those about the model at hand, and none beside any other."""

from __future__ import annotations

import pytest

from evalkit.data import load_vendor_claims
from evalkit.facts import Facts, RunStart
from evalkit.report.document.vendor import vendor_claims

FACTS = Facts(
    start=RunStart(
        run_id="r", started_at="2026-11-24T00:00:00Z", evalkit_version="0", plan_sha256="", checklist_sha256=""
    )
)


@pytest.mark.parametrize("model", ["acme-labs/Trident-8B", "Qwen/Qwen3-8B", "nvidia/Nemotron-Nano-9B", "", None])
def test_a_model_of_another_family_is_shown_no_claim_not_even_one_without_a_variant(model):
    assert any(not row.variant for row in load_vendor_claims())
    assert vendor_claims(model, FACTS, []) == []


def test_a_model_of_the_family_is_shown_its_own_claims_and_the_general_ones():
    shown = vendor_claims("nvidia/Nemotron-Labs-Diffusion-8B", FACTS, [])
    general = [row for row in load_vendor_claims() if not row.variant]
    own = [row for row in load_vendor_claims() if row.variant == "nvidia/Nemotron-Labs-Diffusion-8B"]
    assert len(shown) == len(general) + len(own)
    assert all(claim["known_by"] == "vendor-reported" and claim["measured"] is None for claim in shown)
