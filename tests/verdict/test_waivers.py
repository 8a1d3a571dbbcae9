from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.checklist.schema import Checklist
from evalkit.findings import ITEM_IDS, Finding, Status
from evalkit.verdict.waivers import LONGEST, apply

NOW = datetime(2026, 11, 24, 23, 59, tzinfo=UTC)
TODAY = NOW.date()


def checklist(*waivers: dict) -> Checklist:
    base = {"finding": "quality.critical", "reason": "because", "owner": "jd", "expires": TODAY.isoformat()}
    return Checklist.model_validate_json(__import__("json").dumps({"waivers": [base | w for w in waivers]}))


def finding(status: Status = Status.FAIL, **changes) -> Finding:
    known = {"id": "quality.critical", "item": "quality", "status": status, "summary": "s", "mode": "diffusion"}
    return Finding(**known | changes)


def decided(waivers: Checklist, *findings: Finding, revision: str | None = "c" * 40):
    before = {item: [f for f in findings if f.item == item] for item in ITEM_IDS}
    after, uses = apply(before, waivers, revision, NOW)
    return after["quality"], uses


@pytest.mark.parametrize("status", [Status.FAIL, Status.INCONCLUSIVE, Status.ERROR])
def test_a_live_waiver_keeps_the_original_status(status) -> None:
    (after,), (use,) = decided(checklist({"ticket": "OPS-1"}), finding(status))
    assert (after.status, after.original_status) == (Status.WAIVED, status)
    assert (use.state, use.original_status, use.ticket, use.kind) == ("used", status, "OPS-1", "accepted-risk")


@pytest.mark.parametrize("status", [Status.PASS, Status.WARN, Status.SKIPPED, Status.NOT_APPLICABLE])
def test_what_needs_no_waiver_gets_none_and_the_waiver_warns(status) -> None:
    (after, remark), (use,) = decided(checklist({}), finding(status))
    assert after.status is status
    assert (remark.id, remark.status) == ("quality.waiver-unused", Status.WARN)
    assert use.state == "unused"


@pytest.mark.parametrize(
    ("days", "state"),
    [(-1, "expired"), (0, "used"), (1, "used"), (LONGEST.days, "used"), (LONGEST.days + 1, "too-long")],
)
def test_expiry_is_inclusive_and_at_most_180_days(days, state) -> None:
    expires = (TODAY + timedelta(days=days)).isoformat()
    (after, *remarks), (use,) = decided(checklist({"expires": expires}), finding())
    assert use.state == state
    assert (after.status is Status.WAIVED) == (state == "used")
    assert [r.id for r in remarks] == {
        "used": [], "expired": ["quality.waiver-expired"], "too-long": ["quality.waiver-unused"]
    }[state]  # fmt: skip


def test_a_waiver_that_ran_out_fails_even_what_was_only_open() -> None:
    found, _ = decided(checklist({"expires": "2026-11-23"}), finding(Status.INCONCLUSIVE))
    assert [f.status for f in found] == [Status.INCONCLUSIVE, Status.FAIL]
    assert found[1].mode == "diffusion"
    assert "run out" in found[1].summary


def test_a_waiver_of_a_mode_or_a_commit_covers_no_other() -> None:
    other = finding(mode="self-speculation")
    found, _ = decided(checklist({"mode": "diffusion"}), finding(), other)
    assert [f.status for f in found] == [Status.WAIVED, Status.FAIL]
    (after, remark), (use,) = decided(checklist({"revision": "d" * 40}), finding())
    assert (after.status, remark.status, use.state) == (Status.FAIL, Status.WARN, "other-revision")
    (after,), _ = decided(checklist({"revision": "c" * 40}), finding())
    assert after.status is Status.WAIVED
    (after, _), _ = decided(checklist({"revision": "c" * 40}), finding(), revision=None)
    assert after.status is Status.FAIL


def test_cases_are_waived_one_by_one_and_only_all_of_them_together() -> None:
    lost = finding(data={"lost": ["city/paris", "city/oslo"], "open": []})
    one, both = checklist({"case": "paris"}), checklist({"case": "city/paris"}, {"case": "oslo"})
    (after, remark), (use,) = decided(one, lost)
    assert (after.status, use.state, remark.status) == (Status.FAIL, "unused", Status.WARN)
    (after,), uses = decided(both, lost)
    assert after.status is Status.WAIVED
    assert [u.state for u in uses] == ["used", "used"]
    (after, _), _ = decided(checklist({"case": "rome"}), lost)
    assert after.status is Status.FAIL


@given(
    st.lists(st.sampled_from(list(Status)), max_size=6),
    st.lists(st.integers(-400, 400), max_size=4),
)
def test_a_dead_waiver_never_makes_anything_better(statuses, days) -> None:
    expires = [{"expires": (TODAY + timedelta(days=d)).isoformat()} for d in days if not 0 <= d <= LONGEST.days]
    found, _ = decided(checklist(*expires), *(finding(s) for s in statuses))
    assert [f.status for f in found if f.id == "quality.critical"] == statuses


def test_dates_are_dates() -> None:
    assert checklist({"expires": "2027-01-31"}).waivers[0].expires == date(2027, 1, 31)
