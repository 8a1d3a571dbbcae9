"""The example server around a model's own code, in a process of its own, with a tiny model that has the three calls."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

from evalkit.checklist.schema import Checklist, Endpoint
from evalkit.client.types import ChatRequest
from evalkit.client.wire import WireClient
from evalkit.run.preflight import Work, preflight
from evalkit.serving.probe import probe, target_for
from evalkit.serving.stats_file import StatsFile

EXAMPLE = Path(__file__).parents[2] / "examples" / "remote_code_server"
MODEL = Path(__file__).parent / "tiny_code_model"
KEY = "sk-canary-example-1"
MODES = ("autoregressive", "diffusion", "self-speculation")


def argv(*flags: str, model: Path | str = MODEL, loader: str = "plain", python: str = sys.executable) -> list[str]:
    return [python, str(EXAMPLE / "server.py"), str(model), "--loader", loader, "--port", "0", *flags]


@contextmanager
def running(
    mode: str, *flags: str, model: Path = MODEL, loader: str = "plain", python: str = sys.executable, **env: str
):
    command = argv("--mode", mode, "--i-trust-this-code", *flags, model=model, loader=loader, python=python)
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **env},
    )  # fmt: skip
    try:
        said = ""
        for line in process.stderr:
            said += line
            if line.startswith("ready: "):
                break
        else:
            raise AssertionError(said)
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield line.split()[1], said
    finally:
        process.kill()
        process.wait()


def ask(url: str, *, api_key_env: str | None = None, stream: bool = True, text: str = "one two three four", **more):
    endpoint = Endpoint(endpoint=url, api_key_env=api_key_env)

    async def main():
        client = WireClient()
        try:
            facts = await probe("m", endpoint, client=client)
            request = ChatRequest(messages=({"role": "user", "content": text},), stream=stream, **more)
            return facts, await client.chat(target_for("m", endpoint, facts), request)
        finally:
            await client.aclose()

    return asyncio.run(main())


@pytest.mark.parametrize(("mode", "passes"), list(zip(MODES, (1 + 25, 1 + 3, 1 + 2 * 5), strict=True)))
def test_each_mode_answers_by_its_own_call_and_counts_its_forward_passes(tmp_path, mode, passes):
    log = tmp_path / "forward.jsonl"
    with running(mode, "--stats-file", str(log)) as (url, _):
        file = StatsFile(mode, str(log))
        facts, exchange = ask(url, max_tokens=40)
        seen = file.read()
    assert facts.engine == "remote-code"
    assert facts.declared_mode == mode
    assert facts.known_by == "declared"
    assert facts.release == "unknown"
    assert len(facts.provenance["remote code"]) == 64
    assert exchange.ok
    assert exchange.finish_reason == "stop"
    assert exchange.completion_tokens == 25  # 24 and the end token
    assert exchange.text.strip()
    assert "<eos>" not in exchange.text
    assert exchange.server["forward_passes"] == passes
    asked = json.loads(log.read_text().splitlines()[-1])
    assert (asked["forward_passes"], asked["tokens"]) == (passes, 25)
    assert seen.lines == 2  # the probe's request and ours
    assert seen.tokens_per_forward > 0


def test_a_reply_is_cut_at_max_tokens_although_whole_blocks_are_decoded():
    with running("diffusion") as (url, _):
        _, exchange = ask(url, max_tokens=5, stream=False)
    assert exchange.ok, exchange.error
    assert (exchange.completion_tokens, exchange.finish_reason) == (5, "length")


def test_it_is_labelled_as_no_timing_reference_and_is_refused_as_one():
    with running("autoregressive") as (url, said):
        with urllib.request.urlopen(f"{url}/server_info") as page:
            about = json.load(page)
        facts, _ = ask(url)
    assert "not a timing reference" in said
    assert about["timing_reference"] is False
    asked = Checklist.model_validate({"modes": {"autoregressive": {"endpoint": url}}})
    (conflict,) = preflight(asked, {"autoregressive": facts}, Work())
    assert conflict.certain
    assert "no timing reference" in conflict.what
    assert "baseline.quality" in conflict.remedy


def test_nothing_runs_without_consent():
    done = subprocess.run(argv("--mode", "diffusion"), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "modeling_tiny.py" in done.stderr
    assert "--i-trust-this-code" in done.stderr
    assert "loading" not in done.stderr


def test_consent_to_a_repository_names_the_commit_that_was_read():
    command = argv("--mode", "diffusion", "--i-trust-this-code", "--revision", "main", model="acme-labs/Trident-8B")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "--revision <40 hex digits>" in done.stderr


def test_a_model_without_the_call_of_the_mode_is_named(tmp_path):
    for file in MODEL.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_text(file.read_text().replace("def linear_spec_generate", "def other"))
    command = argv("--mode", "self-speculation", "--i-trust-this-code", model=str(tmp_path))
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "has no linear_spec_generate" in done.stderr


def test_a_key_is_asked_for_and_never_told(monkeypatch):
    monkeypatch.setenv("EXAMPLE_KEY", KEY)
    with running("autoregressive", "--api-key-env", "EXAMPLE_KEY") as (url, said):
        facts, exchange = ask(url, api_key_env="EXAMPLE_KEY")
        refused, _ = ask(url)
        request = urllib.request.Request(f"{url}/server_info", headers={"authorization": f"Bearer {KEY}"})
        with urllib.request.urlopen(request) as page:
            told = page.read()
    assert exchange.ok
    assert refused.error_kind == "auth"
    assert KEY.encode() not in told + said.encode() + facts.model_dump_json().encode()


@pytest.fixture(scope="module")
def one():
    with running("autoregressive") as (url, _):
        yield url


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b"{" * 3000, 400),
        (b'{"messages": "hello"}', 400),
        (b'{"messages": [{"role": "user", "content": "x"}], "max_tokens": -1}', 400),
        (b'{"messages": [{"role": "user", "content": "x"}], "max_tokens": 100000}', 400),
        (b'{"messages": [{"role": "user", "content": "x"}], "temperature": "hot"}', 400),
        (b'{"messages": [{"role": "user", "content": "x"}], "tools": [{}]}', 400),
        (b'{"messages": [{"no": "role"}]}', 500),
    ],
)
def test_a_bad_request_is_refused_and_the_server_goes_on(one, body, status):
    request = urllib.request.Request(f"{one}/v1/chat/completions", data=body)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=30)
    assert caught.value.code == status
    assert json.load(caught.value)["object"] == "error"
    _, exchange = ask(one)
    assert exchange.ok


@pytest.mark.slow
def test_as_baseline_of_quality_it_is_asked_and_not_timed(tmp_path):
    from evalkit.reference import ReferenceProcess, Script
    from tests.run.sessions import FAST, evalkit, finding, write

    suite = {
        "suite": {"name": "echo", "kind": "chat"},
        "cases": [{"id": f"c{n}", "prompt": f"say {n} again", "expect": [{"contains": {"any": ["again"]}}]}
                  for n in range(3)],
    }  # fmt: skip
    (tmp_path / "tasks.yaml").write_text(json.dumps(suite))
    own, log = "autoregressive@remote-code", tmp_path / "forward.jsonl"
    with (
        ReferenceProcess(Script(**FAST)) as fast,
        ReferenceProcess(Script(mode="self-speculation", **FAST)) as drafting,
        running("autoregressive", "--stats-file", str(log)) as (url, _),
    ):
        modes = {
            "autoregressive": {"endpoint": fast.base_url},
            own: {"endpoint": url, "stats_file": str(log)},
            "self-speculation": {"endpoint": drafting.base_url},
        }
        more = {"baseline": {"speed": "autoregressive", "quality": own}, "tasks": ["tasks.yaml"]}
        asked = {
            "modes": {"adopt": ["self-speculation"], "repeats": 1, "warmup": 1},
            "serving": {"allow": ["release", "fork"]},
        }
        report, said = evalkit(write(tmp_path, modes, items=asked, **more), "--output-dir", tmp_path / "run")
    records = [json.loads(line) for line in (tmp_path / "run" / "journal.jsonl").read_text().splitlines()]
    assert {r["data"]["mode"] for r in records if r["kind"] == "timed"} == {"autoregressive", "self-speculation"}, said
    assert own in {r["data"]["mode"] for r in records if r["kind"] == "answer"}
    assert finding(report, "serving.mode", own)["status"] == "pass"
    passes = finding(report, "serving.forward-passes", own)
    assert passes["status"] == "pass"  # one token a pass is what autoregressive decoding is
    assert "forward passes" in passes["summary"]
