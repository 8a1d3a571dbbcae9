"""Traps that cards set for a license check, each on a card written for it (tests/fixtures/cards)."""

from __future__ import annotations

import hashlib
from datetime import date

import pytest

from evalkit.checklist.schema import Checklist, Reading, Use
from evalkit.data import load_licenses, load_related, load_variants
from evalkit.data.records import USABLE, records_for
from evalkit.facts import Facts, RunStart
from evalkit.findings import Finding, Status
from evalkit.hub.facts import BaseModelFacts, CandidateFacts, CardLicense
from evalkit.items.license.checks import CHECKS
from evalkit.items.license.decide import decide, of_candidate
from evalkit.items.license.terms import by_link, find
from tests.support.cards import facts
from tests.support.start import NOW

COMMERCIAL = Use()
NSCL = "NVIDIA Source Code License. The Work may be used non-commercially, for research or evaluation only."
NEMOTRON = "NVIDIA Nemotron Open Model License. You may use, modify and distribute."
MIT = 'Permission is hereby granted, free of charge, to any person obtaining a copy. THE SOFTWARE IS PROVIDED "AS IS"'


def found(
    candidate: CandidateFacts, use: Use = COMMERCIAL, readings: list[Reading] | None = None
) -> dict[str, Finding]:
    """The worst finding of each id."""
    made = of_candidate(use, candidate, readings)
    assert {f.id for f in made} <= {c.id for c in CHECKS}
    assert all(f.remedy for f in made if f.status not in (Status.PASS, Status.NOT_APPLICABLE))
    worst: dict[str, Finding] = {}
    for finding in made:
        kept = worst.get(finding.id)
        rank = (Status.FAIL, Status.ERROR, Status.INCONCLUSIVE, Status.WARN, Status.PASS)
        if kept is None or rank.index(finding.status) < rank.index(kept.status):
            worst[finding.id] = finding
    return worst


def test_trap_1_the_same_tag_other_stands_for_the_free_text_model_and_the_closed_vlm(tmp_path):
    text, vlm = facts(tmp_path / "t", "text-8b"), facts(tmp_path / "v", "vlm-8b")
    assert text.card.license == vlm.card.license == ("other",)
    assert found(text)["license.commercial-use"].status is Status.PASS
    assert found(vlm)["license.commercial-use"].status is Status.FAIL


def test_trap_1_a_folded_license_link_carries_no_newline(tmp_path):
    link = facts(tmp_path, "text-8b").card.license_link
    assert link == link.strip()
    assert by_link(link).id == "nvidia-nemotron-open-model-license"


def test_trap_2_a_name_without_a_link_still_decides_and_does_not_fall_through_to_fine(tmp_path):
    vlm = facts(tmp_path, "vlm-8b")
    assert vlm.card.license_link is None
    made = found(vlm)
    assert made["license.identified"].status is Status.PASS
    assert made["license.purpose"].status is Status.FAIL
    assert made["license.text-pinned"].status is Status.WARN


def test_trap_2_the_vlm_may_be_evaluated(tmp_path):
    made = found(facts(tmp_path, "vlm-8b"), Use(purpose="evaluation", commercial=False))
    assert made["license.purpose"].status is Status.PASS


@pytest.mark.parametrize("card", ["readme-badge", "readme-badge-html"])
def test_trap_3_a_badge_labelled_with_one_license_and_linked_to_another_is_shown(tmp_path, card):
    finding = found(facts(tmp_path, card))["license.consistent"]
    assert finding.status in (Status.WARN, Status.INCONCLUSIVE)
    assert finding.outcome.startswith("badge-differs")
    assert "NVIDIA Open Model License" in finding.summary


def test_trap_3_a_badge_whose_label_and_link_agree_is_no_contradiction(tmp_path):
    assert "license.consistent" not in found(facts(tmp_path, "text-8b"))


def test_trap_3_the_two_licenses_of_similar_name_are_two_rows_with_different_terms():
    rows = {row.id: row for row in load_licenses()}
    nemotron, open_model = rows["nvidia-nemotron-open-model-license"], rows["nvidia-open-model-license"]
    assert (nemotron.terms.revocable, open_model.terms.revocable) == ("no", "yes")
    assert any("guardrail" in duty for duty in open_model.obligations)
    assert by_link(open_model.source).id == open_model.id != by_link(nemotron.source).id


