"""Repeated prompts: what they show, that nothing decided moves, and which server production resembles."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalkit.analysis.traffic import again, cached, production, resembles
from evalkit.items.modes import decide as item
from evalkit.timing.facts import PrefixHits, RepeatedSample, Traffic
from evalkit.verdict.decide import decide
from tests.support.drawn import runs
from tests.timing.support import AR, DLM, NOW, checklist, facts, sample, simulated


def repeated(ratio, n=8, *, first_ok=lambda _mode, _prompt: True, tokens=(9, 10)):
    """A first answer and two repetitions of each prompt; the mode's are `ratio` times as fast."""
    found, rng = [], random.Random(1)
    for i in range(n):
        base = math.exp(rng.gauss(6, 0.5))
        for turn in range(3):
            for mode in (AR, DLM):
                one = sample(mode, f"p{i}", turn, base / (ratio if mode == DLM else 1), len(found),
                             ok=bool(turn) or first_ok(mode, f"p{i}"))  # fmt: skip
                hit = one.exchange.model_copy(
                    update={"cached_tokens": tokens[0] if turn else 0, "prompt_tokens": tokens[1]}
                )
                found.append(RepeatedSample(**{**dict(one), "exchange": hit}))
    return tuple(found)


def seen(**kw):
    values = {"source": "log.jsonl", "kind": "prompts", "requests": 100, "repeated": 0.0, "shared_prefix": 0.0, **kw}
    return {values["source"]: Traffic(**values)}


def test_the_ratio_is_that_of_the_repetitions_with_the_hits_of_both():
    found = again(checklist(), facts([], repeated=repeated(2.0)), DLM)
    assert found.estimate.ratio == pytest.approx(2.0, rel=1e-3)
    assert found.estimate.low <= 2.0 <= found.estimate.high + 1e-9
    assert (found.cached, found.baseline_cached) == (0.9, 0.9)
    assert again(checklist(), facts([], repeated=repeated(2.0)), AR) is None


def test_a_prompt_whose_first_answer_failed_is_no_repetition():
    samples = repeated(2.0, first_ok=lambda mode, prompt: (mode, prompt) != (DLM, "p3"))
    assert again(checklist(), facts([], repeated=samples), DLM).estimate.pairs == 7
    assert again(checklist(), facts([], repeated=repeated(2.0, first_ok=lambda *_: False)), DLM) is None


def test_hits_that_nobody_reports_are_unknown_and_not_zero():
    one = sample(AR, "p", 1, 100)
    unknown = one.model_copy(update={"exchange": one.exchange.model_copy(update={"cached_tokens": None})})
    assert cached([unknown]) is None
    assert cached([one, unknown]) == 0.0


def test_hits_that_replies_do_not_tell_are_those_of_the_servers_counters():
    untold = repeated(2.0, tokens=(None, 10))
    untold = tuple(
        one.model_copy(update={"exchange": one.exchange.model_copy(update={"cached_tokens": None})}) for one in untold
    )
    counts = [PrefixHits(mode=DLM, prompt_tokens=120, cached_tokens=60 + n) for n in (0, 12)]
    found = again(checklist(), facts([], repeated=untold, prefix_hits=tuple(counts)), DLM)
    assert (found.cached, found.baseline_cached, found.counted) == (0.55, None, True)
    assert not again(checklist(), facts([], repeated=untold), DLM).counted
    told = again(checklist(), facts([], repeated=repeated(2.0), prefix_hits=tuple(counts)), DLM)
    assert (told.cached, told.counted) == (0.9, False)


@pytest.mark.parametrize(("kw", "like"), [
    ({}, "fresh"), ({"shared_prefix": 0.6}, "prefix"), ({"repeated": 0.5, "shared_prefix": 0.5}, "repeated"),
])  # fmt: skip
def test_production_resembles_what_its_requests_repeat(kw, like):
    assert resembles(seen(**kw)["log.jsonl"]) == like
    found = [f for f in item.decide(checklist(), facts(simulated(1.5, n=30), repeated=repeated(2.0), traffic=seen(**kw)), NOW)
             if f.id == "modes.repeated"]  # fmt: skip
    assert [(f.mode, f.outcome, f.counts) for f in found] == [(DLM, like, False)]


def test_a_trace_says_more_than_prompts_and_shipped_prompts_say_nothing():
    both = {**seen(), **seen(source="t.jsonl", kind="trace", repeated=0.9)}
    assert production(facts([], traffic=both)).source == "t.jsonl"
    assert production(facts([], traffic=seen(shipped=True))) is None


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(runs(), st.sampled_from([0.2, 1.0, 5.0]))
def test_nothing_that_is_decided_moves(drawn, ratio):
    def told(one):
        decision = decide(drawn.checklist, one, one.as_of)
        findings = [(f.id, f.mode, f.status, f.outcome, f.summary) for i in decision.items for f in i.findings]
        rest = [f for f in findings if f[0] != "modes.repeated"]
        return decision.verdict, decision.exit_code, decision.recommended_mode, rest

    bare = drawn.facts.model_copy(update={"repeated": ()})
    assert told(drawn.facts.model_copy(update={"repeated": repeated(ratio)})) == told(bare)
