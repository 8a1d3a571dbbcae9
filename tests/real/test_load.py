"""Open load on a real SGLang in three modes of one small model: capacity, an overload, and prompts that come again."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import ExitStack

import pytest
import yaml

from evalkit.analysis.load import behaviour, kept
from evalkit.checklist.load import Slo
from evalkit.client import run
from evalkit.client.types import ChatRequest, Target
from evalkit.client.wire import WireClient
from evalkit.run.plan.openloop import Arrival, play
from evalkit.timing.facts import LoadBlock
from tests.real import servers

AR, BLOCKS, NGRAM = "autoregressive", "diffusion", "speculative"
MODES = {AR: "ar", BLOCKS: "diffusion:b8-t0.5", NGRAM: "ngram"}
REASON = next((reason for mode in MODES.values() if (reason := servers.available(mode))), None)
pytestmark = [
    pytest.mark.real, pytest.mark.timeout(1500), pytest.mark.skipif(REASON is not None, reason=str(REASON)),
]  # fmt: skip
#: every reply has this length, so that the modes do the same work
TOKENS = 32
SLO = {"e2e_ms": 3000, "share": 0.9}


@pytest.fixture(scope="module")
def urls():
    with ExitStack() as stack:
        yield {
            label: stack.enter_context(servers.RealSglang(mode, ready_timeout_s=400)).base_url
            for label, mode in MODES.items()
        }


def prompts(count):
    rows = [json.loads(line) for line in (servers.FIXTURE / "prompts" / "chat.jsonl").read_text().splitlines()]
    return [one for one in rows if one["tags"][0] in {"table", "numbered", "count"}][:count]


def ran(folder, urls, **modes):
    """report.json of a run of the modes' item alone."""
    lines = [{"id": one["id"], "prompt": one["prompt"], "max_tokens": TOKENS, "extra_body": {"ignore_eos": True}}
             for one in prompts(8)]  # fmt: skip
    (folder / "prompts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "checklist.yaml").write_text(yaml.safe_dump({
        "name": "load", "candidate": {"model": str(servers.model_folder("ar"))}, "prompts": ["prompts.jsonl"], "tasks": [],
        "modes": {label: {"endpoint": url} for label, url in urls.items()},
        "items": {"modes": {"repeats": 1, "warmup": 1, "outside_cpu": 1.0, **modes}, "hardware": {"declared": "cpu"}},
    }))  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "evalkit", "run", folder / "checklist.yaml", "--only", "modes", "--no-wait", "--yes",
         "--json", "--output-dir", folder / "run"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=1400, check=False,
    )  # fmt: skip
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("turn", range(3))
def test_the_order_of_capacities_is_the_same_in_every_run(tmp_path, urls, turn):
    asked = {"slo": SLO, "seconds": 4, "resolution": 1.3, "start": 6, "most": 60}
    report = ran(tmp_path, urls, capacity=asked, repeated={"prompts": 0})
    found = {mode["mode"]: mode["capacity"] for mode in report["modes"]}
    for label, one in found.items():
        ratio = one.get("ratio") or {}
        print(turn, label, *(one[key] and round(one[key], 2) for key in ("rate", "low", "high")), one["beyond"],
              [ratio.get(key) and round(ratio[key], 2) for key in ("ratio", "low", "high")])  # fmt: skip
    assert all(one["blocks"] == 8 and one["rate"] > 0 for one in found.values())
    assert found[AR]["rate"] > found[BLOCKS]["rate"]


def test_a_server_recovers_from_an_overload(urls):
    """Requests at once for many times what is served at a time; behind it a block that keeps the level."""
    ask = ChatRequest(({"role": "user", "content": prompts(1)[0]["prompt"]},), TOKENS, extra_body={"ignore_eos": True})

    async def blocks():
        client = WireClient()
        target = Target(AR, urls[AR], servers.MODEL)
        try:
            quiet = await client.chat(target, ask)
            alone = quiet.e2e_us / 1e6
            for gap in (alone / 32, 4 * alone):
                ats = [gap * n for n in range(160 if gap < alone else 16)]
                told = await play(client, target, [Arrival(at, 0, ask) for at in ats], drain_s=60, quiet=ask)
                yield LoadBlock(load="x", mode=AR, block=0, rate=1 / gap, seconds=ats[-1], planned=len(ats), **told)
        finally:
            await client.aclose()

    async def played():
        return [one async for one in blocks()]

    over, after = run(played())
    slo = Slo(e2e_ms=4 * sorted(after.e2e_ms)[8], share=0.8)
    print(sorted(over.e2e_ms)[:: len(over.e2e_ms) // 4], over.after_ms, sorted(after.e2e_ms)[::4])
    assert behaviour(over, slo) == "queues"
    assert not kept(over, slo)
    assert over.after_ms is not None
    assert kept(after, slo)


def test_prompts_that_come_again_are_shown_with_the_hits_that_the_server_counts(tmp_path, urls):
    """SGLang tells cached tokens in its replies only when it is started for it; its /metrics count them all the same."""
    report = ran(tmp_path, {label: urls[label] for label in (AR, NGRAM)}, concurrency=[1])
    entry = next(mode for mode in report["modes"] if mode["mode"] == NGRAM)
    found = next(f for item in report["items"] for f in item["findings"] if f["id"] == "modes.repeated")
    print({key: entry["speedup"][key] for key in ("ratio", "low", "high", "pairs")})
    print(found["data"])
    assert found["data"]["counted"]
    assert 0.3 < found["data"]["baseline_cached"] <= 1
    assert 0.3 < found["data"]["cached"] <= 1
    # drafts come from earlier answers: repeated prompts are drafted whole
    assert entry["speedup_repeated"]["ratio"] > entry["speedup"]["ratio"]
    assert not found["counts"]


def test_ab_of_two_servers_is_one_line_whose_run_can_be_read_again(tmp_path, urls):
    lines = [json.dumps({"id": one["id"], "prompt": one["prompt"], "max_tokens": TOKENS}) for one in prompts(40)]
    (tmp_path / "prompts.jsonl").write_text("\n".join(lines))
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "evalkit", "ab", urls[AR], urls[NGRAM], "--prompts", "prompts.jsonl", "--at-least", "1.1",
         "--no-wait", "--output-dir", "run"],
        cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    print(f"ab: exit {done.returncode} after {time.monotonic() - begun:.0f} s\n{done.stdout[:600]}")
    assert done.returncode in {0, 1, 3}, done.stderr
    again = subprocess.run(
        [sys.executable, "-m", "evalkit", "report", "run", "--format", "json"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert json.loads(again.stdout)["exit_code"] == done.returncode
