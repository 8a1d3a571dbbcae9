"""Prompts that are asked again, over real sockets in virtual time: a mode that is faster when warm, killed and resumed runs, budgets."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest
import yaml
from jsonschema import Draft202012Validator

from evalkit.checklist.loader import load_checklist
from evalkit.checklist.schema import ModesItem
from evalkit.reference import preset
from evalkit.run.plan.schedule import again_prompts, estimate, make_plan
from evalkit.run.setup import prepare
from evalkit.run.start import Flags, run
from tests.support.small_run import MODEL, write_inputs
from tests.support.virtual_world import worlds
from tests.timing.support import AR, DLM, prompts

SPEC = "self-speculation"
SCHEMA = Draft202012Validator(json.loads(files("evalkit").joinpath("data/report.schema.json").read_text()))


def small(folder, modes, *, count=10, tasks=(), **item):
    path = write_inputs(folder, modes)
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    document["items"]["modes"].update(item)
    document.update({"tasks": list(tasks)})
    lines = (folder / "prompts.jsonl").read_text(encoding="utf-8").splitlines()[:count]
    (folder / "prompts.jsonl").write_text("\n".join([*lines, lines[0].replace("p00", "again")]), encoding="utf-8")
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return path


def records(folder, kind):
    text = (folder / "journal.jsonl").read_text(encoding="utf-8")
    return [r["data"] for line in text.splitlines() if (r := json.loads(line))["kind"] == kind]


def script(mode, **kw):
    return preset(mode, model=MODEL, jitter_ms=0, accept_runs=[4] if mode == SPEC else None, **kw)


@pytest.mark.slow
def test_a_mode_that_is_faster_when_warm_is_shown_by_its_factor_and_decided_cold(tmp_path):
    """Without jitter a reply takes as long as scripted: the ratio of repeated prompts is the fresh one times 1 / warm."""
    with worlds() as world:
        plain, fast = world.serve(script(AR), script(SPEC, warm=0.4))
        path = small(tmp_path, {AR: {"endpoint": plain.base_url}, SPEC: {"endpoint": fast.base_url}})
        document = run(Flags(checklist=str(path), output_dir=tmp_path / "run", report_only=True))
    mode = next(m for m in document["modes"] if m["mode"] == SPEC)
    cold, warm = mode["speedup"], mode["speedup_repeated"]
    assert warm["ratio"] / cold["ratio"] == pytest.approx(1 / 0.4, rel=0.05)
    assert (warm["pairs"], warm["status"]) == (8, "informational")
    assert warm["baseline_cached_share"] > 0.8
    finding = next(f for i in document["items"] for f in i["findings"] if f["id"] == "modes.repeated")
    assert (finding["outcome"], finding["counts"]) == ("fresh", False)
    assert finding["data"]["asked_again"] == pytest.approx(1 / 11, rel=1e-3)

    samples = records(tmp_path / "run", "repeated")
    assert len(samples) == 8 * 2 * 3
    assert len({(s["mode"], s["prompt_id"], s["repeat"]) for s in samples}) == len(samples)
    assert not any(s.get("salted") for s in samples)
    first = {s["prompt_id"] for s in samples if not s["repeat"]}
    assert "again" not in first or "p00" not in first
    written = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))
    SCHEMA.validate(written)
    for name in ("report.md", "report.html"):
        assert "answered before" in (tmp_path / "run" / name).read_text(encoding="utf-8")


@pytest.mark.slow
def test_what_a_killed_run_left_of_the_block_is_asked_again_from_its_first_answer(tmp_path):
    """Their replies tell no hits of the prefix cache: these are then by the servers' own counters."""
    quiet = {"enable_cache_report": False}
    with worlds() as world:
        plain, fast = world.serve(script(AR, **quiet), script(SPEC, **quiet))
        path = small(tmp_path, {AR: {"endpoint": plain.base_url}, SPEC: {"endpoint": fast.base_url}}, count=4)
        run(Flags(checklist=str(path), output_dir=tmp_path / "run", report_only=True))
        journal = tmp_path / "run" / "journal.jsonl"
        lines = journal.read_text(encoding="utf-8").splitlines()
        places = [n for n, line in enumerate(lines) if json.loads(line)["kind"] == "repeated"]
        journal.write_text("\n".join(lines[: places[4]]) + "\n", encoding="utf-8")  # killed in the middle of a group
        before = len(fast.requests) + len(plain.requests)
        document = run(Flags(checklist=str(path), resume=tmp_path / "run", report_only=True))
        sent = len(fast.requests) + len(plain.requests) - before
    samples = records(tmp_path / "run", "repeated")
    keys = [(s["mode"], s["prompt_id"], s["repeat"]) for s in samples]
    assert len(keys) == len(set(keys)) == 4 * 2 * 3
    assert sent >= 4 * 2 * 3 - 4
    mode = next(m for m in document["modes"] if m["mode"] == SPEC)
    assert mode["speedup_repeated"]["pairs"] == 4
    finding = next(f for i in document["items"] for f in i["findings"] if f["id"] == "modes.repeated")
    assert finding["data"]["counted"]
    assert finding["data"]["baseline_cached"] > 0.5  # two of three requests are repetitions