def test_trap_4_the_name_of_the_notice_line_is_not_enough_to_identify_and_no_contradiction_either(tmp_path):
    assert found(facts(tmp_path / "a", "notice-name"))["license.identified"].status is Status.INCONCLUSIVE
    notice = facts(tmp_path / "b", "text-8b", NOTICE="Licensed by NVIDIA under the NVIDIA Nemotron Model License")
    assert "license.consistent" not in found(notice)


def test_trap_5_a_repository_without_a_license_file_is_a_warning_until_a_dated_text_is_kept(tmp_path):
    from evalkit.hub import collect

    bare = facts(tmp_path / "m", "base-3b", "base-3b")
    assert found(bare)["license.text-pinned"].status is Status.WARN
    (tmp_path / "terms.txt").write_text(NEMOTRON)
    given = collect(str(tmp_path / "m"), license_text=tmp_path / "terms.txt")
    finding = found(given)["license.text-pinned"]
    assert finding.status is Status.WARN
    assert finding.evidence[0].sha256 == hashlib.sha256(NEMOTRON.encode()).hexdigest()
    assert given.license_texts[0].taken_at
    assert found(facts(tmp_path / "p", "base-3b", LICENSE=NEMOTRON))["license.text-pinned"].status is Status.PASS


def test_trap_6_the_codes_license_is_another_question_than_the_weights(tmp_path):
    both = facts(tmp_path / "a", "text-8b", LICENSE=NEMOTRON, **{"LICENSE-CODE": MIT})
    made = found(both)
    assert made["license.code"].status is Status.PASS
    assert "code is under MIT License" in made["license.code"].summary
    assert made["license.consistent"].status is Status.PASS  # no contradiction between the two
    closed = facts(tmp_path / "b", "text-8b", "instruct-8b", LICENSE=NEMOTRON, **{"LICENSE-CODE": NSCL})
    assert found(closed)["license.code"].status is Status.FAIL  # the weights need that code
    assert found(closed)["license.commercial-use"].status is Status.PASS
    assert found(closed)["license.remote-code"].outcome == "needed"


def test_trap_7_snippets_on_a_page_are_no_evidence_of_support(tmp_path):
    plain, shown = facts(tmp_path / "a", "vlm-8b"), facts(tmp_path / "b", "snippets")
    assert shown.context == plain.context  # not even the context length of a command line is taken for a claim
    rows = records_for("nvidia/Nemotron-Labs-Diffusion-VLM-8B", "diffusion")
    assert {row.engine for row in rows if row.status == "absent"} == {"sglang", "vllm"}
    assert {row.engine for row in rows if row.status in USABLE} == {"remote-code"}


def test_trap_9_a_derivative_with_metadata_of_its_own_stays_bound_by_its_original(tmp_path):
    read = facts(tmp_path, "derivative-mit")
    assert read.base_model == ("nvidia/Nemotron-Labs-Diffusion-VLM-8B",)
    original = BaseModelFacts(model=read.base_model[0], card=CardLicense(license=("other",), license_name="nscl-v1"))
    finding = found(read.model_copy(update={"bases": (original,)}))["license.base-model"]
    assert finding.status is Status.INCONCLUSIVE
    assert "MIT License" in finding.summary
    assert "NSCLv1" in finding.summary
    open_base = original.model_copy(update={"card": CardLicense(license=("apache-2.0",))})
    assert found(read.model_copy(update={"bases": (open_base,)}))["license.base-model"].status is Status.PASS


def test_trap_9_a_base_model_that_could_not_be_read_is_never_a_pass(tmp_path):
    read = facts(tmp_path, "derivative-mit").model_copy(update={"bases": ()})
    assert found(read)["license.base-model"].status is Status.INCONCLUSIVE


def test_trap_9_a_derivative_that_names_no_base_is_warned_of(tmp_path):
    assert found(facts(tmp_path, "derivative-silent"))["license.base-model"].status is Status.WARN


