"""Runs with the model's own code as server: beside engines for quality, and alone in two modes."""

from __future__ import annotations

import json
from contextlib import ExitStack

import pytest

from evalkit.reference import ReferenceProcess, Script
from tests.run.sessions import FAST, evalkit, finding, write
from tests.serve.served import MODEL, process

OWN = "autoregressive@remote-code"
LABEL = "reference implementation: not a serving speed"
SUITE = {
    "suite": {"name": "echo", "kind": "chat"},
    "cases": [
        {"id": f"c{n}", "prompt": f"say {n} again", "expect": [{"contains": {"any": ["again"]}}]} for n in range(3)
    ],
}


def served(stack: ExitStack, home, mode: str, *flags: str) -> str:
    return stack.enter_context(process(home, "--mode", mode, "--trust-remote-code", *flags))[0]


def timed(run) -> set[str]:
    records = [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]
    return {one["data"]["mode"] for one in records if one["kind"] == "timed"}


@pytest.mark.slow
def test_beside_engines_it_is_asked_and_not_timed(tmp_path):
    (tmp_path / "tasks.yaml").write_text(json.dumps(SUITE))
    log = tmp_path / "forward.jsonl"
    with ExitStack() as stack:
        fast = stack.enter_context(ReferenceProcess(Script(**FAST)))
        drafting = stack.enter_context(ReferenceProcess(Script(mode="self-speculation", **FAST)))
        modes = {
            "autoregressive": {"endpoint": fast.base_url},
            OWN: {
                "endpoint": served(stack, tmp_path, "autoregressive", "--stats-file", str(log)), "stats_file": str(log),
            },
            "self-speculation": {"endpoint": drafting.base_url},
        }  # fmt: skip
        more = {"baseline": {"speed": "autoregressive", "quality": OWN}, "tasks": ["tasks.yaml"]}
        asked = {
            "modes": {"adopt": ["self-speculation"], "repeats": 1, "warmup": 1},
            "serving": {"allow": ["release", "fork"]},
        }
        report, said = evalkit(write(tmp_path, modes, items=asked, **more), "--output-dir", tmp_path / "run")
    assert timed(tmp_path / "run") == {"autoregressive", "self-speculation"}, said
    assert finding(report, "serving.mode", OWN)["status"] == "pass"
    passes = finding(report, "serving.forward-passes", OWN)
    assert passes["status"] == "pass"  # one token a pass is what autoregressive decoding is
    assert any(s["mode"] == "self-speculation" and s["cases"] == 3 for s in report["quality"]["suites"])


@pytest.mark.slow
def test_alone_it_is_timed_under_its_label_and_its_speed_decides_nothing(tmp_path):
    (tmp_path / "tasks.yaml").write_text(json.dumps(SUITE))
    with ExitStack() as stack:
        modes = {
            mode: {"endpoint": served(stack, tmp_path, mode, "--served-name", "tiny")}
            for mode in ("autoregressive", "diffusion")
        }
        asked = {"modes": {"repeats": 1, "warmup": 1, "latency": {"e2e_p50_ms": 0.001}}}
        path = write(tmp_path, modes, items=asked, tasks=["tasks.yaml"], candidate={"model": str(MODEL)})
        report, said = evalkit(path, "--output-dir", tmp_path / "run")
    assert timed(tmp_path / "run") == set(modes), said
    assert report["verdict"] == "inconclusive"  # no NO-GO by a target that it misses
    assert finding(report, "modes.speedup", "diffusion")["outcome"] == "reference"
    assert finding(report, "modes.latency-e2e-p50", "diffusion")["outcome"] == "reference"
    assert {m["timing_label"] for m in report["modes"]} == {LABEL}
    assert f"diffusion ({LABEL})" in (tmp_path / "run" / "report.md").read_text()
    assert finding(report, "quality.scored", "diffusion")["status"] == "pass"
    assert report["modes"][1]["levels"][0]["tokens_per_forward"]["value"] > 1
