"""Prompts that a server reads in part, and a baseline that is slowed while it is timed: both make a mode look fast."""

from __future__ import annotations

import pytest

from evalkit.checklist.schema import Checklist
from evalkit.findings import Status
from evalkit.items.serving.decide import decide
from evalkit.timing.facts import LoadBlock, PromptFacts

from .test_decide import AR, DIFF, MODEL, NOW, facts, served
from .test_replies import reply, scored, timed


def checklist(**more):
    modes = {AR: {"endpoint": "http://h:1"}, DIFF: {"endpoint": "http://h:2"}}
    return Checklist.model_validate({"candidate": {"model": MODEL}, "modes": modes, **more})


def read(mine, theirs, *, of=timed, longest=90, **more):
    """The finding on replies that count these tokens of prompt, in the mode and in its baseline."""
    each = of([reply(prompt_tokens=n) for n in mine], DIFF) + of([reply(prompt_tokens=n) for n in theirs], AR)
    file = PromptFacts(path="p", sha256="", count=len(mine), shipped=False, longest_chars=longest, max_tokens=64)
    of_kind = {"timed" if of is timed else "answers": each}
    every = facts(served(AR), served(DIFF, DIFF), prompts=(file,), **of_kind)
    found = [f for f in decide(checklist(**more), every, NOW) if f.id == "serving.prompts-read" and f.mode == DIFF]
    return found[0] if found else None


def test_the_same_prompts_are_read_by_both():
    assert (read([900, 40, 40], [900, 40, 40]).status, read([900], [900]).outcome) == (Status.PASS, "same")


@pytest.mark.parametrize("mine", [[512] * 20, [900] * 18 + [512] * 2, [21] * 20])
def test_a_mode_that_reads_less_than_its_baseline_is_open(mine):
    found = read(mine, [900] * 20)
    assert (found.status, found.outcome) == (Status.INCONCLUSIVE, "fewer-timed")
    assert found.data["fewer"] == sum(n < 900 for n in mine)


@pytest.mark.parametrize(("mine", "theirs"), [([1100] * 9, [900] * 9), ([20] * 9, [26] * 9), ([211] * 9, [232] * 9),
                                              ([900] * 39 + [500], [900] * 40)])  # fmt: skip
def test_a_template_or_format_of_its_own_is_no_part_of_a_prompt(mine, theirs):
    assert read(mine, theirs).outcome == "same"


def test_a_baseline_that_reads_less_of_the_tasks_is_open_and_one_that_reads_more_is_not():
    assert read([900] * 9, [512] * 9, of=scored).outcome == "fewer-scored"
    assert read([512] * 9, [900] * 9, of=scored).outcome == "same"


def test_a_declared_template_may_add_to_every_prompt_and_no_more():
    offered = {AR: {"endpoint": "http://h:1"}, DIFF: {"endpoint": "http://h:2", "differs": ["template_tokens"]}}
    assert read([40, 60, 80], [90, 110, 130]).outcome == "fewer-timed"
    assert read([40, 60, 80], [90, 110, 130], modes=offered).outcome == "same"
    assert read([40, 60, 80], [90, 110, 900], modes=offered).outcome == "fewer-timed"


def test_an_incumbent_has_a_tokenizer_of_its_own():
    more = {"incumbent": {"endpoint": "http://h:3"}, "baseline": "incumbent"}
    each = timed([reply(prompt_tokens=n) for n in [600] * 9], DIFF)

    def against(count):
        other = timed([reply(prompt_tokens=n) for n in [count] * 9], "incumbent")
        every = facts(served(AR), served(DIFF, DIFF), served("incumbent"), timed=each + other)
        every = decide(checklist(**more), every, NOW)
        return next(f.outcome for f in every if f.id == "serving.prompts-read" and f.mode == DIFF)

    assert (against(900), against(2000)) == ("same", "fewer-timed")


def test_prompts_that_both_cut_off_show_in_their_characters():
    found = read([512] * 3, [512] * 3, longest=60_000)
    assert (found.status, found.outcome, found.data["characters"]) == (Status.INCONCLUSIVE, "cut", 60_000)
    assert read([15_000] * 3, [15_000] * 3, longest=60_000).outcome == "same"


def test_counts_that_are_missing_are_no_pass():
    assert read([None] * 3, [40] * 3).status is Status.WARN


@pytest.mark.parametrize(("mine", "outcome"), [(900, "not-counted"), (850, "not-counted"), (300, "fewer-loaded")])
def test_open_load_is_compared_by_the_mean_of_a_request(mine, outcome):
    """Blocks of one load go to all modes; what a mode did not count is not held against it."""

    def block(mode, tokens, requests=20):
        return LoadBlock(load="2/s poisson", mode=mode, block=0, rate=2, seconds=10, planned=requests, counted_prompts=requests,
                         read_tokens=requests * tokens)  # fmt: skip

    loads = (block(AR, 900), block(DIFF, mine), block(DIFF, mine, 10))
    every = facts(served(AR), served(DIFF, DIFF), loads=loads, timed=timed([reply()]))
    found = [f for f in decide(checklist(), every, NOW) if f.id == "serving.prompts-read"]
    assert [f.outcome for f in found] == [outcome]


def slowed(baseline, mode=(2.0, 2.0), *, at_least=1.5, step=1, **more):
    """The finding on the mode, where the baseline took so many ms a token, timed and scored."""

    def replies(ms, of, label, own_step):
        return of([reply(ms=ms + n / 1000, step=own_step) for n in range(24)], label)

    each = {name: replies(baseline[i], of, AR, step) + replies(mode[i], of, DIFF, 16)
            for i, (name, of) in enumerate((("timed", timed), ("answers", scored)))}  # fmt: skip
    items = {"modes": {"speedup": {"at_least": at_least}, "start_sd": 0}}
    every = facts(served(AR), served(DIFF, DIFF), **each)
    found = decide(checklist(items=items, **more), every, NOW)
    return [f for f in found if f.id == "serving.mode" and f.mode == DIFF][-1]


def test_a_baseline_that_is_slower_while_it_is_timed_makes_the_speed_up_doubtful():
    found = slowed((6.0, 2.0))
    assert (found.status, found.outcome) == (Status.INCONCLUSIVE, "slower-timed")
    assert "slowed baseline" in found.summary
    assert slowed((4.0, 2.4), at_least=1.2).outcome == "slower-timed"


@pytest.mark.parametrize(
    ("baseline", "mode", "more"),
    [
        ((6.0, 6.0), (2.0, 2.0), {}),
        ((6.0, 5.0), (2.0, 2.0), {}),  # within what texts explain
        ((6.0, 2.0), (2.0, 0.7), {}),  # the mode is slowed alike
        ((9.0, 6.0), (1.0, 1.0), {}),  # the claim does not rest on it
        ((3.5, 2.0), (1.5, 1.5), {"step": 16}),  # a baseline whose passes hang on the text
    ],
)
def test_a_pace_that_texts_load_or_the_machine_explain_is_no_doubt(baseline, mode, more):
    assert slowed(baseline, mode, **more).outcome != "slower-timed"