@pytest.mark.parametrize(
    "model", ["mlx-community/Nemotron-Labs-Diffusion-3B-4bit", "spiritbuun/Nemotron-Labs-Diffusion-14B-Q8_0-GGUF"]
)
def test_trap_9_known_derivatives_name_their_original(model):
    candidate = CandidateFacts(model=model, card=CardLicense(license=("mit",)))
    finding = found(candidate)["license.base-model"]
    assert finding.status is Status.WARN
    assert "nvidia/Nemotron-Labs-Diffusion-" in finding.summary


def test_trap_10_a_card_without_base_model_is_held_against_what_the_report_says_of_its_origin():
    candidate = CandidateFacts(
        model="nvidia/Nemotron-Labs-Diffusion-VLM-8B", card=CardLicense(license=("other",), license_name="nscl-v1")
    )
    finding = found(candidate)["license.base-model"]
    assert finding.status is Status.WARN
    assert "Ministral3-8B-Instruct-2512" in finding.summary
    assert finding.known_by == "vendor-reported"


def test_trap_10_the_ministral_of_2410_is_another_model_under_a_research_license():
    upstream = {row.id: row for row in load_related() if row.relation == "upstream"}
    row = upstream["mistralai/Ministral-3-8B-Instruct-2512"]
    assert row.license == "apache-2.0"
    assert "2410" in row.notes
    assert find("mrl").terms.commercial == "no"


@pytest.mark.parametrize(
    ("card", "status"),
    [
        ("list-one", Status.PASS), ("padded", Status.PASS), ("list-two", Status.INCONCLUSIVE),
        ("no-license", Status.INCONCLUSIVE), ("no-front-matter", Status.INCONCLUSIVE),
        ("other-without-name", Status.INCONCLUSIVE),
    ],
)  # fmt: skip
def test_trap_11_a_license_may_be_a_list_differ_in_case_or_be_missing(tmp_path, card, status):
    assert found(facts(tmp_path, card, "instruct-8b"))["license.commercial-use"].status is status


def test_trap_13_a_third_partys_guardrail_clause_changes_nothing(tmp_path):
    made = found(facts(tmp_path, "guardrail-blog"))
    assert made["license.commercial-use"].status is Status.PASS
    assert not any("guardrail" in duty.lower() for duty in made["license.identified"].data["obligations"])


def test_a_name_and_a_link_that_differ_are_never_a_pass(tmp_path):
    made = found(facts(tmp_path, "name-against-link"), Use(purpose="evaluation", commercial=False, modify=True))
    assert made["license.consistent"].status is Status.INCONCLUSIVE
    assert made["license.modify"].status is Status.INCONCLUSIVE


def test_a_link_to_a_file_that_is_not_there_is_a_warning(tmp_path):
    assert found(facts(tmp_path / "a", "link-to-absent-file"))["license.consistent"].status is Status.WARN
    there = facts(tmp_path / "b", "link-to-absent-file", LICENSE__md=NEMOTRON)
    assert found(there)["license.consistent"].status is Status.PASS


def test_a_license_file_that_is_not_the_text_the_card_names_is_never_a_pass(tmp_path):
    other = found(facts(tmp_path / "a", "padded", LICENSE=NSCL))
    unknown = found(facts(tmp_path / "b", "padded", LICENSE="All rights reserved. Ask us."))
    for made in (other, unknown):
        assert made["license.consistent"].status is Status.INCONCLUSIVE
        assert made["license.commercial-use"].status is Status.INCONCLUSIVE


def reading(text: str, **more: object) -> Reading:
    values = {
        "text_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "commercial": True,
        "by": "legal",
        "date": date(2026, 11, 1),
    }
    return Reading(**{**values, **more})


