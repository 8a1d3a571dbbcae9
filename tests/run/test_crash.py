"""Runs that are killed and interrupted: nothing is lost, nothing is repeated, and the outcome is the undisturbed one's.

Five ends here; `make crash` makes two hundred.
"""

from __future__ import annotations

import random
import subprocess

import pytest

from evalkit.stored.folder import RunFolder
from tests.run import crash
from tests.run.sessions import command

LEVEL = 2


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """Two servers, a checklist for them, and the run that nobody disturbed."""
    home = tmp_path_factory.mktemp("crash")
    slow, fast = crash.servers()
    with slow, fast:
        path = crash.checklist(home, {crash.AR: {"endpoint": slow.base_url}, crash.FAST: {"endpoint": fast.base_url}})
        yield slow, fast, path, crash.undisturbed(path, home / "reference")


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.proof) for n in (1, 2, 3))])
def test_a_run_that_is_ended_five_times_and_resumed_equals_the_undisturbed_one(bench, tmp_path, seed):
    slow, fast, path, reference = bench
    rng, total, ended = random.Random(seed), crash.lines(reference.journal), 0
    for number in range(3):  # a run may come to its end before it is killed
        for server in (slow, fast):
            crash.emissions(server, clear=True)
        folder = tmp_path / f"run-{number}"
        story = crash.disturbed(path, folder, rng, total, kills=5 - ended)
        story.sent = crash.emissions(slow) + crash.emissions(fast)
        crash.compare(reference, RunFolder(folder), story, level=LEVEL)
        ended += len(story.kills)
        if ended == 5:
            break
    assert ended


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_resume_starts_no_server_of_a_mode_that_is_done(tmp_path):
    path, folder = crash.launched_checklist(tmp_path), tmp_path / "run"
    crash.undisturbed(path, folder)
    before = RunFolder(folder).facts()
    done = subprocess.run(command(path, "--resume", folder), capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode in {0, 1, 3}, done.stderr
    after = RunFolder(folder).facts()
    assert len(before.launches) >= 2
    assert after.launches == before.launches
    assert "starting" not in done.stderr
    assert (len(after.timed), len(after.answers)) == (len(before.timed), len(before.answers))


@pytest.mark.slow
def test_resume_refuses_a_changed_plan_and_says_how_the_run_began(bench, tmp_path):
    _, _, path, reference = bench
    changed = tmp_path / "changed.yaml"
    changed.write_text(path.read_text().replace("small", "other"))
    for name in ("prompts.jsonl", "suite.yaml"):
        (tmp_path / name).write_bytes((path.parent / name).read_bytes())
    held = reference.journal.read_bytes()
    done = subprocess.run(
        command(changed, "--resume", reference.path), capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 2
    assert "the plan differs" in done.stderr
    assert f"evalkit run {path}" in done.stderr
    assert reference.journal.read_bytes() == held


@pytest.mark.slow
def test_a_new_run_refuses_a_folder_that_holds_one(bench):
    _, _, path, reference = bench
    done = subprocess.run(
        command(path, "--output-dir", reference.path), capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 2
    assert "already contains a run" in done.stderr
