"""Servers that cannot be up together: started in turn, the sample fixed by a pilot, the spread of starts counted."""

from __future__ import annotations

import json
import math
import random
import shutil
import sys
from collections import Counter
from dataclasses import replace

import pytest

from evalkit.checklist.schema import Checklist, LoadedChecklist, ModesItem
from evalkit.facts import Facts
from evalkit.findings import Status
from evalkit.items.modes import decide as item
from evalkit.run.collect import collect
from evalkit.run.plan.pilot import Means, of_baseline
from evalkit.run.plan.schedule import make_plan
from evalkit.run.setup import Setup, prepare
from evalkit.stats.planning import Sought
from evalkit.stored.folder import RunFolder
from tests.support.show import Plain
from tests.timing.support import AR, DLM, NOW, checklist, facts, prompts, sample

SPEC = "self-speculation"


def loaded(folder, modes, count=24, **settings):
    lines = "".join(json.dumps({"id": f"p{i}", "prompt": f"Tell {i}.", "max_tokens": 24}) + "\n" for i in range(count))
    (folder / "p.jsonl").write_text(lines)
    document = {
        "modes": modes,
        "prompts": ["p.jsonl"],
        "tasks": [],
        **settings,
    }
    return LoadedChecklist(
        checklist=Checklist.model_validate(document), path=None, folder=folder, sha256="0" * 64, lines={}
    )


def server(mode, *settings, port="{port}"):
    argv = [sys.executable, "-m", "evalkit.reference", "--mode", mode, "--port", port]
    return {"launch": [*argv, *(part for text in settings for part in ("--set", text))], "ready_timeout_s": 60}


def test_each_mode_is_started_three_times_there_back_and_there(tmp_path):
    plan = make_plan(prompts(tmp_path).prompts, [AR, DLM, SPEC], AR, ModesItem(), launched=[AR, DLM, SPEC])
    there, back = [AR, DLM, SPEC], [SPEC, DLM, AR]
    assert [mode for mode, _ in plan.starts] == [*there, *back, *there]
    assert Counter((p.mode, p.launch, p.prompt_id) for p in plan.requests).most_common(1)[0][1] == 1
    assert {p.repeat for p in plan.requests if p.launch == 2} == {2}


@pytest.mark.parametrize(
    ("minutes", "launches", "starts"),
    [
        (None, None, [AR, DLM, DLM, AR, AR, DLM]),
        (40, None, [AR, DLM, DLM, AR, AR, DLM]),
        (30, None, [AR, DLM, DLM, AR]),
        (15, None, [AR, DLM, AR]),
        (15, "replicated", [AR, DLM, DLM, AR]),
        (None, "single", [AR, DLM, AR]),
    ],
)
def test_the_budget_decides_how_often_servers_are_started(tmp_path, minutes, launches, starts):
    plan = make_plan(
        prompts(tmp_path).prompts, [AR, DLM], AR, ModesItem(launches=launches), launched=[AR, DLM], minutes=minutes
    )
    assert [mode for mode, _ in plan.starts] == starts
    assert set(Counter((p.mode, p.prompt_id) for p in plan.requests).values()) == {max(Counter(starts).values())}


def test_a_given_order_of_starts_is_kept_and_gives_each_start_a_reading(tmp_path):
    settings = ModesItem(launch_order=[DLM, AR, DLM, AR, DLM])
    plan = make_plan(prompts(tmp_path).prompts, [AR, DLM], AR, settings, launched=[AR, DLM])
    assert plan.starts == ((DLM, 0), (AR, 0), (DLM, 1), (AR, 1), (DLM, 2))
    assert {(p.mode, p.launch) for p in plan.requests} == set(plan.starts)


def test_modes_that_are_up_take_turns_before_others_are_started(tmp_path):
    plan = make_plan(prompts(tmp_path).prompts, [AR, DLM, SPEC], AR, ModesItem(), launched=[SPEC])
    modes = [p.mode for p in plan.requests]
    assert SPEC not in modes[: modes.index(SPEC)]
    assert set(modes[modes.index(SPEC) :]) == {SPEC}
    assert [p.position for p in plan.requests] == list(range(len(modes)))