def test_a_reading_goes_stale_with_the_text_and_where_it_says_so_with_the_commit(tmp_path):
    house = "House license."
    read = facts(tmp_path, "no-license", "instruct-8b", LICENSE=house).model_copy(update={"revision": "a" * 40})
    assert found(read, readings=[reading(house)])["license.commercial-use"].status is Status.PASS
    same = found(read, readings=[reading(house, revision="a" * 40)])
    assert same["license.commercial-use"].status is Status.PASS
    for stale in (reading("House license, changed."), reading(house, revision="b" * 40)):
        made = found(read, readings=[stale])
        assert made["license.reading"].status is Status.INCONCLUSIVE
        assert made["license.commercial-use"].status is Status.INCONCLUSIVE


def test_the_latest_of_two_readings_of_one_text_counts(tmp_path):
    house = "House license."
    read = facts(tmp_path, "no-license", "instruct-8b", LICENSE=house)
    both = [reading(house), reading(house, commercial=False, date=date(2026, 11, 20))]
    assert found(read, readings=both)["license.commercial-use"].status is Status.FAIL


def test_a_variant_is_judged_with_a_reading_of_the_same_text_and_with_no_other(tmp_path):
    house = "House license."
    mine = facts(tmp_path / "a", "padded")
    same = facts(tmp_path / "b", "no-license", "instruct-8b", LICENSE=house).model_copy(
        update={"role": "variant", "model": "same"}
    )
    other = facts(tmp_path / "c", "no-license", "instruct-8b", LICENSE="Other text.").model_copy(
        update={"role": "variant", "model": "other"}
    )
    asks = Checklist.model_validate(
        {"candidate": {"model": "m"}, "items": {"license": {"readings": [reading(house).model_dump()]}}}
    )
    start = RunStart(
        run_id="r", started_at="2026-11-24T00:00:00Z", evalkit_version="0", plan_sha256="", checklist_sha256=""
    )
    made = decide(asks, Facts(start=start, candidates=(mine, same, other)), NOW)
    by_variant = {f.variant: f.status for f in made if f.variant}
    assert by_variant == {"same": Status.PASS, "other": Status.INCONCLUSIVE}
    assert not any(f.id == "license.reading" for f in made)  # it fits a text of this checklist's models


@pytest.mark.parametrize(
    ("use", "status", "outcome"),
    [
        (Use(revenue_usd=5e6), Status.PASS, "allowed"),
        (Use(revenue_usd=1e7), Status.FAIL, "over-limit"),
        (Use(), Status.INCONCLUSIVE, "limit-unknown"),
    ],
)
def test_a_limit_on_revenue(use, status, outcome):
    candidate = CandidateFacts(model="a/b", card=CardLicense(license=("other",), license_name="lfm1.0"))
    finding = found(candidate, use)["license.commercial-use"]
    assert (finding.status, finding.outcome) == (status, outcome)
    assert finding.data.get("limit" if outcome != "allowed" else "within") in (1e7, ["revenue_usd=5000000<10000000"])


def test_the_field_of_use_stands_beside_a_licenses_restrictions():
    candidate = CandidateFacts(
        model="a/b", card=CardLicense(license=("other",), license_name="health-ai-developer-foundations")
    )
    assert "say what you do in use.field" in found(candidate)["license.commercial-use"].summary
    named = found(candidate, Use(field="triage in clinics"))["license.commercial-use"]
    assert named.status is Status.INCONCLUSIVE
    assert "your field: triage in clinics" in named.summary


@pytest.mark.parametrize(
    "expression", ["Apache-2.0 OR MIT", "GPL-2.0-only WITH Classpath-exception-2.0", "0BSD", "LicenseRef-house"]
)
def test_an_spdx_expression_that_the_table_does_not_decide_is_named_and_never_a_pass(tmp_path, expression):
    where = tmp_path / "m"
    where.mkdir()
    (where / "README.md").write_text(f"---\nlicense: {expression}\n---\n")
    from evalkit.hub import collect

    read = collect(str(where))
    assert read.card.spdx == expression
    made = found(read)["license.identified"]
    assert made.status is Status.INCONCLUSIVE
    assert expression in made.summary


def test_the_table_of_variants_pins_the_different_terms_of_one_family():
    terms = {v.id: find(v.license).terms.commercial for v in load_variants()}
    assert terms.pop("nvidia/Nemotron-Labs-Diffusion-VLM-8B") == "no"
    assert set(terms.values()) == {"yes"}
