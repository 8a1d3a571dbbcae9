"""Runs that are interrupted and go on against other servers: the evidence is then of two."""

from __future__ import annotations

import os
import signal

import pytest

from evalkit.errors import Interrupted
from evalkit.run.start import Flags, run
from tests.gallery.kinds import AR, DIFFUSION, Kind, Trick
from tests.gallery.stage import Gallery

pytestmark = pytest.mark.slow


async def interrupted(turn):
    """Ctrl-C at the 36th timed request."""
    turn.memory["n"] = number = int(turn.memory.get("n", 0)) + 1
    if number == 36:
        os.kill(os.getpid(), signal.SIGINT)
    await turn.send(turn.answer)


@pytest.fixture(autouse=True)
def heeds_ctrl_c():
    """Where the tests run in the background of a shell, Python was told to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("first", "then", "verdict", "finding"),
    [
        ({}, {}, "go", ("modes.order-trend", "still")),
        ({"ms_per_forward": 14}, {"ms_per_forward": 4}, "inconclusive", ("modes.order-trend", "crosses")),
        ({}, {"mode": AR, "declares": DIFFUSION, "ms_per_forward": 4}, "inconclusive", ("serving.mode", "mixed")),
        ({}, {"dtype": "float16"}, "inconclusive", ("serving.unchanged", "changed-between")),
        ({}, {"model_path": "other/model"}, "no-go", ("serving.unchanged", "changed-between")),
    ],
)
def test_a_run_that_goes_on_against_another_server_is_no_go_by_both(
    tmp_path, monkeypatch, first, then, verdict, finding
):
    stage = Gallery(tmp_path)
    kind = Kind(
        "resumed", "", finding, mode=first, prompts=40, tricks=(Trick(interrupted, places=frozenset({"timing"})),)
    )
    with pytest.raises(Interrupted):
        stage.show(kind, monkeypatch)
    folder = tmp_path / "run-1"
    stage.become(kind.baseline, then)
    with stage._world(monkeypatch):
        report = run(Flags(checklist=str(tmp_path / "checklist.yaml"), resume=folder, as_json=True))
    stage.close()
    found = [(f["id"], f["outcome"]) for i in report["items"] for f in i["findings"] if f.get("mode") == DIFFUSION]
    assert finding in found
    assert report["verdict"] == verdict
