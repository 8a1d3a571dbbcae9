"""Who answered, and in what shape: the replies themselves against what was probed and asked for."""

from __future__ import annotations

import pytest

from evalkit.checklist.schema import Checklist
from evalkit.client.types import Exchange
from evalkit.findings import Status
from evalkit.items.serving.decide import decide
from evalkit.quality.facts import Answer
from evalkit.timing.facts import PromptFacts
from tests.timing.support import sample

from .test_decide import AR, DIFF, MODEL, NOW, SPEC, facts, served


def reply(*, step=16, tokens=64, ms=2.0, model=MODEL, **more):
    chunks = tuple((int(1000 * (20 + n * ms)), n) for n in [*range(step, tokens, step), tokens])
    models = (model,) if model else ()
    return Exchange(ok=True, text="It is so. " * 12, finish_reason="stop", completion_tokens=tokens, chunks=chunks,
                    done_us=chunks[-1][0], models=models, **more)  # fmt: skip


def timed(exchanges, mode=DIFF):
    return tuple(
        sample(mode, f"p{n}", 0, 10.0, n).model_copy(update={"exchange": one}) for n, one in enumerate(exchanges)
    )


def scored(exchanges, mode=DIFF):
    return tuple(
        Answer(mode=mode, suite="s", kind="chat", case_id=f"c{n}", request_sha256="", exchange=one)
        for n, one in enumerate(exchanges)
    )


def found(check, timed_replies, scored_replies=(), *, candidate=(), mode=DIFF, **server):
    asked = Checklist.model_validate(
        {"candidate": {"model": MODEL, **dict(candidate)}, "modes": {AR: {"endpoint": "http://h:1"}, mode: {"endpoint": "http://h:2", "model": MODEL}}}
    )  # fmt: skip
    every = facts(
        served(AR), served(mode, mode, **server), timed=timed(timed_replies, mode), answers=scored(scored_replies, mode)
    )
    got = [f for f in decide(asked, every, NOW) if f.id == f"serving.{check}" and f.mode == mode]
    return got[-1] if check == "mode" else got[0]


def test_replies_of_another_model_are_counted():
    half = [reply(model=MODEL if n % 2 else "vendor/fallback-ar") for n in range(48)]
    got = found("same-model", half)
    assert (got.status, got.outcome) == (Status.INCONCLUSIVE, "replies-differ")
    assert (got.data["differing"], got.data["replies"]) == (24, 48)
    assert found("same-model", [], half).status is Status.INCONCLUSIVE
    assert found("same-model", [reply(model="vendor/other")] * 48).data["differing"] == 48
    declared = found("same-model", half, candidate={"same_as": ["vendor/fallback-ar"]})
    assert declared.status in (Status.PASS, Status.WARN)


@pytest.mark.parametrize(
    "name", [MODEL, MODEL.lower(), f"{MODEL}@main", f"{MODEL}:fast", f"{MODEL}-2026-11-01", f"/models/{MODEL}", None]
)
def test_the_same_model_may_be_spelled_in_its_servers_way(name):
    assert found("same-model", [reply(model=name)] * 8).status in (Status.PASS, Status.WARN)


@pytest.mark.parametrize("name", ["nvidia/Nemotron-Labs-Diffusion-8B-Base", "other/Nemotron-Labs-Diffusion-8B", "x"])
def test_a_name_that_only_begins_alike_is_another_one(name):
    assert found("same-model", [reply(model=name)] * 8).status is Status.INCONCLUSIVE


def test_two_fingerprints_are_two_servers_and_one_for_each_reply_is_none():
    two = [reply(server={"system_fingerprint": f"fp{n % 2}"}) for n in range(20)]
    assert (found("same-model", two).outcome, found("same-model", two).data["differing"]) == ("fingerprints-mixed", 10)
    own = [reply(server={"system_fingerprint": f"fp{n}"}) for n in range(20)]
    assert found("same-model", own).status is not Status.INCONCLUSIVE


@pytest.mark.parametrize(("mode", "step", "odd"), [(DIFF, 16, 1), (AR, 1, 16)])
def test_two_shapes_in_one_mode_are_two_modes(mode, step, odd):
    asked = Checklist.model_validate(
        {"candidate": {"model": MODEL}, "modes": {m: {"endpoint": f"http://{m}"} for m in (AR, DIFF)}}
    )
    mixed = [reply(step=odd if n % 4 == 0 else step) for n in range(48)]
    every = facts(served(AR), served(DIFF, DIFF), timed=timed(mixed, mode))
    got = [f for f in decide(asked, every, NOW) if f.id == "serving.mode" and f.outcome == "mixed"]
    assert DIFF in {f.mode for f in got}
    assert all(f.status is Status.INCONCLUSIVE for f in got)


