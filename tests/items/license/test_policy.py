"""Properties of the license decision that hold for every license, card and use."""

from __future__ import annotations

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from evalkit.checklist.schema import Reading, Use
from evalkit.data import load_licenses
from evalkit.findings import SEVERITY, Finding, Status, worst
from evalkit.hub.facts import BaseModelFacts, CandidateFacts, CardLicense, TextFile
from evalkit.items.license.decide import of_candidate
from evalkit.items.license.record import record
from evalkit.items.license.terms import find

ROWS = load_licenses()
HASH = "a" * 64
FACETS = {"commercial": "commercial-use", "modify": "modify", "redistribute": "redistribute"}
uses = st.builds(
    Use,
    purpose=st.sampled_from(["research", "evaluation", "internal", "product"]),
    commercial=st.booleans(),
    modify=st.booleans(),
    redistribute=st.booleans(),
    revenue_usd=st.none() | st.floats(0, 1e12),
    monthly_users=st.none() | st.integers(0, 10**10),
)
names = st.sampled_from([n for row in ROWS for n in (row.id, row.name, *row.aliases)]) | st.text(max_size=40)


@st.composite
def cards(draw: st.DrawFn) -> CardLicense:
    name = draw(names)
    if draw(st.booleans()):
        return CardLicense(
            license=("other",), license_name=name or None, license_link=draw(st.none() | st.text(max_size=60))
        )
    return CardLicense(license=(name,) if name.strip() else (), license_link=draw(st.none() | st.text(max_size=60)))


def statuses(found: list[Finding], facet: str) -> list[Status]:
    return [f.status for f in found if f.id == f"license.{FACETS[facet]}"]


def row_of(card: CardLicense):
    if len(card.license) != 1:
        return None
    name = card.license_name if card.license[0] == "other" else card.license[0]
    return find(name) if name else None


@given(cards(), uses)
def test_a_use_passes_only_where_the_table_has_one_text_that_allows_it_and_every_limit_is_known_and_kept(card, use):
    found = of_candidate(use, CandidateFacts(model="a/b", card=card))
    for facet in FACETS:
        if not getattr(use, facet):
            assert statuses(found, facet) == []
            continue
        (status,) = statuses(found, facet)
        if status is not Status.PASS:
            continue
        row = row_of(card)
        assert row is not None
        assert row.kind == "license"
        answer = getattr(row.terms, facet)
        assert answer in ("yes", "conditional")
        assert answer == "yes" or not row.terms.conditions.get(facet)
        assert row.terms.user_cap is None or (use.monthly_users is not None and use.monthly_users < row.terms.user_cap)
        assert row.terms.revenue_cap is None or (
            use.revenue_usd is not None and use.revenue_usd < row.terms.revenue_cap
        )


@given(cards(), uses)
def test_every_finding_that_does_not_carry_says_what_to_do(card, use):
    for finding in of_candidate(use, CandidateFacts(model="a/b", card=card)):
        assert finding.summary
        assert finding.remedy or finding.status in (Status.PASS, Status.NOT_APPLICABLE)


@given(cards(), uses, st.sampled_from(ROWS))
def test_a_license_file_of_another_text_never_makes_the_answer_better(card, use, other):
    plain = CandidateFacts(model="a/b", card=card)
    text = TextFile(name="LICENSE", sha256=HASH, size=1, matches=(other.id,))
    with_file = plain.model_copy(update={"license_texts": (text,)})
    row = row_of(card)
    if row is not None and row.id == other.id:
        return
    left = [f for f in of_candidate(use, plain) if f.id != "license.text-pinned"]
    right = [f for f in of_candidate(use, with_file) if f.id != "license.text-pinned"]
    assert SEVERITY.index(worst([f.status for f in right])) <= SEVERITY.index(worst([f.status for f in left]))


@given(cards(), uses, cards())
def test_a_base_model_never_makes_the_answer_better(card, use, base):
    plain = CandidateFacts(model="a/b", card=card)
    derived = plain.model_copy(
        update={"base_model": ("a/base",), "bases": (BaseModelFacts(model="a/base", revision="c" * 40, card=base),)}
    )
    left, right = (worst([f.status for f in of_candidate(use, one)]) for one in (plain, derived))
    assert SEVERITY.index(right) <= SEVERITY.index(left)


@given(cards(), uses, st.booleans())
def test_a_reading_lifts_neither_a_no_nor_a_limit(card, use, answer):
    reading = Reading(
        text_sha256=HASH, commercial=answer, modify=answer, redistribute=answer, by="legal", date=date(2026, 11, 1)
    )
    text = TextFile(name="LICENSE", sha256=HASH, size=1)
    candidate = CandidateFacts(model="a/b", card=card, license_texts=(text,))
    row = row_of(card)
    found = of_candidate(use, candidate, [reading])
    for facet in FACETS:
        if not getattr(use, facet):
            continue
        (status,) = statuses(found, facet)
        if not answer:
            assert status in (Status.FAIL, Status.INCONCLUSIVE)
        if row is not None and row.kind == "license" and getattr(row.terms, facet) == "no":
            assert status is Status.FAIL


@given(cards(), uses)
def test_the_record_is_json_of_the_contract_and_says_the_worst_of_its_reasons(card, use):
    candidate = CandidateFacts(model="a/b", card=card)
    made = record(use, candidate)
    assert made["status"] == worst([f.status for f in of_candidate(use, candidate)]).value
    assert len(made["reasons"]) == len(of_candidate(use, candidate))