def test_the_block_is_planned_priced_and_switched_off(tmp_path):
    some = prompts(tmp_path, 30).prompts
    plan = make_plan(some, [AR, DLM], AR, ModesItem())
    assert {(p.mode, p.repeat) for p in plan.repeated} == {(m, r) for m in (AR, DLM) for r in range(3)}
    assert len(plan.repeated) == 8 * 2 * 3
    off = make_plan(some, [AR, DLM], AR, ModesItem(repeated={"prompts": 0}))
    assert off.repeated == ()
    assert off.requests == plan.requests
    assert estimate(plan, some).requests - estimate(off, some).requests == 48
    assert estimate(plan, some).seconds > estimate(off, some).seconds


def test_each_first_answer_comes_before_its_repetitions_and_modes_take_turns(tmp_path):
    plan = make_plan(prompts(tmp_path, 30).prompts, [AR, DLM], AR, ModesItem(concurrency=[4], repeated={"prompts": 12}))
    for group in range(3):
        turns = [(p.mode, p.repeat) for p in plan.repeated if p.group == group]
        assert [r for _, r in turns] == sorted(r for _, r in turns)
        assert {m for m, r in turns if r == 1} == {AR, DLM}
    started = make_plan(prompts(tmp_path, 30).prompts, [AR, DLM], AR, ModesItem(), launched=[AR, DLM])
    assert {(p.mode, p.launch) for p in started.repeated} == {(AR, 2), (DLM, 2)}


@pytest.mark.parametrize(("minutes", "least", "most"), [(None, 8, 8), (1000, 8, 8), (15, 0, 3), (1, 0, 0)])
def test_a_budget_keeps_it_small(tmp_path, minutes, least, most):
    assert least <= again_prompts(prompts(tmp_path, 30).prompts, 2, ModesItem(), minutes) <= most


def test_nothing_is_asked_again_without_a_mode_to_compare(tmp_path):
    some = prompts(tmp_path, 30).prompts
    assert make_plan(some, [AR], AR, ModesItem()).repeated == ()
    assert make_plan(some, [AR, "incumbent"], AR, ModesItem()).repeated == ()


def test_a_budget_of_requests_is_first_for_what_decides(tmp_path):
    path = small(tmp_path, {AR: {"endpoint": "http://127.0.0.1:9"}, SPEC: {"endpoint": "http://127.0.0.1:9"}})
    whole = prepare(load_checklist(path))
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    needed = estimate(whole.plan, whole.prompts.prompts).requests
    assert whole.plan.repeated
    for requests, planned in ((needed, True), (needed - 1, False)):
        path.write_text(yaml.safe_dump({**document, "budget": {"requests": requests}}), encoding="utf-8")
        assert bool(prepare(load_checklist(path)).plan.repeated) is planned
