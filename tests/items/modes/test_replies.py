"""What the timed replies decide: broken text, length, counts, and second readings that a cache answers."""

from __future__ import annotations

import math

import pytest

from evalkit.analysis.copies import REPEATED
from evalkit.analysis.levels import summarise_modes
from evalkit.analysis.replies import signs
from evalkit.client.types import Exchange
from evalkit.findings import Status
from evalkit.timing.facts import WarmUp
from tests.timing.support import AR, DLM, checklist, facts, found, sample, simulated

PROSE = "The keeper climbed up to the lamp, opened the old radio with a small knife, and waited for the storm to end."
LOOP = PROSE + " and then again" * 12


def told(samples, text=None, every=1, mode=DLM, *, own=True, **fields):
    """The samples, with every n-th prompt's replies of a mode changed."""
    out = []
    for s in samples:
        of = {"text": PROSE}
        if s.mode == mode and int(s.prompt_id[1:]) % every == 0:
            of |= fields | ({} if text is None else {"text": text})
        of["text"] += f" {s.prompt_id}" if own else ""
        out.append(s.model_copy(update={"exchange": s.exchange.model_copy(update=of)}))
    return out


@pytest.mark.parametrize(
    ("reply", "sign"),
    [
        ({"text": LOOP}, "loops"),
        ({"text": PROSE.replace("the", "the the")}, "doubled words"),
        ({"text": PROSE + "<|mdm_mask|>"}, "special tokens"),
        ({"text": PROSE, "finish_reason": "length"}, "cut off"),
        ({"text": "<think>" + PROSE}, "unclosed thinking"),
        ({"text": "<think>a</think> b <think>" + PROSE}, "unclosed thinking"),
    ],
)
def test_each_sign_is_seen(reply, sign):
    assert signs(Exchange(ok=True, **reply)) == (sign,)
    assert signs(Exchange(ok=True, text=PROSE + " <think>a</think> Done.")) == ("thinking",)


@pytest.mark.parametrize(
    ("fields", "every"),
    [({"text": LOOP}, 1), ({"text": LOOP}, 3), ({"text": "<think>" + PROSE}, 2), ({"finish_reason": "length"}, 3)],
)
def test_a_mode_with_more_broken_replies_does_not_qualify(fields, every):
    got = found(checklist(), told(simulated(2, 24), every=every, **fields))("replies")
    assert (got.status, got.outcome) == (Status.FAIL, "more")
    assert sum(one["mode"] for one in got.data["signs"].values()) == 24 // every


def test_as_many_as_the_baseline_or_one_more_is_no_reason():
    assert found(checklist(), told(simulated(2, 24), LOOP, mode=AR))("replies").outcome == "as-sound"
    same = [s.model_copy(update={"signs": ("loops",)}) for s in simulated(2, 24)]
    assert found(checklist(), same)("replies").outcome == "as-sound"
    assert found(checklist(), told(simulated(2, 24), LOOP, every=24))("replies").outcome == "few-more"
    assert found(checklist(), told(simulated(2, 24)))("replies").outcome == "as-sound"


def test_a_few_more_are_undecided():
    got = found(checklist(), told(simulated(2, 24), LOOP, every=8))("replies")
    assert (got.outcome, got.data["signs"]["loops"]["mode"]) == ("undecided", 3)


