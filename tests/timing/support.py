"""Prompts, scripted servers, samples and facts that the tests of timing share."""

from __future__ import annotations

import json
import math
import random
from datetime import UTC, datetime, timedelta

from evalkit.checklist.schema import Checklist, ModesItem, Request
from evalkit.client import run
from evalkit.client.types import Exchange, ExchangeError, Target
from evalkit.client.wire import WireClient
from evalkit.facts import Facts, RunStart
from evalkit.items.modes import decide as item
from evalkit.run.plan import execute
from evalkit.run.plan.schedule import make_plan
from evalkit.timing.facts import ClientError, PromptFacts, TimedSample
from evalkit.timing.prompts import load_prompts
from tests.client.rawserver import FAST, HEAD, LAST, chunk, event, serving

AR, DLM = "autoregressive", "diffusion"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def prompts(tmp_path, count=6):
    path = tmp_path / "p.jsonl"
    path.write_text("".join(json.dumps({"id": f"p{i}", "prompt": f"Say {i}."}) + "\n" for i in range(count)))
    return load_prompts([path], Request())


def script(pause):
    return [
        HEAD, pause, chunk(event("a", usage=1)), pause, chunk(event("b", usage=2)), pause,
        chunk(event("c", usage=3, finish="stop")), chunk(b"data: [DONE]\n\n"), LAST,
    ]  # fmt: skip


def execute_on(tmp_path, scripts, *, count=6, settings=None, item=None, **kw):
    some = prompts(tmp_path, count)
    plan = make_plan(some.prompts, [AR, DLM], AR, item or ModesItem(warmup=1))
    samples, events = [], []

    async def main():
        async with serving(scripts[0]) as one, serving(scripts[1]) as two:
            client = WireClient()
            targets = {m: Target(m, s.url, "m", limits=FAST) for m, s in ((AR, one), (DLM, two))}
            await execute.run_modes(
                targets, some, plan, client, on_sample=samples.append, on_event=events.append,
                settings=settings or execute.Settings(), **kw,
            )  # fmt: skip
            await client.aclose()
            return one, two

    servers = run(main())
    return samples, events, plan, servers


def sample(mode, prompt, repeat, e2e_ms, position=0, *, ok=True, text="x", tokens=32, level=1, chunks=None, **kw):
    at = NOW + timedelta(seconds=position)
    error = None if ok else ExchangeError(kind="http", message="HTTP 503", status=503)
    us = int(e2e_ms * 1000)
    exchange = Exchange(
        ok=ok, error=error, text=text, completion_tokens=tokens, prompt_tokens=10, cached_tokens=0, first_chunk_us=us // 3,
        last_chunk_us=us, done_us=us, chunks=chunks or ((us // 3, tokens // 2), (us, tokens)), written_at=at.isoformat(), finish_reason="stop",
    )  # fmt: skip
    return TimedSample(
        mode=mode,
        concurrency=level,
        prompt_id=prompt,
        repeat=repeat,
        position=position,
        exchange=exchange,
        loop_lag_p99_ms=0.1,
        cpu_share=0.05,
        **kw,
    )


def simulated(ratio, n=80, *, seed=1, noise=0.05, modes=(DLM,), **kw):
    rng, out, place = random.Random(seed), [], 0
    for i in range(n):
        base = math.exp(rng.gauss(6, 0.8))
        for repeat in range(2):
            for mode in (AR, *modes):
                true = base if mode == AR else base / ratio
                out.append(
                    sample(
                        mode, f"p{i}", repeat, true * math.exp(rng.gauss(0, noise)), place, **(kw if mode != AR else {})
                    )
                )
                place += 1
    return out


def facts(timed, **kw):
    start = RunStart(run_id="r", started_at="t", evalkit_version="0", plan_sha256="", checklist_sha256="")
    error = ClientError(
        streams=1,
        events_per_s=50,
        ttft_error_ms=0.3,
        e2e_error_ms=0.3,
        e2e_error_share=0.001,
        itl_error_share=0.0,
        lag_p99_ms=0.2,
        events=50,
    )
    own = PromptFacts(path="p", sha256="", count=80, shipped=False, longest_chars=9, max_tokens=9)
    return Facts(**{"start": start, "timed": tuple(timed), "client_errors": (error,), "prompts": (own,), **kw})


def checklist(*modes, **settings):
    return Checklist.model_validate(
        {"modes": {m: {"endpoint": "http://a:1"} for m in (modes or (AR, DLM))}, "items": {"modes": settings}}
    )


def found(check, timed, mode=DLM, **kw):
    findings = {(f.id, f.mode): f for f in item.decide(check, facts(timed, **kw), NOW)}
    return lambda name, of=mode: findings[f"modes.{name}", of]