def test_requests_of_one_start_are_in_flight_together_at_higher_concurrency(tmp_path):
    plan = make_plan(prompts(tmp_path, 20).prompts, [AR, DLM], AR, ModesItem(concurrency=[2]), launched=[AR, DLM])
    first = [p for p in plan.requests if (p.mode, p.launch) == (AR, 0)]
    assert Counter(p.group for p in first) == dict.fromkeys(range(10), 2)


def test_the_pilot_fixes_what_the_budget_affords_and_says_what_it_shows(tmp_path):
    plan = make_plan(prompts(tmp_path, 200).prompts, [AR, DLM], AR, ModesItem(), launched=[AR, DLM])
    times = {f"p{i}": [1000.0, 1020.0 + i] for i in range(10)}
    whole = of_baseline(plan, AR, times, [20] * 20, 200, sought=Sought(1.0), means=Means())
    tight = of_baseline(plan, AR, times, [20] * 20, 200, sought=Sought(1.0), means=Means(seconds=200))
    least = of_baseline(plan, AR, times, [20] * 20, 200, sought=Sought(1.0), means=Means(requests=8))
    assert (whole.prompts, whole.requests, whole.tokens) == (200, 1200, 24000)
    assert tight.prompts == pytest.approx(200 / 6 / 1.012, abs=1)
    assert tight.detects > whole.detects > 1
    assert least.prompts == 20
    assert "affords 1 prompts" in least.note


def by_launch(effects, *, n=60, noise=0.05, seed=1):
    """Samples of two modes with true ratio 1, two starts each, and the given effect (log) of each start."""
    rng, out = random.Random(seed), []
    base = [math.exp(rng.gauss(6, 0.5)) for _ in range(n)]
    for place, (mode, launch) in enumerate([(AR, 0), (DLM, 0), (DLM, 1), (AR, 1)]):
        for i in range(n):
            ms = base[i] * math.exp(effects[mode, launch] + rng.gauss(0, noise))
            out.append(sample(mode, f"p{i}", launch, ms, 10_000 * place + i, launch=launch))
    return out


def test_starts_that_differ_widen_the_interval_and_one_start_each_is_warned_about():
    apart = {(AR, 0): 0.1, (AR, 1): -0.1, (DLM, 0): 0.0, (DLM, 1): 0.1}
    alike = dict.fromkeys(apart, 0.0)
    wide, narrow = (
        {f.id: f for f in item.decide(checklist(), facts(by_launch(e)), NOW) if f.mode == DLM} for e in (apart, alike)
    )
    width = [math.log(f["modes.speedup"].data["high"] / f["modes.speedup"].data["low"]) for f in (wide, narrow)]
    assert width[0] > 4 * width[1]
    assert wide["modes.launches"].status is Status.PASS
    assert wide["modes.launches"].data["servers"] == "replicated"
    once = [s for s in by_launch(alike) if s.launch == 0]
    single = {f.id: f for f in item.decide(checklist(), facts(once), NOW) if f.mode == DLM}
    assert single["modes.launches"].status is Status.WARN
    assert single["modes.launches"].data["servers"] == "apart"


@pytest.mark.slow
@pytest.mark.parametrize("spread", [0.0, 0.03])
def test_the_interval_over_starts_covers_the_truth_as_often_as_it_says(spread):
    rng, wrong = random.Random(7), 0
    for seed in range(80):
        effects = {(m, k): rng.gauss(0, spread) for m in (AR, DLM) for k in (0, 1)}
        got = next(
            f
            for f in item.decide(checklist(), facts(by_launch(effects, seed=seed)), NOW)
            if (f.id, f.mode) == ("modes.speedup", DLM)
        )
        wrong += not got.data["low"] <= 1 <= got.data["high"]
    assert wrong <= 9  # 5% of 80 are 4; 10 or more happen by chance once in 200


