"""The soak as a part of a run: asked by the checklist, done last, once a mode."""

from __future__ import annotations

import json

import pytest

from evalkit.reference import Script
from evalkit.run.start import Flags, run
from evalkit.serving import stability
from tests.run.sessions import MODEL, finding, write
from tests.support.virtual_world import worlds

AR, DIFF = "autoregressive", "diffusion"


@pytest.mark.slow
def test_a_healthy_server_passes_the_soak_that_the_checklist_asks(tmp_path, capsys):
    slow = {"model": MODEL, "ttft_ms": 50.0, "ms_per_forward": 40.0}
    with worlds() as world:
        one, other = world.serve(Script(**slow), Script(mode=DIFF, **slow))
        modes = {AR: {"endpoint": one.base_url}, DIFF: {"endpoint": other.base_url}}
        asked = {"serving": {"stability": {"minutes": 0.5}}, "modes": {"repeats": 1, "warmup": 1}}
        path = write(tmp_path, modes, items=asked)
        report = run(Flags(checklist=str(path), output_dir=tmp_path / "run"))
        again = run(Flags(checklist=str(path), resume=tmp_path / "run"))
    for mode in (AR, DIFF):
        assert finding(report, "serving.stability", mode)["status"] == "pass", finding(
            report, "serving.stability", mode
        )
        assert finding(again, "serving.stability", mode)["status"] == "pass"
    said = capsys.readouterr().err
    assert "20 disconnects" in said
    kinds = [json.loads(line)["kind"] for line in (tmp_path / "run" / "journal.jsonl").read_text().splitlines()]
    assert kinds.count("stability") == 2  # resumed, it is not done again
    assert kinds.index("stability") > max(n for n, kind in enumerate(kinds) if kind == "timed")


def test_the_shipped_soak_is_quiet_for_a_minute():
    assert stability.IDLE_S == 60.0
    assert stability.DISCONNECTS == 20
