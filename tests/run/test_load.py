"""Open load from the checklist to the report, over real sockets in virtual time."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest
import yaml
from jsonschema import Draft202012Validator

from evalkit.reference import preset
from evalkit.run.start import Flags, run
from tests.support.small_run import MODEL, write_inputs
from tests.support.virtual_world import worlds

MODES = {
    "load": [{"rate": 20.0, "arrivals": "gamma(2)", "seconds": 0.8}, {"trace": "trace.jsonl", "speed": 2.0}],
    "capacity": {"slo": {"e2e_ms": 150, "share": 0.8}, "seconds": 0.8, "most": 60, "resolution": 1.5},
    "decide_at": "load",
}  # fmt: skip

SCHEMA = Draft202012Validator(json.loads(files("evalkit").joinpath("data/report.schema.json").read_text()))


def small(folder, modes, **changes):
    path = write_inputs(folder, modes)
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    document["items"]["modes"].update(MODES)
    document.update({"tasks": [], **changes})
    document["prompts"] = ["few.jsonl"]
    lines = (folder / "prompts.jsonl").read_text(encoding="utf-8").splitlines()[:4]
    (folder / "few.jsonl").write_text("\n".join(lines), encoding="utf-8")
    rows = [{"timestamp": 50 * n, "prompt": f"Tell me {n} facts.", "max_tokens": 8} for n in range(80)]
    (folder / "trace.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run that a budget of no minutes cannot end, and what a second session finds to do."""
    folder = tmp_path_factory.mktemp("load")
    with worlds() as world:
        plain, fast = world.serve(
            preset("autoregressive", speed=20, model=MODEL, max_running_requests=2, enable_cache_report=False),
            preset("self-speculation", speed=20, model=MODEL, max_running_requests=2),
        )
        path = small(
            folder, {"autoregressive": {"endpoint": plain.base_url}, "self-speculation": {"endpoint": fast.base_url}}
        )
        document = run(Flags(checklist=str(path), output_dir=folder / "run", report_only=True))
        before = (folder / "run" / "journal.jsonl").read_text(encoding="utf-8")
        run(Flags(checklist=str(path), resume=folder / "run", report_only=True))
        after = (folder / "run" / "journal.jsonl").read_text(encoding="utf-8")
    return folder / "run", document, before, after


def records(text, kind):
    return [r["data"] for line in text.splitlines() if (r := json.loads(line))["kind"] == kind]


@pytest.mark.slow
def test_the_same_arrivals_went_to_both_modes_in_alternating_blocks(finished):
    _, _, journal, _ = finished
    blocks = [b for b in records(journal, "load") if b["load"] == "20/s gamma(2)"]
    assert len(blocks) == 16
    by = {(b["mode"], b.get("block", 0)): b for b in blocks}
    for n in range(8):
        one, other = by["autoregressive", n], by["self-speculation", n]
        assert one.get("intended_ms") == other.get("intended_ms")
        assert one.get("prompts") == other.get("prompts")
    order = [b["mode"] for b in blocks]
    assert {frozenset(order[i : i + 2]) for i in range(0, 16, 2)} == {frozenset({"autoregressive", "self-speculation"})}
    assert order[::2] != ["autoregressive"] * 8


@pytest.mark.slow
def test_a_trace_is_replayed_at_its_own_times(finished):
    _, _, journal, _ = finished
    blocks = [b for b in records(journal, "load") if b["load"] == "trace.jsonl x2" and b["mode"] == "autoregressive"]
    assert [n for b in blocks for n in b["prompts"]] == list(range(80))
    assert blocks[0]["intended_ms"] == pytest.approx([25 * n for n in range(10)])


@pytest.mark.slow
def test_the_report_shows_loads_capacity_and_the_chart(finished):
    folder, document, _, _ = finished
    fast = next(m for m in document["modes"] if m["mode"] == "self-speculation")
    assert [one["load"]["kind"] for one in fast["loads"]] == ["rate", "trace"]
    assert fast["loads"][0]["speedup"]["blocks"] == 8
    written = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    SCHEMA.validate(written)
    levels = next(m for m in written["modes"] if m["mode"] == "self-speculation")["levels"]
    assert [one["load"] for one in levels if one["concurrency"] is None] == [one["load"] for one in fast["loads"]]
    assert fast["capacity"]["blocks"] == 8
    assert fast["capacity"]["rate"] > 0
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert "## Under open load" in text
    assert "## Capacity" in text
    assert "charts/load.svg" in text
    assert (folder / "charts" / "load.svg").exists()
    mine = [f for i in document["items"] for f in i["findings"] if f.get("mode") == "self-speculation"]
    counted = {f["id"]: f["counts"] for f in reversed(mine)}  # of several loads, the first
    assert counted["modes.load"]
    assert not counted["modes.speedup"]
    assert not counted["modes.capacity"]


@pytest.mark.slow
def test_hits_of_the_prefix_cache_are_told_by_replies_or_else_by_the_servers_counters(finished):
    _, document, journal, _ = finished
    blocks = [b for b in records(journal, "load") if b["load"] == "trace.jsonl x2"]
    assert {(b["mode"], b.get("counted_cached", False)) for b in blocks} == {
        ("autoregressive", True), ("self-speculation", False),
    }  # fmt: skip
    shares = {m["mode"]: m["loads"][1]["cached_share"] for m in document["modes"]}
    assert shares["autoregressive"] > 0.2
    assert shares["self-speculation"] == 0  # whole pages of 32 tokens alone are kept


@pytest.mark.slow
def test_a_second_session_sends_no_block_again(finished):
    _, _, before, after = finished
    keys = [(b["load"], b["mode"], b.get("block", 0), b["rate"]) for b in records(after, "load")]
    assert len(keys) == len(set(keys)) == len(records(before, "load"))
