"""A real vLLM that decodes by diffusion, canvas by canvas: evalkit probes it, times it and judges it.

The model is a DiffusionGemma of random weights (build_diffusion_gemma.py): the verdict must be NO-GO, by its text.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from evalkit.reference import ReferenceServer, Script
from tests.real import make_suites, servers

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(1100),
    pytest.mark.skipif(
        servers.available("vllm-diffusion") is not None, reason=str(servers.available("vllm-diffusion"))
    ),
]


def canvas() -> int:
    """Tokens that are decoded together, by the model's configuration."""
    return json.loads((servers.model_folder("vllm-diffusion") / "config.json").read_text())["canvas_length"]


@pytest.fixture(scope="module")
def server():
    with servers.RealSglang("vllm-diffusion", ready_timeout_s=480) as running:
        yield running


def evalkit(*arguments: str, timeout: float) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "evalkit", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=False)


def test_its_mode_its_canvas_and_what_it_refuses_are_found(server):
    done = evalkit("probe", server.base_url, "--json", "--capabilities", timeout=600)
    (found,) = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert (found["engine"], found["engine_version"]) == ("vllm", "0.32.0")
    assert (found["declared_mode"], found["observed_mode"], found["known_by"]) == ("diffusion", "diffusion", "observed")
    assert found["block_size"] == canvas()
    taken = {name: one["value"] for name, one in found["capabilities"].items()}
    assert (taken["temperature_0"], taken["temperature_1"], taken["seed"]) == (False, True, False)
    assert (taken["logprobs"], taken["json_schema"]) == (True, False)
    assert (taken["odd_max_tokens"], taken["mask_text"]) == (True, True)
    assert taken["stop_inside_block"] is not False  # each reply is drawn anew: the text to stop at may not come again
    assert taken["context_enforced"] is True


def test_it_is_timed_and_its_noise_is_judged_to_be_noise(server, tmp_path):
    rows = [row for row in make_suites.rows() if row["task"] == "table"][:12]
    prompts = [{"id": row["id"], "prompt": row["prompt"], "max_tokens": 32} for row in rows]
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps(one) + "\n" for one in prompts))
    cases = [
        {"id": one["id"], "prompt": one["prompt"], "params": {"max_tokens": 32}, "expect": ["json"]} for one in prompts
    ]
    (tmp_path / "tasks.yaml").write_text(json.dumps({"suite": {"name": "rows", "kind": "structured"}, "cases": cases}))
    with ReferenceServer(Script(ttft_ms=1, ms_per_forward=1)) as today:
        checklist = {
            "candidate": {"model": str(servers.model_folder("vllm-diffusion")), "same_as": [servers.DIFFUSION_GEMMA]},
            "request": {"temperature": 1, "max_tokens": 32},
            "baseline": "incumbent",
            "modes": {"diffusion": {"endpoint": server.base_url}},
            "incumbent": {"endpoint": today.base_url},
            "prompts": ["prompts.jsonl"],
            "tasks": ["tasks.yaml"],
            "items": {"hardware": {"declared": "cpu"}, "context": {"probe": False}},
        }
        path = tmp_path / "checklist.yaml"
        path.write_text(json.dumps(checklist))
        done = evalkit("run", str(path), "--json", "--output-dir", str(tmp_path / "run"), timeout=700)
    assert done.stdout, done.stderr
    document = json.loads(done.stdout)
    (mode,) = document["modes"]
    (level,) = mode["levels"]
    print(mode["speedup"], level["tokens_per_chunk"], level["tokens_per_forward"])
    assert (document["verdict"], done.returncode) == ("no-go", 1)
    assert (mode["engine"], mode["observed_mode"]) == ("vllm", "diffusion")
    assert (level["requests"], level["failed"]) == (24, 0)
    assert level["tokens_per_chunk"]["most"] == canvas()
    assert level["tokens_per_forward"]["value"] > 1  # by its own counters
    quality = next(item for item in document["items"] if item["id"] == "quality")
    assert [f["outcome"] for f in quality["findings"] if f["id"] == "quality.floor"] == ["below"]
