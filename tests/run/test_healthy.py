"""A healthy pair, as a team meets it: own prompts, own cases, the candidate in a local folder, nothing set aside.

On the real clock beside nothing else (`make healthy`): the witness leaves open what other tests crowd. The suite has it
in virtual time: `healthy` and `local-folder` of the gallery.
"""

from __future__ import annotations

import json

import pytest
import yaml

from evalkit.data import demo_path
from evalkit.run.start import Flags, run
from tests.support.small_run import MODEL, servers, write_inputs

#: what other work on the machine leaves open; no verdict is asked of such a run
_BUSY = {"modes.witness", "modes.client-error", "modes.warm-up"}
_TRIES = 3


def folder_of_the_candidate(place):
    """The demo's model as files, under a name that is not the served one."""
    model = place / "model"
    model.mkdir()
    for name, text in json.loads(demo_path("trident-8b").read_text(encoding="utf-8"))["texts"].items():
        (model / name).write_text(text, encoding="utf-8")
    return model


def open_findings(report):
    counted = (f for i in report["items"] if i["required"] for f in i["findings"] if f["counts"])
    return {f["id"]: f["outcome"] for f in counted if f["status"] in ("inconclusive", "fail", "error")}


@pytest.mark.proof
@pytest.mark.timeout(600)
def test_a_healthy_pair_ends_in_go_with_the_defaults(tmp_path, capsys):
    """Run again where something else used the machine meanwhile: then, and only then, a healthy pair may stay open."""
    folder_of_the_candidate(tmp_path)
    with servers(speed=4.0) as modes:
        path = write_inputs(tmp_path, modes)
        asked = yaml.safe_load(path.read_text(encoding="utf-8"))
        asked["candidate"] = {"model": "model"}
        path.write_text(yaml.safe_dump(asked, sort_keys=False), encoding="utf-8")
        for attempt in range(_TRIES):
            report = run(Flags(checklist=str(path), output_dir=tmp_path / f"run-{attempt}", as_json=True))
            left = open_findings(report)
            if report["verdict"] == "go":
                break
            crowd = left.keys() & _BUSY
            assert crowd, left
            assert left.keys() <= _BUSY or left.get("modes.speedup") in ("crowded", "open"), left
    if report["verdict"] != "go":
        pytest.skip(f"something else used this machine in each of {_TRIES} runs: {sorted(left)}")
    assert (report["recommended_mode"], report["exit_code"]) == ("self-speculation", 0)
    same = next(
        f
        for i in report["items"]
        for f in i["findings"]
        if f["id"] == "serving.same-model" and f.get("mode") == "self-speculation"
    )
    assert (same["status"], same["outcome"]) == ("warn", "not-verified"), f"a folder is not {MODEL}, nor another model"
    assert report["witness"]["outside_cpu"] <= 0.25
