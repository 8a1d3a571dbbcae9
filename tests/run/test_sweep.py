"""A sweep against scripted servers in virtual time: what is kept, what is decided, and that it goes on where it ended."""

from __future__ import annotations

import json

import pytest
import yaml

from evalkit.checklist.loader import load_checklist
from evalkit.errors import Interrupted, UsageError
from evalkit.report.formats.markdown import render
from evalkit.run.start import Flags, run
from evalkit.stored.folder import RunFolder
from tests.cli.command import evalkit
from tests.support.sweep import SweepStage, Truth

pytestmark = pytest.mark.slow

#: the fastest without a loss, two that are faster and lose, and slower ones
SETTINGS = (Truth("a", 1.3), Truth("b", 1.7), Truth("c", 2.3), Truth("d", 2.9, 0.5), Truth("e", 3.4, 0.6))
BEST = "diffusion@c"


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    made = SweepStage(tmp_path_factory.mktemp("sweep"), SETTINGS)
    made.seeded(3)
    yield made
    made.close()


@pytest.fixture(scope="module")
def outcome(stage):
    patch = pytest.MonkeyPatch()
    yield stage.play(patch)
    patch.undo()


def test_the_fastest_setting_that_loses_nothing_is_adopted_by_the_run_itself(outcome):
    assert (outcome.report["verdict"], outcome.report["recommended_mode"]) == ("go", BEST)
    fates = {one.mode: one for one in outcome.facts.sweep.settings}
    assert BEST in outcome.facts.sweep.finalists
    assert {"diffusion@d", "diffusion@e"}.isdisjoint(outcome.facts.sweep.finalists)
    assert fates["diffusion@a"].fate == "slower"
    assert all(one.dropped is None for one in fates.values() if one.fate == "finalist")
    assert RunFolder.open(outcome.folder).verify() == []


def test_what_decides_was_asked_in_no_stage(outcome):
    used = [outcome.facts, *(RunFolder.open(one).facts() for one in sorted(outcome.folder.glob("sweep/stage-*")))]
    assert len(used) == 3
    prompts = [{one.prompt_id for one in facts.timed} for facts in used]
    cases = [{one.case_id for one in facts.answers} for facts in used]
    for parts in (prompts, cases):
        assert sum(map(len, parts)) == len(set.union(*parts))
        assert all(parts)


def test_a_sweep_sends_at_most_half_of_the_grid(outcome):
    sweep = outcome.facts.sweep
    sent = sweep.screened + sum(map(len, (outcome.facts.timed, outcome.facts.repeated, outcome.facts.answers)))
    assert sent <= sweep.planned <= sweep.grid / 2
    assert not sweep.above_half
    repeated = sum(one.mode == BEST for one in outcome.facts.repeated)
    assert sweep.grid == (60 * 2 + repeated) * 6 + 80 * (6 + 1)


def test_the_report_shows_every_setting_and_the_gate_takes_the_checklist_that_was_given(outcome, stage, capsys):
    page = render(outcome.report)
    assert all(one.mode in page for one in SETTINGS)
    part = outcome.report["sweep"]
    assert [one["mode"] for one in part["settings"]] == [one.mode for one in SETTINGS]
    given = stage.folder / "checklist.yaml"
    assert evalkit(capsys, "gate", outcome.folder, "--checklist", given, "--max-age", "500w").code == 0
    assert evalkit(capsys, "report", outcome.folder / "sweep" / "stage-1").code == 0
    changed = stage.folder / "changed.yaml"
    changed.write_text(given.read_text().replace("mode: diffusion", "mode: diffusion\n  finalists: 4"))
    assert evalkit(capsys, "gate", outcome.folder, "--checklist", changed, "--max-age", "500w").code == 3


def test_a_run_that_was_ended_while_it_screened_goes_on_there(stage, monkeypatch):
    """Ctrl-C in the second stage; nothing of the first is asked again, and the same settings are left."""
    from evalkit.run.steps import quality

    whole = quality.ask_tasks
    seen = []

    async def ends(run, session):
        seen.append(run.folder.path.name)
        if run.folder.path.name == "stage-2":
            raise KeyboardInterrupt
        await whole(run, session)

    out = stage.folder / "ended"
    flags = {"checklist": str(stage.checklist()), "as_json": True}
    with stage._world(monkeypatch):
        monkeypatch.setattr(quality, "ask_tasks", ends)
        with pytest.raises(Interrupted):
            run(Flags(output_dir=out, **flags))
        monkeypatch.setattr(quality, "ask_tasks", whole)
        assert not (out / "plan.json").exists()
        first = (out / "sweep" / "stage-1" / "journal.jsonl").read_bytes()
        report = run(Flags(resume=out, **flags))
    assert seen == ["stage-1", "stage-2"]
    assert (out / "sweep" / "stage-1" / "journal.jsonl").read_bytes() == first
    assert report["recommended_mode"] == BEST
    with stage._world(monkeypatch), pytest.raises(UsageError, match="plan"):
        run(Flags(resume=out, **{**flags, "checklist": str(stage.checklist(request={"max_tokens": 40}))}))


