"""Every outcome that a check declares can be said, and no other can be made. Add a row for a check that you add."""

from __future__ import annotations

from typing import get_args

import pytest

from evalkit.analysis.cost import Needed
from evalkit.analysis.frontier import Point
from evalkit.analysis.ladder import Knee, Rung
from evalkit.analysis.witness import Crowd
from evalkit.findings import Status
from evalkit.items.modes import checks as modes
from evalkit.items.modes import (
    guard_words,
    reply_words,
    traffic_checks,
    traffic_words,
    words,
    worth_words,
)
from evalkit.items.quality import checks as quality
from evalkit.items.quality import harness_words, probe_words
from evalkit.items.quality import reply_words as quality_replies
from evalkit.items.quality import words as quality_words
from evalkit.items.serving import checks as serving
from evalkit.items.serving import words_prompts

PAIR = {"mode": "diffusion", "baseline": "autoregressive"}
CROWD = Crowd(
    seconds=9, cores=4, outside_cpu=0.1, outside_most=0.2, before=0.1, after=0.1, steal=0.1, psi=None, load=1.0
)
SUITE = {"suite": "s", "kind": "chat", "shipped": True, "cases": 9, "scored": 8, "pairs": 7}
THIRDS = {"by_third": (1.0, 1.0, 0.9), "baseline_by_third": (1.0, 1.0, 1.0)}
CASES = [
    (modes.OWN_PROMPTS, words.OwnPrompts, {}),
    (modes.DISTINCT_PROMPTS, words.DistinctPrompts, {"prompts": 9, "repeated": 2, "distinct": 7}),
    (modes.MEASURED, words.Measured, {"mode": "diffusion", "concurrency": 1, "requests": 2, "usable": 2, "prompts": 1}),
    (modes.SPEEDUP, words.SpeedUp, {**PAIR, "concurrency": 4, "at_least": 1.1}),
    (modes.GOODPUT, guard_words.Goodput, {"asked": 0.9, "n": 9}),
    (modes.FAILURES, guard_words.Failures,
     {"baseline": "a", "failed": 1, "requests": 9, "upper": 0.2, "baseline_failed": 0, "baseline_requests": 9}),
    (modes.CLIENT_ERROR, guard_words.ClientError, {"streams": 1, "limit": 0.01, "at_least": 1.1, "share": 0.02}),
    (modes.WARM_UP, guard_words.WarmedUp, {"mode": "diffusion", "streams": 1, "requests": 3}),
    (modes.NOISE_FLOOR, words.NoiseFloor, {"mode": "diffusion"}),
    (modes.ORDER_TREND, words.OrderTrend, {}),
    (modes.WITNESS, guard_words.Witness, {"seen": CROWD, "most": 0.25}),
    (modes.ROUND_TRIP, guard_words.RoundTrip, {**PAIR, "mode_ms": 1.0, "baseline_ms": 20.0, "ratio_without": 1.05}),
    (modes.TAIL, guard_words.Tail, {**PAIR, "mode_ms": 1.0, "baseline_ms": 400.0, "ratio_without": 1.05}),
    (modes.REPLIES, reply_words.Replies,
     {**PAIR, "prompts": 9, "signs": {"loops": reply_words.SignSeen(mode=2, baseline=0, p=0.2)}}),
    (modes.LENGTH, reply_words.ReplyLength, {**PAIR, "at_least": 1.1, "length_ratios": {"tokens": 0.5}}),
    (modes.TOKEN_COUNTS, reply_words.TokenCounts, {**PAIR, "ratio": 3.0}),
    (modes.SECOND_READINGS, reply_words.SecondReadings,
     {"readings": {"a": reply_words.Twice(prompts=9, faster=8, slower=0)}, "off": ("a",), "warm": {"a": 2}}),
    (modes.FIXED_LENGTH, worth_words.FixedLength, {"requests": 9, "failed": 9, "ratio": 1.0, "low": 0.9, "high": 1.1}),
    (traffic_checks.REPEATED, traffic_words.Repeated,
     {**PAIR, "ratio": 1.9, "low": 1.2, "high": 2.4, "pairs": 8, "cached": 0.9, "source": "t", "requests": 9,
      "asked_again": 0.1, "shared_prefix": 0.2}),
    (traffic_checks.CONVERSATIONS, traffic_words.Conversations,
     {**PAIR, "conversations": 9, "turns": 30, "first": (0.9, 0.8, 1.1), "later": (1.3, 1.1, 1.5), "cached": 0.9}),
    (modes.STREAM, guard_words.Stream, {"replies": 9, "kinds": {"cut": 1}}),
    (modes.SAME_ENGINE, guard_words.SameEngine, {"engine": "a 1", "baseline_engine": "a 2"}),
    (modes.CACHE, guard_words.CacheEqual, {**PAIR, "left": "a", "why": "no key"}),
    (modes.LAUNCHES, words.Launches, {**PAIR, "starts": 3, "start_sd": 0.03}),
    (modes.LEVELS, worth_words.Levels, {"ratios": {1: 2.0, 4: 0.9}, "crossover": 4}),
    (modes.THROTTLED, worth_words.Throttled, {"readings": 9}),
    (modes.ENERGY, worth_words.Energy, {"baseline": "a", "concurrency": 1, "joules_per_1000_tokens": 9, "watts": 3}),
    (modes.FRONTIER, worth_words.Frontier, {"points": (Point("a", 9.0, 0.5, 0.4, 0.6, 9),)}),
    (modes.REFERENCE, words.Reference, {"mode": "diffusion", "label": "not a serving speed", "baseline": False}),
    (traffic_checks.COST, traffic_words.Cost, {"usd_per_1000": 0.2, "gpus": 2, "scored": 9, "correct": 0.5}),
    (traffic_checks.INCUMBENT_COST, traffic_words.IncumbentCost,
     {"mode": "diffusion", "usd_per_1000": 0.2, "incumbent_usd_per_1000": 0.4, "ratio": 2.0, "low": 1.9, "high": 2.1,
      "right_ratio": 1.8, "self_hosted": "diffusion", "break_even_per_hour": 900.0, "break_even_within": True}),
    *((check, traffic_words.Versus, {"mode": "diffusion", "ratio": 2.0, "low": 1.9, "high": 2.1, "guard": "modes.a", "why": "b."})
      for check in traffic_checks.VERSUS_CHECKS),
    (serving.PROMPTS_READ, words_prompts.PromptsRead,
     {**PAIR, "prompts": 9, "fewer": 3, "tokens": 4, "other_tokens": 29, "characters": 90_000}),
    (quality.OWN_TASKS, quality_words.OwnTasks,
     {"suites": (quality_words.SuiteGiven(name="s", cases=9, shipped=False),)}),
    (quality.SCORED, quality_words.Scored, SUITE),
    (quality.NON_INFERIORITY, quality_words.NonInferiority,
     {**SUITE, "baseline": "a", "difference": -0.01, "low": -0.04, "high": 0.02, "carried_by": "t", "task": "t",
      "cases_that_would_decide": 99}),
    (quality.FLOOR, quality_words.Floor, {**SUITE, "floor": 0.5, "share": 0.6, "low": 0.4, "high": 0.8}),
    (quality.BASELINE_VALID, quality_words.BaselineValid,
     {**SUITE, "baseline": "a", "baseline_share": 0.4, "floor": 0.5}),
    (quality.EQUIVALENCE, quality_replies.Equivalence,
     {"pairs": 9, "equal": 8, "noise_floor": 1.0, "match_rate": 0.9, "margin": 0.02, "near_ties": 1, "not_looked_up": 0,
      "least_cases": 99, "noisy_below": 0.9, "independent": 9}),
    (quality.DEGENERATION, quality_replies.Degeneration, {**SUITE, "margin": 0.02}),
    (quality.LENGTH_HONESTY, quality_replies.LengthHonesty, {"pairs": 9, "ratio": 1.0, "low": 0.9, "high": 1.1}),
    (quality.BY_POSITION, quality_replies.ByPosition,
     {**SUITE, **THIRDS, "margin": 0.02, "replies": 9, "last_third": -0.1, "low": -0.2, "high": 0.0, "growth_low": -0.2,
      "growth_high": 0.0}),
    (quality.LADDER, probe_words.Ladder,
     {"suite": "s", "axis": "items", "rungs": (Rung(2, 9, 9), Rung(4, 1, 9)), "knee": Knee(2, 4, 1.0, 0.1)}),
    (quality.UNDER_LOAD, probe_words.UnderLoad,
     {"concurrency": 4, "margin": 0.03, "pairs": 9, "difference": -0.1, "low": -0.3, "high": 0.1, "cases_lost": ("s/c",)}),
    (quality.TOOL_LOOPS, quality_replies.ToolLoops,
     {"steps": 20, "repeated": 7, "otherwise": 3, "text": 10, "baseline": "a", "baseline_steps": 20}),
    (quality.HARM, quality_words.Harm, {**SUITE, "baseline": "a", "cases_harmed": ({"case": "c"},), "harmed": 1}),
    (quality.CRITICAL, quality_words.Critical, {"critical": 2, "lost": ("s/c",), "open": ("s/d",)}),
    (quality.INCUMBENT, quality_words.Incumbent,
     {**SUITE, "difference": 0.0, "low": -0.1, "high": 0.1, "weak": "incumbent", "weak_share": 0.1, "floor": 0.5,
      "task": "t", "doubts": ("why",)}),
    (quality.TOOLS, quality_replies.ToolsAvailable, {"suite": "s", "cases": 9, "calls": 3, "intact": 2, "status": 400}),
    (quality.TOOL_OUTCOMES, quality_replies.ToolOutcomes,
     {"suite": "s", "replies": 9, "rates": quality_replies.ToolRates(call=9, asked=9)}),
    (quality.STREAM_PARITY, quality_replies.StreamParity, {"suite": "s", "pairs": 9, "lost": 1, "gained": 0}),
    (quality.JUDGE, quality_replies.Judged, {"judge": "j", "questions": 2, "yes": 1, "compared": 2, "unscored": 1}),
    (quality.IMAGES, quality_words.Images, {"mode": "diffusion", "model": "a/b", "cases": 9, "scored": 8}),
    (quality.HARNESS, harness_words.HarnessResults, {"suite": "t", "mode": "diffusion", "tool": "csv", "samples": 9}),
    *((check, guard_words.Percentile,
       {"label": check.id, "target_ms": 9, "concurrency": 1, "observed_ms": 8.0, "low": 7.0, "high": 8.5,
        "low_failed": False, "n": 80, "independent": 80, "needed": 59, "prompts_needed": None})
      for check in modes.LATENCY.values()),
]  # fmt: skip


@pytest.mark.parametrize(("check", "values", "fields"), CASES, ids=[check.id for check, _, _ in CASES])
def test_values_make_the_outcomes_that_the_check_declares_and_say_each(check, values, fields):
    hint = values.model_fields["outcome"].annotation
    made = {name for one in (hint, *get_args(hint)) for name in (get_args(one) or (one,)) if isinstance(name, str)}
    assert made == set(check.outcomes)
    for outcome, status in check.outcomes.items():
        found = check.found(values(outcome=outcome, **fields))
        assert (found.status, found.outcome) == (status, outcome)
        assert found.summary.endswith(".")
        assert found.remedy or status in (Status.PASS, Status.NOT_APPLICABLE)


def test_a_sample_that_is_needed_has_units():
    assert worth_words.needed_words(Needed(1)) == "about 1 prompt"
    assert worth_words.needed_words(Needed(75, 0.3, 0.04)) == "about 75 prompts, 0.3 minutes, 0.04 USD"