def test_timed_in_blocks_and_scored_token_by_token_is_open():
    got = found("mode", [reply(step=16)] * 20, [reply(step=1)] * 20)
    assert (got.outcome, got.data["scored"]) == ("unlike-scored", {"tokens": 20})
    slow = found("mode", [reply(step=8, ms=2)] * 20, [reply(step=8, ms=8)] * 20)
    assert slow.outcome == "slower-scored"


def test_tasks_may_slow_a_mode_as_they_slow_its_baseline_or_as_more_requests_in_flight_do():
    fast, slow = [reply(step=8, ms=2)] * 20, [reply(step=8, ms=6)] * 20
    tokens = [[reply(step=1, ms=ms)] * 20 for ms in (10, 20)]

    def outcome(baseline, **quality):
        asked = Checklist.model_validate({
            "candidate": {"model": MODEL}, "modes": {m: {"endpoint": f"http://{m}"} for m in (AR, DIFF)},
            "items": {"quality": quality},
        })  # fmt: skip
        every = facts(
            served(AR),
            served(DIFF, DIFF),
            timed=timed(tokens[0], AR) + timed(fast),
            answers=scored(tokens[baseline], AR) + scored(slow),
        )
        return {f.outcome for f in decide(asked, every, NOW) if f.id == "serving.mode" and f.mode == DIFF}

    assert "slower-scored" in outcome(0)
    assert "slower-scored" not in outcome(1), "the baseline takes twice as long for them"
    assert "slower-scored" not in outcome(0, concurrency=4), "four at a time against one"


def test_one_shape_throughout_says_nothing_more():
    for step, mode in ((16, DIFF), (1, AR)):
        got = found("mode", [reply(step=step)] * 20, [reply(step=step)] * 20, mode=mode if mode != AR else DIFF)
        assert got.outcome == "declared"
    drafted = [reply(step=1 if n % 3 == 0 else 3) for n in range(30)]
    assert found("mode", drafted, mode=SPEC).outcome == "declared"


def test_a_mode_is_open_where_the_replies_of_its_baseline_are_of_another_model():
    asked = Checklist.model_validate(
        {"candidate": {"model": MODEL}, "modes": {m: {"endpoint": f"http://{m}", "model": MODEL} for m in (AR, DIFF)}}
    )
    other = [reply(step=1, model="acme/Other" if n < 3 else MODEL) for n in range(9)]
    every = facts(served(AR), served(DIFF, DIFF), timed=timed(other, AR) + timed([reply()] * 9, DIFF))
    got = next(f for f in decide(asked, every, NOW) if f.id == "serving.same-model" and f.mode == DIFF)
    assert (got.outcome, got.status) == ("replies-of-baseline", Status.INCONCLUSIVE)
    assert (got.data["differing"], got.data["replies"], got.data["named"]["acme/Other"]) == (3, 9, 3)


def test_short_scored_replies_that_take_a_multiple_of_their_length_s_time_are_open():
    """Too short for a pace of their own: the line through the timed ones says that 6 tokens take 60 ms, and 24 ms."""
    lengths = [8 + n for n in range(20)]
    asked = Checklist.model_validate(
        {"candidate": {"model": MODEL}, "modes": {m: {"endpoint": f"http://{m}"} for m in (AR, DIFF)}}
    )
    known = PromptFacts(path="p", sha256="", count=20, shipped=False, longest_chars=9, max_tokens=64)

    def outcomes(mine_ms, theirs_ms=60.0, most=64):
        answers = scored([short(6, theirs_ms)] * 20, AR) + scored([short(6, mine_ms)] * 20)
        every = facts(
            served(AR), served(DIFF, DIFF),
            timed=timed([short(n, 10 * n) for n in lengths], AR) + timed([short(n, 4 * n) for n in lengths]),
            answers=tuple(a.model_copy(update={"max_tokens": most}) for a in answers),
        ).model_copy(update={"prompts": (known,)})  # fmt: skip
        return {f.outcome for f in decide(asked, every, NOW) if f.id == "serving.mode" and f.mode == DIFF}

    assert "longer-scored" not in outcomes(24)
    assert "longer-scored" not in outcomes(70)
    assert "longer-scored" in outcomes(80)
    assert "longer-scored" not in outcomes(80, theirs_ms=90), "tasks take 30 ms more in the baseline too"
    assert "longer-scored" not in outcomes(80, most=512), "a canvas of 512 tokens against one of 64"


def short(tokens: int, ms: float) -> Exchange:
    us = int(1000 * ms)
    return Exchange(ok=True, text="word " * tokens, finish_reason="stop", completion_tokens=tokens, done_us=us)
