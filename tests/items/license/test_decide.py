from __future__ import annotations

import pytest

from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.findings import Status
from evalkit.hub.facts import CandidateFacts, CardLicense, TextFile
from evalkit.items.license.decide import decide
from tests.support.start import NOW, START

HASH = "a" * 64


def decided(card=None, *, use=None, readings=None, role_variant=None, **fields):
    checklist = Checklist.model_validate(
        {"candidate": {"model": "a/b"}, "use": use or {}, "items": {"license": {"readings": readings or []}}}
    )
    candidates = (CandidateFacts(model="a/b", card=card, **fields),)
    if role_variant:
        candidates += (CandidateFacts(model="a/v", role="variant", card=role_variant),)
    return decide(checklist, Facts(start=START, candidates=candidates), NOW)


def status(findings, name):
    return next(f.status for f in findings if f.id == f"license.{name}")


def card(license_, name=None):
    return CardLicense(license=(license_,) if license_ else (), license_name=name)


def test_the_text_models_license_allows_commercial_use():
    found = decided(card("other", "nvidia-nemotron-open-model-license"))
    assert status(found, "commercial-use") is Status.PASS
    assert status(found, "text-pinned") is Status.WARN


def test_the_vision_models_license_does_not_although_its_tag_is_the_same():
    found = decided(card("other", "nscl-v1"))
    assert status(found, "commercial-use") is Status.FAIL
    assert status(found, "purpose") is Status.FAIL


@pytest.mark.parametrize("name", ["other", "unknown", "gpl", "cc", "openrail", "made-up-license", None])
def test_a_name_that_names_no_text_is_never_a_pass(name):
    found = decided(card(name))
    assert status(found, "identified") is Status.INCONCLUSIVE
    assert status(found, "commercial-use") is Status.INCONCLUSIVE


def test_case_and_padding_do_not_hide_a_license():
    assert status(decided(card(" Apache-2.0 ")), "commercial-use") is Status.PASS


def test_an_unreadable_card_is_an_error_for_every_use_that_was_asked():
    found = decided(use={"modify": True}, error="no network", error_kind="network")
    assert {f.status for f in found} == {Status.ERROR}
    assert {f.id for f in found} == {"license.identified", "license.commercial-use", "license.modify"}


def test_a_user_cap_fails_above_it_and_stays_open_when_the_number_is_not_given():
    assert status(decided(card("llama3.1")), "commercial-use") is Status.INCONCLUSIVE
    assert status(decided(card("llama3.1"), use={"monthly_users": 800_000_000}), "commercial-use") is Status.FAIL


def test_a_reading_bound_to_the_text_decides_an_unknown_license():
    reading = {"text_sha256": HASH, "commercial": True, "by": "legal", "date": NOW.date()}
    text = TextFile(name="LICENSE", sha256=HASH, size=3)
    found = decided(card("other", "house-license"), readings=[reading], license_texts=(text,))
    assert status(found, "commercial-use") is Status.PASS


def test_a_reading_of_another_text_is_stale():
    reading = {"text_sha256": "b" * 64, "commercial": True, "by": "legal", "date": NOW.date()}
    found = decided(card("other", "house-license"), readings=[reading])
    assert status(found, "reading") is Status.INCONCLUSIVE
    assert status(found, "commercial-use") is Status.INCONCLUSIVE


def test_another_variant_is_shown_and_does_not_count():
    found = decided(card("apache-2.0"), role_variant=card("other", "nscl-v1"))
    variant = next(f for f in found if f.variant)
    assert variant.status is Status.FAIL
    assert not variant.counts


def test_a_reading_does_not_lift_a_user_cap():
    reading = {"text_sha256": HASH, "commercial": True, "by": "legal", "date": NOW.date()}
    text = TextFile(name="LICENSE", sha256=HASH, size=3)
    for users, expected in ((1_000_000_000, Status.FAIL), (None, Status.INCONCLUSIVE), (1_000, Status.PASS)):
        found = decided(card("llama2"), use={"monthly_users": users}, readings=[reading], license_texts=(text,))
        assert status(found, "commercial-use") is expected


def test_a_license_file_that_is_another_text_than_the_card_names_is_never_a_pass():
    text = TextFile(name="LICENSE", sha256=HASH, size=3, matches=("nvidia-nscl-v1",))
    found = decided(card("apache-2.0"), license_texts=(text,))
    assert status(found, "consistent") is Status.INCONCLUSIVE
    assert status(found, "commercial-use") is Status.INCONCLUSIVE


def test_a_reading_of_the_contradicting_text_settles_only_what_it_speaks_of():
    text = TextFile(name="LICENSE", sha256=HASH, size=3, matches=("mit",))
    reading = {"text_sha256": HASH, "commercial": True, "by": "legal", "date": NOW.date()}
    found = decided(card("apache-2.0"), use={"modify": True}, readings=[reading], license_texts=(text,))
    assert status(found, "consistent") is Status.WARN
    assert status(found, "commercial-use") is Status.PASS
    assert status(found, "modify") is Status.INCONCLUSIVE


def test_a_notice_about_another_work_is_no_contradiction():
    text = TextFile(name="NOTICE", sha256=HASH, size=3, matches=("mit",))
    assert status(decided(card("apache-2.0"), license_texts=(text,)), "commercial-use") is Status.PASS


@pytest.mark.parametrize(("allowed", "expected"), [(True, Status.PASS), (False, Status.FAIL)])
def test_a_providers_terms_speak_of_commercial_use_only(allowed, expected):
    terms = {"url": "https://example.com/terms", "commercial": allowed, "by": "legal", "date": NOW.date()}
    checklist = Checklist.model_validate(
        {"use": {"modify": True, "redistribute": True}, "items": {"license": {"provider_terms": terms}}}
    )
    found = decide(checklist, Facts(start=START), NOW)
    assert status(found, "commercial-use") is expected
    assert status(found, "modify") is Status.INCONCLUSIVE
    assert status(found, "redistribute") is Status.INCONCLUSIVE
