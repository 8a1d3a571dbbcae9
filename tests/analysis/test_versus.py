"""Each mode beside the model used today: which side is taken, by whose interval, and what keeps it from being taken."""

from __future__ import annotations

import math
import random

import pytest

from evalkit.analysis.capacity import bounds, search
from evalkit.checklist.prices import Cost
from evalkit.checklist.schema import Checklist
from evalkit.facts import CollectError
from evalkit.gpu.facts import Gpu, HardwareFacts
from evalkit.items.modes import decide as item
from evalkit.serving.facts import EndpointFacts
from evalkit.timing.facts import ClientLimit, LoadBlock
from evalkit.verdict.decide import decide
from tests.support.queues import Server
from tests.timing.support import AR, DLM, NOW, facts, sample, simulated

INC = "incumbent"


def asked(baseline=None, required=False, **settings):
    data = {
        "modes": {AR: {"endpoint": "http://a:1"}, DLM: {"endpoint": "http://a:2"}},
        "incumbent": {"endpoint": "http://a:3", "required": required},
        "items": {"modes": settings},
    }
    return Checklist.model_validate(data | ({"baseline": baseline} if baseline else {}))


def three(ratios, n=60, seed=1, **kw):
    """Readings of prompts that take each label `base / ratio`, in turn."""
    rng, out, place = random.Random(seed), [], 0
    for i in range(n):
        base = math.exp(rng.gauss(6, 0.6))
        for repeat in range(2):
            for label, ratio in ratios.items():
                ms = base / ratio * math.exp(rng.gauss(0, 0.03))
                out.append(sample(label, f"p{i}", repeat, ms, place, **(kw if label == DLM else {})))
                place += 1
    return out


def served(label, way=1.0, place="elsewhere", **kw):
    return EndpointFacts(
        label=label, endpoint=f"http://{label}:1", reachable=True, round_trip_ms=way, place=place, **kw
    )


def found(check, seen, mode=DLM, name="modes.incumbent"):
    return next(f for f in item.decide(check, seen, NOW) if (f.id, f.mode) == (name, mode))


def test_a_mode_can_gain_over_its_own_decoding_and_lose_to_todays_model():
    seen = facts(three({AR: 1.0, DLM: 2.0, INC: 4.0}))
    got = found(asked(), seen)
    assert (got.outcome, got.counts) == ("worse", False)
    assert got.data["ratio"] == pytest.approx(0.5, rel=0.03)
    assert found(asked(), seen, name="modes.speedup").outcome == "shown"
    assert found(asked(), seen, AR).data["ratio"] == pytest.approx(0.25, rel=0.03)


def test_a_mode_of_twice_the_speed_of_todays_is_better_by_the_interval_of_the_claim():
    seen = facts(three({AR: 1.0, DLM: 2.0, INC: 1.0}))
    got, claim = found(asked(), seen), found(asked({"speed": INC}), seen, name="modes.speedup")
    assert got.outcome == "better"
    assert (got.data["low"], got.data["high"]) == (claim.data["low"], claim.data["high"])
    assert got.data["low"] < 2.0 < got.data["high"]


@pytest.mark.parametrize(
    ("ratios", "n", "because"), [({AR: 1.0, DLM: 1.0, INC: 1.0}, 60, "open"), ({AR: 1.0, DLM: 2.0, INC: 1.0}, 8, "too-few-prompts")]
)  # fmt: skip
def test_what_is_not_shown_takes_no_side(ratios, n, because):
    got = found(asked(), facts(three(ratios, n=n)))
    assert (got.outcome, got.data["because"]) == ("open", because)


def test_an_incumbent_that_did_not_answer_is_not_compared_and_one_that_is_not_asked_is_no_finding():
    seen = facts(simulated(2.0), errors=(CollectError(item="modes", mode=INC, summary="it did not answer"),))
    got = found(asked(), seen)
    assert (got.outcome, got.data["ratio"]) == ("not-timed", None)
    assert got.data["why"] == "it did not answer"
    plain = Checklist.model_validate({"modes": {m: {"endpoint": "http://a:1"} for m in (AR, DLM)}})
    assert not [f for f in item.decide(plain, seen, NOW) if f.id == "modes.incumbent"]


@pytest.mark.parametrize(("way", "outcome"), [(1.0, "better"), (400.0, "guarded"), (None, "guarded")])
def test_a_gain_that_the_way_to_the_incumbent_could_explain_is_not_believed(way, outcome):
    ends = {DLM: served(DLM), AR: served(AR), INC: served(INC, way)}
    rng = random.Random(2)
    both = [
        sample(m, f"p{i}", r, (500 if m == DLM else 800) * math.exp(rng.gauss(0, 0.02)), i)
        for i in range(60) for r in range(2) for m in (AR, DLM, INC)
    ]  # fmt: skip
    got = found(asked(), facts(both, endpoints=ends))
    assert got.outcome == outcome
    assert got.data.get("guard") == (None if outcome == "better" else "modes.round-trip")


def test_a_loss_that_the_way_to_the_mode_could_explain_is_not_believed_either():
    ends = {DLM: served(DLM, 400.0), AR: served(AR), INC: served(INC)}
    both = [
        sample(m, f"p{i}", r, (900 if m == DLM else 800) + i % 7, i)
        for i in range(60)
        for r in range(2)
        for m in (AR, DLM, INC)
    ]
    assert found(asked(), facts(both, endpoints=ends)).data["guard"] == "modes.round-trip"