# -- over real processes -----------------------------------------------------------------------------------------------


def collected(tmp_path, given, name="run", *, keep_going=False) -> tuple[Setup, RunFolder, Facts]:
    setup = prepare(given, skip={"license": "no candidate", "context": "not asked"})
    setup = replace(setup, keep_going=keep_going)
    folder = RunFolder(tmp_path / name)
    if not folder.journal.exists():
        folder = RunFolder.create(folder.path, given, setup.document())
        folder.journal.touch()
    return setup, folder, collect(setup, folder, Plain())


@pytest.mark.slow
def test_servers_are_started_there_and_back_and_a_finished_mode_is_not_started_again(tmp_path):
    fast = ("ttft_ms=4", "ms_per_forward=0.5", "jitter_ms=0")
    modes = {AR: server(AR, *fast), DLM: server(DLM, *fast, "block_size=8", "forwards_per_block=2")}
    given = loaded(tmp_path, modes, items={"modes": {"warmup": 1}})
    setup, folder, got = collected(tmp_path, given)
    assert [(one.mode, one.launch) for one in got.launches] == list(setup.plan.starts)
    assert len(setup.plan.starts) == 6
    assert Counter((s.mode, s.launch) for s in got.timed) == dict.fromkeys(setup.plan.starts, 24)
    assert got.pilot is not None
    assert (got.pilot.mode, got.pilot.read, got.pilot.prompts) == (AR, 10, 24)
    findings = {(f.id, f.mode): f for f in item.decide(given.checklist, got, NOW)}
    assert findings["modes.launches", DLM].status is Status.PASS
    assert findings["modes.launches", DLM].data["servers"] == "replicated"
    _, _, again = collected(tmp_path, given)
    assert len(again.launches) == 6
    assert len(again.timed) == len(got.timed)
    # a run that was killed in its last start makes that start again, and no other
    cut = RunFolder(shutil.copytree(folder.path, tmp_path / "cut"))
    lines = cut.journal.read_bytes().splitlines(keepends=True)
    last = max(n for n, line in enumerate(lines) if b'"kind":"launch"' in line)
    timed = [n for n, line in enumerate(lines) if b'"kind":"timed"' in line and n > last]
    cut.journal.write_bytes(b"".join(lines[: timed[5]]))
    _, _, resumed = collected(tmp_path, given, "cut")
    assert [(one.mode, one.launch) for one in resumed.launches[6:]] == [(DLM, 2)]
    assert sorted(s.key for s in resumed.timed) == sorted(s.key for s in got.timed)
    assert resumed.pilot == got.pilot


@pytest.mark.slow
def test_a_server_that_does_not_start_is_tried_once_and_keep_going_times_the_others(tmp_path):
    modes = {AR: server(AR, "ttft_ms=2", "ms_per_forward=0.2"), DLM: server(DLM, "no_such_field=1")}
    given = loaded(tmp_path, modes, count=20, items={"modes": {"warmup": 0, "repeats": 2}})
    _, _, got = collected(tmp_path, given, keep_going=True)
    assert {mode: one.ok for mode, one in got.attempts.items()} == {DLM: False, AR: True}
    assert [(one.mode, one.error is None) for one in got.launches] == [(AR, True)] * 3
    assert Counter(s.mode for s in got.timed) == {AR: 60}


@pytest.mark.slow
def test_minutes_count_the_starts_and_end_the_run_before_the_next_one(tmp_path):
    fast = ("ttft_ms=2", "ms_per_forward=0.2")
    modes = {AR: server(AR, *fast), DLM: server(DLM, *fast)}
    given = loaded(tmp_path, modes, count=20, budget={"minutes": 0.002}, items={"modes": {"warmup": 0}})
    _, _, got = collected(tmp_path, given)
    assert len(got.launches) <= 1
    assert got.end is not None
    assert "minutes used up" in (got.end.stopped_by or "")
    assert got.end.seconds > 0
