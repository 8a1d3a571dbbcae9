"""Open load and capacity as findings: what decides, what is information, and what keeps a claim open."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from evalkit.analysis.capacity import search
from evalkit.analysis.load import CAPACITY
from evalkit.checklist.schema import Checklist
from evalkit.facts import CollectError
from evalkit.findings import Status
from evalkit.items.modes import decide as item
from evalkit.timing.facts import ClientLimit
from tests.support.queues import Server
from tests.timing.support import AR, DLM, facts, simulated

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LIMIT = ClientLimit(events_per_s=40_000, in_flight=20_000, events={AR: 32, DLM: 4}, e2e_ms={AR: 500, DLM: 300})
SLOW, FAST = Server(), Server(mean_ms=500)
POINT = {"rate": 4.0, "seconds": 30}


def asked(**modes):
    document = {m: {"endpoint": "http://a:1"} for m in (AR, DLM)}
    return Checklist.model_validate({"modes": document, "items": {"modes": {"speedup": {"at_least": 1.2}, **modes}}})


def blocks(mode, server, key, count=8, rate=4.0):
    return [server.block(mode, n, rate, 30, load=key, ramp=0) for n in range(count)]


def loaded(slow=SLOW, fast=FAST, count=8, change=lambda block: block, **more):
    key = "4/s poisson"
    pairs = [*blocks(AR, slow, key, count), *map(change, blocks(DLM, fast, key, count))]
    return facts(simulated(1.5), loads=tuple(pairs), client_limit=LIMIT, **more)


def decided(checklist, seen, name, mode=DLM):
    return next(f for f in item.decide(checklist, seen, NOW) if f.id == f"modes.{name}" and f.mode == mode)


LOAD = asked(load=[POINT], decide_at="load")


def test_a_mode_that_is_faster_under_load_passes_and_the_closed_loop_is_information():
    found = decided(LOAD, loaded(), "load")
    assert (found.status, found.outcome, found.counts) == (Status.PASS, "shown", True)
    assert found.data["ratio"] > 1.8
    assert found.data["low"] < found.data["ratio"] / 1.08  # starts and unseen prompts are allowed for
    assert not decided(LOAD, loaded(), "speedup").counts
    assert decided(LOAD, loaded(), "load-client").status is Status.PASS
    assert decided(LOAD, loaded(), "load-replies").outcome == "alike"


def test_a_load_that_does_not_decide_is_information():
    found = decided(asked(load=[POINT]), loaded(), "load")
    assert not found.counts
    assert decided(asked(load=[POINT]), loaded(), "speedup").counts


@pytest.mark.parametrize(
    ("seen", "outcome"),
    [
        (loaded(fast=Server(mean_ms=1000)), "below"),
        (loaded(fast=Server(mean_ms=810)), "open"),
        (loaded(count=5), "too-few-blocks"),
        (loaded(count=1), "too-few-blocks"),
        (loaded(change=lambda b: b.model_copy(update={"ends": "u" + b.ends[1:]})), "unfinished"),
        (loaded(change=lambda b: b.model_copy(update={"ends": "s" * 9 + b.ends[9:]})), "failed"),
        (facts(simulated(1.5)), "not-measured"),
    ],
)
def test_what_keeps_a_claim_under_load_from_passing(seen, outcome):
    found = decided(LOAD, seen, "load")
    assert found.outcome == outcome
    assert found.remedy or outcome == "below"
    assert found.counts
    assert not found.status.carries


def test_an_error_is_why_nothing_was_measured():
    seen = facts(simulated(1.5), errors=(CollectError(item="modes", mode=DLM, summary="no such host"),))
    assert "no such host" in decided(LOAD, seen, "load").summary


def test_unfinished_requests_of_the_baseline_understate_the_gain_and_do_not_forbid_it():
    key = "4/s poisson"
    cut = [b.model_copy(update={"ends": "u" + b.ends[1:]}) for b in blocks(AR, SLOW, key)]
    seen = facts(simulated(1.5), loads=(*cut, *blocks(DLM, FAST, key)), client_limit=LIMIT)
    assert decided(LOAD, seen, "load").outcome == "shown"


def test_latency_targets_are_decided_under_load_by_blocks():
    checklist = asked(load=[POINT], decide_at="load", latency={"e2e_p95_ms": 2000, "ttft_p50_ms": 5})
    found = {
        f.data["label"]: f
        for f in item.decide(checklist, loaded(), NOW)
        if f.id == "modes.load-latency" and f.mode == DLM
    }
    assert found["E2E p95"].outcome == "within"
    assert found["TTFT p50"].outcome == "beyond"
    assert not decided(checklist, loaded(), "latency-e2e-p95").counts


def test_replies_that_break_or_shrink_under_load_are_noticed():
    broken = loaded(change=lambda b: b.model_copy(update={"signs": {"loops": b.looked_at // 3}}))
    assert decided(LOAD, broken, "load-replies").outcome == "broken"
    short = loaded(
        fast=Server(mean_ms=700), change=lambda b: b.model_copy(update={"tokens": tuple(16 for _ in b.tokens)})
    )
    assert decided(LOAD, short, "load-replies").outcome == "shorter"


def test_a_client_that_is_late_and_a_rate_beyond_it_are_no_evidence():
    late = loaded(change=lambda b: b.model_copy(update={"late_ms": tuple(40.0 for _ in b.late_ms)}))
    assert decided(LOAD, late, "load-client").outcome == "too-late"
    small = LIMIT.model_copy(update={"events_per_s": 50.0, "refused": {"4/s poisson|diffusion": 4.0}})
    refused = facts(simulated(1.5), client_limit=small)
    found = decided(LOAD, refused, "load-client")
    assert (found.outcome, found.status) == ("refused", Status.INCONCLUSIVE)
    assert found.data["limit_rate"] == pytest.approx(50 / 14)


# -- capacity --------------------------------------------------------------------------------------------------------

SEARCHED = {"slo": {"e2e_ms": 2500, "share": 0.9}, "seconds": 20, "at_least": 1.3}
CAPACITY_ASKED = asked(capacity=SEARCHED, decide_at="capacity")


def capacities(checklist, slow=SLOW, fast=FAST, stop=99, limit=LIMIT):
    """What a run would have written down: the product's search on simulated servers."""
    wanted, found = checklist.items.modes.capacity, []
    for mode, server in ((AR, slow), (DLM, fast)):
        from evalkit.analysis.capacity import bounds

        within = bounds(wanted, limit.rate(mode, wanted.slo.e2e_ms), limit.e2e_ms[mode])
        while (nxt := search(found, mode, wanted, within, 1).next) is not None and nxt[0] < stop:
            found.append(server.block(mode, *nxt, wanted.seconds))
    return facts(simulated(1.5), loads=tuple(found), client_limit=limit)