def test_shorter_replies_are_no_gain_over_todays_model():
    rng = random.Random(3)
    timed = []
    for i in range(60):
        for repeat in range(2):
            for label, part in ((AR, 1.0), (DLM, 0.4), (INC, 1.0)):
                ms = 1000 * part * math.exp(rng.gauss(0, 0.02))
                timed.append(
                    sample(
                        label, f"p{i}", repeat, ms, len(timed), tokens=int(100 * part), text="word " * int(100 * part)
                    )
                )
    got = found(asked(), facts(timed))
    assert (got.outcome, got.data["guard"]) == ("guarded", "modes.length-honesty")


def test_engine_and_hardware_of_both_are_named():
    gpus = (Gpu(index=0, name="H100"), Gpu(index=1, name="H100"), Gpu(index=2, name="L4"))
    hardware = HardwareFacts(place="here", gpus=gpus, endpoint_gpus={DLM: (0, 1)}, declared="A100")
    ends = {
        DLM: served(DLM, engine="sglang", engine_version="0.5"),
        AR: served(AR),
        INC: served(INC, engine="vllm", engine_version="0.9"),
    }
    got = found(asked(), facts(three({AR: 1.0, DLM: 2.0, INC: 1.0}), endpoints=ends, hardware=hardware)).data
    assert (got["engine"], got["incumbent_engine"], got["hardware"]) == ("sglang 0.5", "vllm 0.9", "2 x H100")
    assert "incumbent_hardware" not in got  # what is declared is not said of today's model


def load_block(mode, number, ms, rate=2.0, name="rate 2"):
    n = 40
    return LoadBlock(
        load=name, mode=mode, block=number, rate=rate, seconds=20.0, planned=n, intended_ms=tuple(map(float, range(n))),
        late_ms=(0.0,) * n, ttft_ms=(5.0,) * n, e2e_ms=(ms,) * n, tokens=(8,) * n, ends="a" * n, prompts=tuple(range(n)), after_ms=5.0,
    )  # fmt: skip


def test_under_an_open_load_the_blocks_of_both_are_compared():
    check = asked(decide_at="load", load=[{"rate": 2.0, "seconds": 20}])
    name, rng = check.items.modes.load[0].key, random.Random(4)
    blocks = [
        load_block(mode, n, ms * math.exp(rng.gauss(0, 0.02)), name=name)
        for n in range(8) for mode, ms in ((AR, 200.0), (DLM, 100.0), (INC, 300.0))
    ]  # fmt: skip
    got = found(check, facts(three({AR: 1.0, DLM: 1.0, INC: 1.0}), loads=tuple(blocks)))
    assert got.data["what"] == "load"
    assert got.data["ratio"] == pytest.approx(3.0, rel=0.05)
    assert got.data["pairs"] == 8


def test_speed_against_todays_model_is_information_and_changes_no_verdict():
    seen = facts(three({AR: 1.0, DLM: 2.0, INC: 4.0}))
    slower, none = decide(asked(), seen, NOW), decide(asked(required=True), seen, NOW)
    assert slower.recommended_mode == none.recommended_mode
    counted = {f.id for one in slower.items for f in one.findings if f.counts}
    assert not {"modes.incumbent", "modes.cost", "modes.incumbent-cost"} & counted


def test_capacity_is_compared_and_priced_at_its_own_rate():
    check = asked(capacity={"slo": {"e2e_ms": 2500, "share": 0.9}, "seconds": 20}, decide_at="capacity")
    check = check.model_copy(
        update={
            "cost": Cost(usd_per_gpu_hour=3.6),
            "incumbent": check.incumbent.model_copy(update={"cost": Cost(usd_per_gpu_hour=3.6)}),
        }
    )
    wanted, blocks = check.items.modes.capacity, []
    limit = ClientLimit(
        events_per_s=40_000, in_flight=20_000, events={AR: 32, DLM: 4, INC: 32}, e2e_ms={AR: 500, DLM: 300, INC: 500}
    )
    for mode, server in ((AR, Server()), (DLM, Server(mean_ms=500)), (INC, Server())):
        within = bounds(wanted, limit.rate(mode, wanted.slo.e2e_ms), limit.e2e_ms[mode])
        while (nxt := search(blocks, mode, wanted, within, 1).next) is not None:
            blocks.append(server.block(mode, *nxt, wanted.seconds))
    seen = facts(three({AR: 1.0, DLM: 1.5, INC: 1.0}), loads=tuple(blocks), client_limit=limit)
    got = found(check, seen, name="modes.incumbent-capacity").data
    assert 1.6 < got["ratio"] < 2.6
    assert got["low"] < got["ratio"] < got["high"]
    assert got["what"] == "capacity"
    money = found(check, seen, name="modes.cost").data
    assert money["usd_per_1000"] == pytest.approx(1 / money["requests_per_s"])
    assert money["usd_per_1000_low"] < money["usd_per_1000"] < money["usd_per_1000_high"]
    versus = found(check, seen, name="modes.incumbent-cost")
    assert versus.data["ratio"] == pytest.approx(got["ratio"], rel=0.02)
    assert versus.outcome == "cheaper"