def test_a_mode_that_says_a_third_is_open_whatever_it_counts():
    short = told(simulated(2.5, 24), PROSE[: len(PROSE) // 3])
    for tokens in (32, 11):
        samples = [
            s.model_copy(update={"exchange": s.exchange.model_copy(update={"completion_tokens": tokens})})
            if s.mode == DLM
            else s
            for s in short
        ]
        got = found(checklist(speedup={"at_least": 1.8}), samples)("length-honesty")
        assert (got.status, got.outcome) == (Status.INCONCLUSIVE, "unproven")
        assert got.data["per_character_ratio"] == pytest.approx(2.5 / 3, rel=0.1)


def test_a_verbose_baseline_wins_nothing_and_a_real_gain_survives_shorter_replies():
    verbose = told(simulated(2.8, 24, tokens=11), PROSE[: len(PROSE) // 3])
    asked = checklist(speedup={"at_least": 1.5})
    assert found(asked, verbose)("length-honesty").outcome == "unproven"
    real = told(simulated(6, 24, tokens=16), PROSE[: len(PROSE) // 2])
    assert found(asked, real)("length-honesty").outcome == "apart"


def test_counts_that_contradict_the_text_are_found_and_figures_per_token_left_out():
    samples = told(simulated(2, 24, tokens=96))
    got = found(checklist(), samples)
    assert got("token-counts").outcome == "contradict"
    assert got("token-counts").data["ratio"] == pytest.approx(3)
    assert got("length-honesty").outcome == "alike"
    assert got("length-honesty").data["per_token_ratio"] is None
    summary = summarise_modes([AR, DLM], facts(samples), checklist())
    assert summary[DLM].levels[0].output_tokens_per_second.request is None
    honest = summarise_modes([AR, DLM], facts(told(simulated(2, 24))), checklist())
    assert honest[DLM].levels[0].output_tokens_per_second.request is not None


# -- thinking that the template opens --------------------------------------------------------------------------------


def test_a_mode_that_never_closes_the_thinking_that_a_template_opened_is_open():
    def pair(mine, **more):
        both = told(simulated(2, 24), f"{PROSE}</think>Paris.", mode=AR), told(simulated(2, 24), mine, **more)
        return [one if one.mode == AR else other for one, other in zip(*both, strict=True)]

    got = found(checklist(), pair(PROSE))("replies")
    assert (got.status, got.outcome) == (Status.INCONCLUSIVE, "never-ends")
    assert got.data["signs"]["no end of thinking"]["mode"] == 24
    closed = f"{PROSE}</think>Lyon.", f"<think>{PROSE}</think>Lyon."
    for sound in (*(pair(text) for text in closed), pair("Paris.", reasoning=PROSE), told(simulated(2, 24), PROSE)):
        assert found(checklist(), sound)("replies").outcome == "as-sound"
    assert found(checklist(), pair(f"<think>{PROSE}"))("replies").outcome == "more"


# -- two readings of one prompt --------------------------------------------------------------------------------------


def second(samples, factor, *, mode=DLM, every=1):
    return [
        s.model_copy(update={"exchange": s.exchange.model_copy(update={"done_us": int(s.exchange.done_us * factor)})})
        if s.mode == mode and s.repeat and int(s.prompt_id[1:]) % every == 0
        else s
        for s in samples
    ]


@pytest.mark.parametrize("mode", [AR, DLM])
@pytest.mark.parametrize(("factor", "every"), [(0.1, 1), (0.45, 1), (0.01, 4)])
def test_a_cache_of_replies_shows_in_the_second_readings(mode, factor, every):
    got = found(checklist(), second(simulated(2, 24), factor, mode=mode, every=every))("second-reading")
    assert (got.status, got.outcome) == (Status.INCONCLUSIVE, "differ")
    assert got.data["readings"][mode]["faster"] == 24 // every


def warmed(samples, factor, *, mode=DLM, prompts=2):
    slowest = {}
    for s in samples:
        if s.mode == mode:
            slowest[s.prompt_id] = max(slowest.get(s.prompt_id, 0), s.exchange.e2e_us / 1000)
    last = tuple((name, ms * factor) for name, ms in list(slowest.items())[:prompts])
    return (WarmUp(mode=mode, concurrency=1, requests=3, levelled=True, last=last),)


@pytest.mark.parametrize("mode", [AR, DLM])
def test_a_cache_that_holds_an_earlier_run_shows_against_the_warm_up(mode):
    samples = simulated(2, 24)
    got = found(checklist(), samples, warmups=warmed(samples, 2.5, mode=mode))("second-reading")
    assert (got.status, got.outcome) == (Status.INCONCLUSIVE, "warm-up-slower")
    for warmups in (warmed(samples, 1.5, mode=mode), warmed(samples, 5, mode=mode, prompts=1), ()):
        assert found(checklist(), samples, warmups=warmups)("second-reading").outcome == "alike"


def new(samples, slower, *, mode=DLM, asked=("p0", "p1")):
    """A warm-up whose texts no cache has seen: `slower` times the time a character of the timed replies."""
    ms = {s.prompt_id: s.exchange.e2e_us / 1000 for s in samples if s.mode == mode}
    middle = math.exp(sum(map(math.log, ms.values())) / len(ms))
    unseen = tuple((name, ms.get(name, middle) * slower, 1) for name in asked)
    return WarmUp(mode=mode, concurrency=1, requests=4, levelled=True, unseen=unseen)


def alike(n=24, ratio=2):
    """Replies of about one length: the time a token differs little between prompts."""
    return [s for p in range(n) for r in range(2) for s in (
        sample(AR, f"p{p}", r, 1000 + 7 * p, 4 * p + r), sample(DLM, f"p{p}", r, (1000 + 7 * p) / ratio, 4 * p + r + 2))]  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "slower", "status"),
    [
        (("p0", "p1"), 1.6, Status.INCONCLUSIVE), (("p0", "p1"), 1.1, Status.PASS), (("",), 4, Status.INCONCLUSIVE),
        (("",), 2, Status.PASS), ((), 9, Status.PASS),
    ],
)  # fmt: skip
def test_a_cache_that_was_warm_shows_against_texts_that_it_cannot_hold(asked, slower, status):
    samples = alike()
    both = (new(samples, slower, asked=asked), new(samples, 1, mode=AR, asked=asked))
    got = found(checklist(speedup={"at_least": 1.5}), samples, warmups=both)("second-reading")
    assert got.status is status
    lied = [s.model_copy(update={"exchange": s.exchange.model_copy(update={"completion_tokens": 1})}) for s in samples]
    told = found(checklist(speedup={"at_least": 1.5}), lied, warmups=both)("second-reading")
    assert told.status is status, "whatever the server counts"
    slow = (new(samples, slower, asked=asked), new(samples, slower, mode=AR, asked=asked))
    assert found(checklist(), samples, warmups=slow)("second-reading").status is Status.PASS, "the baseline as well"


def test_one_text_for_many_prompts_is_no_answer_to_any_of_them():
    same = told(simulated(2, 24), PROSE, own=False)
    own = [
        s if s.mode == DLM else s.model_copy(update={"exchange": s.exchange.model_copy(update={"text": s.prompt_id})})
        for s in same
    ]
    got = found(checklist(), own)("replies")
    assert got.status is Status.FAIL
    assert got.data["signs"][REPEATED] == {"mode": 24, "baseline": 0, "p": pytest.approx(0, abs=1e-5)}
    assert found(checklist(), same)("replies").status is Status.PASS, "a baseline that does so too"
    bare = [s.model_copy(update={"seen": 9, "gist": s.prompt_id}) for s in same]
    assert found(checklist(), bare)("replies").status is Status.PASS, "what was kept of a text that was left out"


@pytest.mark.parametrize(("apart", "status"), [(8, Status.INCONCLUSIVE), (22, Status.FAIL)])
def test_prompts_that_the_baseline_answers_alike_too_leave_a_mode_open_and_refute_none(apart, status):
    """Replies of the baseline that are damaged, and so differ, would refute every mode."""
    same = told(simulated(2, 24), PROSE, own=False)
    names = sorted({s.prompt_id for s in same})[:apart]
    own = [
        s.model_copy(update={"exchange": s.exchange.model_copy(update={"text": s.prompt_id})})
        if s.mode != DLM and s.prompt_id in names else s
        for s in same
    ]  # fmt: skip
    assert found(checklist(), own)("replies").status is status


@pytest.mark.parametrize("filler", [" ", "\n", "\u200b", "\u2800", "\u3164"])
def test_filler_makes_no_reply_longer(filler):
    samples = told(simulated(2.5, 24), "Yes." + filler * 90 + "Done.")
    got = found(checklist(speedup={"at_least": 1.8}), samples)("length-honesty")
    assert got.status is Status.INCONCLUSIVE
    assert got.data["length_ratios"]["characters"] < 0.2


@pytest.mark.parametrize("noise", [0.05, 0.3])
def test_noise_is_no_cache(noise):
    assert found(checklist(), simulated(2, 60, noise=noise))("second-reading").outcome == "alike"


# -- drift -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("drift", "asked", "outcome"),
    [
        (0.0, 1.5, "still"),
        (0.8, 1.9, "crosses"),  # from below to above, and from above to below
        (-0.8, 1.9, "crosses"),
        (0.8, 1.1, "drifts"),  # above at both ends
        (-0.8, 3.0, "drifts"),  # nothing is claimed
    ],
)
def test_a_claim_that_holds_at_one_end_of_the_run_alone_is_open(drift, asked, outcome):
    samples = [
        s.model_copy(update={"exchange": s.exchange.model_copy(update={
            "done_us": round(s.exchange.done_us * math.exp(-drift * (int(s.prompt_id[1:]) / 59 - 0.5))),
        })})
        if s.mode == DLM else s
        for s in simulated(2.4, 60)
    ]  # fmt: skip
    got = found(checklist(speedup={"at_least": asked}), samples)("order-trend")
    assert got.outcome == outcome
    assert got.status is (Status.INCONCLUSIVE if outcome == "crosses" else Status.WARN if drift else Status.PASS)