@pytest.fixture(scope="module")
def measured():
    return capacities(CAPACITY_ASKED)


def test_the_capacity_decides_with_the_ratio_and_its_interval(measured):
    found = decided(CAPACITY_ASKED, measured, "capacity")
    assert (found.status, found.outcome, found.counts) == (Status.PASS, "shown", True)
    assert 1.6 < found.data["ratio"] < 2.6
    assert found.data["low"] < found.data["ratio"] < found.data["high"]
    own = decided(CAPACITY_ASKED, measured, "capacity", AR)
    assert (own.outcome, own.counts) == ("measured", False)
    assert 6 < own.data["rate"] < 10
    assert decided(CAPACITY_ASKED, measured, "overload").outcome in ("queues", "slows")


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [({"fast": SLOW}, "below"), ({"stop": 4}, "too-few-blocks"), ({"stop": 0}, "not-measured")],
)
def test_what_keeps_a_claim_on_capacity_from_passing(changes, outcome):
    found = decided(CAPACITY_ASKED, capacities(CAPACITY_ASKED, **changes), "capacity")
    assert found.outcome == outcome
    assert not found.status.carries
    assert found.remedy


def test_a_capacity_beyond_what_could_be_sent_is_open_and_names_the_way_forward():
    checklist = asked(capacity={**SEARCHED, "most": 3.0}, decide_at="capacity")
    found = decided(checklist, capacities(checklist), "capacity")
    assert found.outcome == "open"
    assert "most" in found.remedy


def test_blocks_that_count_too_few_requests_say_how_long_they_should_be():
    checklist = asked(capacity={**SEARCHED, "seconds": 5, "slo": {"e2e_ms": 2500, "share": 0.99}}, decide_at="capacity")
    found = decided(checklist, capacities(checklist), "capacity")
    assert found.outcome == "coarse"
    assert found.data["seconds_needed"] > 5


def test_a_level_that_nobody_keeps_fails_no_mode_against_the_other_but_is_said():
    checklist = asked(capacity={**SEARCHED, "slo": {"e2e_ms": 5}}, decide_at="capacity")
    seen = capacities(checklist)
    assert decided(checklist, seen, "capacity", AR).outcome == "never"
    assert not decided(checklist, seen, "capacity").status.carries


def test_a_server_that_went_down_is_said_and_stays_open(measured):
    some = [b for b in measured.loads if b.mode == AR or b.block < 2]
    down = some[-1].model_copy(
        update={"ends": "a" + "x" * (len(some[-1].ends) - 1), "after_ms": None, "block": 2, "rate": 9.9}
    )
    seen = measured.model_copy(update={"loads": (*some, down)})
    found = decided(CAPACITY_ASKED, seen, "capacity")
    assert found.outcome == "died"
    assert decided(CAPACITY_ASKED, seen, "overload").outcome == "dies"


def test_capacity_blocks_are_no_blocks_of_a_load(measured):
    both = asked(capacity=SEARCHED, load=[POINT], decide_at="load")
    assert decided(both, measured, "load").outcome == "not-measured"
    assert not decided(both, measured, "capacity").counts
    assert {b.load for b in measured.loads} == {CAPACITY}
