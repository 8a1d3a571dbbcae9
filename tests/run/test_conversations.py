"""Conversations from the checklist to the report over real sockets: caches, turns, and runs that are killed on the way."""

from __future__ import annotations

import json
import subprocess
import time
from importlib.resources import files

import pytest
import yaml
from jsonschema import Draft202012Validator

from evalkit.reference import ReferenceProcess, preset
from evalkit.run.start import Flags, run
from evalkit.stored.folder import RunFolder
from tests.run.sessions import command
from tests.support.small_run import MODEL, write_inputs
from tests.support.virtual_world import worlds

AR, SPEC = "autoregressive", "self-speculation"
SCHEMA = Draft202012Validator(json.loads(files("evalkit").joinpath("data/report.schema.json").read_text()))


def write(folder, modes, how, *, count=6, **item):
    path = write_inputs(folder, modes)
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    document["items"]["modes"].update({"outside_cpu": 1.0, "turns": how, "warmup": 1, **item})
    document["tasks"] = []
    rows = []
    for n in range(count):
        messages = [{"role": "user", "content": f"Tell me three facts about river number {n}, and be brief about it."}]
        for turn in range(1 + n % 3):
            messages += [{"role": "assistant", "content": f"River {n} is long, and fact {turn} of it is well known."},
                         {"role": "user", "content": f"And what about its bank number {turn}, seen from the water?"}]  # fmt: skip
        rows.append({"id": f"talk{n}", "messages": messages, "max_tokens": 12})
    (folder / "prompts.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return path


@pytest.fixture
def modes():
    with (
        ReferenceProcess(preset(AR, speed=20, model=MODEL, prefill_ms_per_token=0.2)) as plain,
        ReferenceProcess(preset(SPEC, speed=20, model=MODEL, prefill_ms_per_token=0.2)) as fast,
    ):
        yield {AR: {"endpoint": plain.base_url}, SPEC: {"endpoint": fast.base_url}}


def test_later_turns_find_their_beginning_in_the_cache_and_first_ones_do_not(tmp_path):
    with worlds() as world:
        plain, fast = world.serve(*(preset(mode, model=MODEL, prefill_ms_per_token=0.2) for mode in (AR, SPEC)))
        modes = {AR: {"endpoint": plain.base_url}, SPEC: {"endpoint": fast.base_url}}
        path = write(tmp_path, modes, "scripted")
        document = run(Flags(checklist=str(path), output_dir=tmp_path / "run", report_only=True))
    facts = RunFolder(tmp_path / "run").facts()
    mine = [s for s in facts.timed if s.mode == AR]
    assert len(mine) == 2 * (2 + 3 + 4) * 2
    assert {s.exchange.cached_tokens for s in mine if s.turn == 1} == {0}
    assert all((s.exchange.cached_tokens or 0) > 10 for s in mine if s.turn != 1)
    assert {s.cluster for s in mine} == {f"talk{n}" for n in range(6)}
    speed = next(m for m in document["modes"] if m["mode"] == SPEC)["speedup"]
    assert speed["pairs"] == 18
    found = next(f for i in document["items"] for f in i["findings"] if f["id"] == "modes.conversations")
    assert (found["mode"], found["outcome"], found["counts"]) == (SPEC, "scripted", False)
    assert (found["data"]["conversations"], found["data"]["turns"]) == (6, 18)
    assert found["data"]["baseline_cached"] > 0.4
    # the unit is the conversation: six of them decide nothing
    assert next(f for i in document["items"] for f in i["findings"] if f["id"] == "modes.speedup"
                and f.get("mode") == SPEC)["outcome"] == "too-few-prompts"  # fmt: skip
    SCHEMA.validate(json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8")))


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("how", ["scripted", "live"])
def test_a_run_that_is_killed_in_conversations_ends_as_one_that_was_not(tmp_path, modes, how):
    path = write(tmp_path, modes, how, concurrency=[2])
    folder = tmp_path / "run"
    journal, kills = folder / "journal.jsonl", 0
    for target in (9, 31):
        where = ("--resume", folder) if (folder / "plan.json").exists() else ("--output-dir", folder)
        process = subprocess.Popen(command(path, *where), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and timed(journal) < target:
            time.sleep(0.002)
        kills += process.poll() is None
        process.kill()
        process.wait()
    assert kills
    document = run(Flags(checklist=str(path), resume=folder, report_only=True))
    facts = RunFolder(folder).facts()
    keys = [s.key for s in facts.timed]
    assert len(keys) == len(set(keys)) == 2 * 18 * 2
    again = [s.key for s in facts.repeated]
    assert len(again) == len(set(again))
    assert next(m for m in document["modes"] if m["mode"] == SPEC)["speedup"]["pairs"] == 18
    later = [s for s in facts.timed if s.mode == AR and s.turn != 1]
    assert all((s.exchange.cached_tokens or 0) > 10 for s in later)


def timed(journal):
    return journal.read_text(encoding="utf-8").count('"kind":"timed"') if journal.exists() else 0
