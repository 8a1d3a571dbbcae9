"""The whole checklist against a real SGLang on the CPU, one server a mode, launched by evalkit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.real import servers

FIXTURES = Path(__file__).parent / "fixtures" / "tiny_trimode"
#: label -> what serves it; the two thresholds differ in speed by a third, and in nothing else
MODES = {
    "autoregressive": "ar",
    "diffusion@t0.95": "diffusion:b8-t0.95",
    "diffusion@t0.5": "diffusion:b8-t0.5",
    "speculative": "ngram",
}


def checklist(folder):
    """Answers of many tokens, so that decoding counts and not the prompt pass."""
    lines = [json.loads(line) for line in (FIXTURES / "prompts" / "chat.jsonl").read_text().splitlines()]
    long = [{**line, "max_tokens": 128} for line in lines if line["tags"][0] in {"table", "numbered", "count"}]
    (folder / "prompts.jsonl").write_text("\n".join(json.dumps(line) for line in long[::2][:24]) + "\n")
    path = folder / "checklist.yaml"
    path.write_text(yaml.safe_dump({
        "name": "tiny model in real modes",
        "candidate": {"model": str(servers.model_folder("ar"))},
        "request": {"max_tokens": 128},
        "modes": {
            label: {"launch": servers.launch_argv(mode), "ready_timeout_s": 180} for label, mode in MODES.items()
        },
        "prompts": ["prompts.jsonl"],
        "tasks": [str(FIXTURES / "tasks" / "structured.yaml")],
        "items": {
            "modes": {"launch_order": list(MODES)},
            "hardware": {"declared": "cpu"},
            "context": {"need_tokens": 1024},
        },
    }))  # fmt: skip
    return path


@pytest.mark.real
@pytest.mark.timeout(900)
def test_a_real_run_measures_the_modes_and_agrees_with_what_is_known_of_the_model(tmp_path):
    reasons = [reason for mode in MODES.values() if (reason := servers.available(mode))]
    if reasons:
        pytest.skip(reasons[0])
    done = subprocess.run(
        [sys.executable, "-m", "evalkit", "run", str(checklist(tmp_path)), "--keep-going", "--json",
         "--output-dir", str(tmp_path / "run")],
        capture_output=True, text=True, timeout=850, check=False,
    )  # fmt: skip
    assert done.stdout, done.stderr
    document = json.loads(done.stdout)
    modes = {mode["mode"]: mode for mode in document["modes"]}
    for label in MODES:
        assert modes[label]["engine"] == "sglang"
        assert modes[label]["declared_mode"] == label.partition("@")[0]
    assert modes["autoregressive"]["observed_mode"] == "autoregressive"
    assert modes["speculative"]["observed_mode"] == "speculative"
    assert not document["simulated"]

    speed = {label: mode["speedup"] for label, mode in modes.items() if mode["speedup"]}
    print({label: (s["ratio"], s["low"], s["high"], s["pairs"]) for label, s in speed.items()})
    for found in speed.values():
        assert found["pairs"] >= 20
        assert found["low"] <= found["ratio"] <= found["high"]
    # known: the lower threshold unmasks more tokens a forward pass, 3.2 against 2.3
    assert speed["diffusion@t0.5"]["ratio"] > speed["diffusion@t0.95"]["ratio"]

    quality = next(item for item in document["items"] if item["id"] == "quality")
    passed = {f["mode"]: f["status"] for f in quality["findings"] if f["id"] == "quality.floor"}
    print(passed)
    # other weights' architecture in the diffusion folder: never the same model, so never a GO for it
    same = {f["mode"]: f["status"] for i in document["items"] for f in i["findings"] if f["id"] == "serving.same-model"}
    assert same["diffusion@t0.5"] == "fail"
    assert modes["diffusion@t0.5"]["qualified"] == "fail"
    assert done.returncode == document["exit_code"]