def test_a_setting_whose_server_is_not_there_is_dropped_and_the_others_are_decided(stage, monkeypatch):
    stage.servers[BEST].close()
    modes = {BEST: {"endpoint": "http://127.0.0.1:9"}}
    outcome = stage.play(monkeypatch, modes=modes)
    gone = next(one for one in outcome.facts.sweep.settings if one.mode == BEST)
    assert gone.fate in ("not-measured", "failed")
    assert outcome.report["recommended_mode"] == "diffusion@b"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"budget": {"minutes": 60}}, "budget"),
        ({"profile": "afternoon"}, "budget"),
        ({"sweep": {"mode": "self-speculation"}}, "0 configurations"),
        ({"sweep": {"knobs": {"threshold": [0.5, 0.9]}}}, "no launch"),
        ({"sweep": {"mode": "diffusion@a"}}, "write diffusion"),
        ({"items": {"modes": {"adopt": ["self-speculation"]}}}, "adopt"),
    ],
)
def test_what_a_sweep_does_not_go_with_is_refused_with_its_line(stage, change, said, capsys):
    path = stage.checklist(**change)
    done = evalkit(capsys, "validate", path)
    assert done.code == 2
    assert said in done.err
    assert f"{path}:" in done.err


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({"threshold": [0.5]}, "1 settings"),
        ({"threshold": [0.5, 0.5]}, "twice"),
        ({"block_size": list(range(1, 7)), "threshold": [0.5, 0.6, 0.7, 0.8]}, "24 settings"),
        ({"threshold": [0.1234567, 0.1234568]}, "six digits"),
        (
            {
                "block_size": [1048575, 1048576],
                "steps": [1000001],
                "max_running_requests": [1000001],
                "threshold": [0.123457],
            },
            "32 characters",
        ),
        ({"treshold": [0.5, 0.9]}, "threshold"),
    ],
)
def test_knobs_that_are_no_grid_are_refused(stage, knobs, said, capsys):
    done = evalkit(capsys, "validate", stage.checklist(sweep={"knobs": knobs}))
    assert done.code == 2
    assert said in done.err


def test_validate_and_dry_run_say_what_the_sweep_sends_and_start_nothing(stage, capsys):
    path = stage.checklist()
    assert evalkit(capsys, "validate", path).code == 0
    done = evalkit(capsys, "run", path, "--dry-run", "--json")
    assert done.code == 0
    assert "1,424" in done.err
    assert json.loads(done.out)["modes"][0] == "autoregressive"
    assert load_checklist(path).checklist.sweep.mode == "diffusion"


def test_an_item_that_is_left_out_is_left_out_of_screening_too(stage, tmp_path, capsys):
    from evalkit.run.sweep.plan import standing

    path = stage.checklist()
    found = standing(load_checklist(path), tmp_path, {"quality": "no tasks yet"})
    setups = (*found.stages, found.run)
    assert [one.skip.get("quality") for one in setups] == ["no tasks yet"] * 3
    assert found.plan.planned == sum(len(one.plan.requests) + len(one.plan.repeated) for one in setups)
    done = evalkit(capsys, "run", path, "--dry-run", "--json", "--skip", "quality=no tasks yet")
    assert f"{found.plan.planned:,} timed" in done.err
    assert json.loads(done.out)["skipped"] == {"quality": "no tasks yet"}


def test_a_stage_goes_on_where_its_files_lie_elsewhere(stage, tmp_path):
    """As on another node: the YAML of a setting has another path there, and the plan is the same."""
    from evalkit.run.sweep.plan import standing

    modes = {"diffusion": {"launch": ["python3", "-m", "sglang.launch_server", "--dllm-algorithm", "LowConfidence"]}}
    path = stage.checklist(modes=modes, sweep={"knobs": {"threshold": [0.5, 0.7, 0.9]}})
    found = [standing(load_checklist(path), tmp_path / name) for name in ("one", "other")]
    assert found[0].plan.settings[0].endpoint.launch != found[1].plan.settings[0].endpoint.launch
    assert [one.document() for one in found[0].stages] == [one.document() for one in found[1].stages]
    assert found[0].plan.sha256 == found[1].plan.sha256


def test_keys_are_out_of_reach_before_a_stage_runs_code(stage, monkeypatch):
    order = []

    def screened(*_, **__):
        order.append("screened")
        raise Interrupted("enough")

    monkeypatch.setattr("evalkit.quality.sandbox.run.prepare", lambda names: order.append("confined"))
    monkeypatch.setattr("evalkit.run.sweep.work.swept", screened)
    with pytest.raises(Interrupted):
        run(Flags(checklist=str(stage.checklist()), output_dir=stage.folder / "code", allow_exec=True))
    assert order == ["confined", "screened"]


@pytest.mark.parametrize("launches", [None, "single", "replicated"])
def test_the_requests_that_are_planned_are_those_of_the_runs(stage, launches, tmp_path):
    """Servers that are up, and servers that are started once or three times: what is counted is what would be sent."""
    from evalkit.quality.collect import plan as cases
    from evalkit.run.sweep.plan import standing

    changes = {"items": {"modes": {}}}
    if launches:
        start = {"launch": ["serve", "{threshold}"], "endpoint": None}
        modes = {label: {"launch": ["serve"], "endpoint": None} for label in stage.servers if "@" not in label}
        changes |= {
            "modes": {**modes, "diffusion": start},
            "sweep": {"knobs": {"threshold": [n / 10 for n in range(6)]}},
        }
        changes["items"]["modes"]["launches"] = launches
    document = yaml.safe_load(stage.checklist(**changes).read_text())
    if launches:
        document["modes"] = {label: one for label, one in document["modes"].items() if one["endpoint"] is None}
    path = stage.folder / "counted.yaml"
    path.write_text(yaml.safe_dump(document))
    found = standing(load_checklist(path), tmp_path)
    sent = 0
    for setup in (*found.stages, found.run):
        tasks = cases(setup.suites, list(setup.checklist.modes), baseline=setup.checklist.baseline.quality)
        sent += len(setup.plan.requests) + len(setup.plan.repeated) + len(tasks)
    assert sent == found.plan.planned
    assert not found.plan.above_half
    # of servers that are started each has one start before the decision
    assert [one.settings for one in found.plan.stages] == ([len(found.plan.settings)] if launches else [5, 3])
