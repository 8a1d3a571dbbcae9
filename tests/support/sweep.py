"""A sweep against scripted servers in virtual time: settings whose speed and loss are known."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from evalkit.data import demo_path
from evalkit.reference.script import Script
from tests.faults.scenario import AR, CITIES, DIFFUSION, LIMITS, MODEL, Stage
from tests.gallery.stage import merged, place_of
from tests.support.faults import FaultServer

_COMMON: dict[str, Any] = {"model": MODEL, "context_length": 4096, "disable_radix_cache": True}
#: ms of one token of the baseline
_TOKEN_MS = 10.0


@dataclass(frozen=True)
class Truth:
    """One setting: how many times as fast as the baseline a long reply is, and the share of replies that go wrong."""

    label: str
    speed: float
    wrong: float = 0.0

    @property
    def mode(self) -> str:
        return f"{DIFFUSION}@{self.label}"

    def script(self, seed: int) -> Script:
        """Blocks of 8 tokens in 4 forwards, `speed` times as fast as one token in 10 ms."""
        each = _TOKEN_MS * 8 / 4 / self.speed
        return Script(
            mode=DIFFUSION, ttft_ms=_TOKEN_MS * 3 / self.speed, ms_per_forward=each, forwards_per_block=4, block_size=8,
            corrupt_json_rate=self.wrong, seed=_seed(seed, self.label), jitter_ms=4.0 / self.speed,
            dllm_algorithm_config=f"/settings/{self.label}.yaml", **_COMMON,
        )  # fmt: skip


def _seed(seed: int, label: str) -> int:
    """Another one for each server: what goes wrong in one setting does not in the others."""
    return zlib.crc32(f"{seed} {label}".encode())


def baseline(seed: int, wrong: float = 0.0) -> Script:
    return Script(
        corrupt_json_rate=wrong,
        ttft_ms=3 * _TOKEN_MS,
        ms_per_forward=_TOKEN_MS,
        seed=_seed(seed, AR),
        jitter_ms=1.0,
        **_COMMON,
    )


def prompts(count: int) -> str:
    asked = [
        {"id": f"p{n:03}", "prompt": f"Tell me in {16 + n % 24} words why rivers bend, part {n}.", "max_tokens": 48}
        for n in range(count)
    ]
    return "".join(json.dumps(one) + "\n" for one in asked)


def suite(cases: int) -> dict[str, Any]:
    asked = [
        {
            "id": f"c{n:03}",
            "prompt": f"Task {n}. Give the record of {CITIES[n % len(CITIES)]} as JSON.",
            "expect": [{"json": {"where": "whole"}}, {"json_match": {"city": CITIES[n % len(CITIES)]}}],
        }
        for n in range(cases)
    ]
    return {"suite": {"name": "records", "kind": "structured"}, "cases": asked}


class SweepStage(Stage):
    """Plays sweeps over `settings`, one server each, and a baseline."""

    def __init__(self, folder: Path, settings: Sequence[Truth], *, prompts_: int = 60, cases: int = 80) -> None:
        super().__init__(folder)
        for server in self.servers.values():
            server.close()
        self.settings = list(settings)
        scripts = {AR: baseline(0), **{one.mode: one.script(0) for one in settings}}
        self.servers = {label: FaultServer(script, place_of) for label, script in scripts.items()}
        (folder / "prompts.jsonl").write_text(prompts(prompts_))
        (folder / "tasks.yaml").write_text(json.dumps(suite(cases)))

    def seeded(self, seed: int) -> None:
        """Other noise and other cases that go wrong."""
        self.servers[AR].become(baseline(seed))
        for one in self.settings:
            self.servers[one.mode].become(one.script(seed))

    def checklist(self, **changes: Any) -> Path:
        document = {
            "name": "sweep",
            "candidate": {"model": str(demo_path("trident-8b"))},
            "request": {"temperature": 0, "max_tokens": 48},
            "sweep": {"mode": DIFFUSION},
            "modes": {label: {"endpoint": server.base_url} for label, server in self.servers.items()},
            "prompts": ["prompts.jsonl"],
            "tasks": ["tasks.yaml"],
            "limits": LIMITS,
            "items": {
                "modes": {"speedup": {"at_least": 1.1}, "warmup": 1},
                "hardware": {"declared": "H100-80GB"},
                "quality": {"margin": {"default": 0.1}},
                "context": {"need_tokens": 512},
            },
        }
        path = self.folder / "checklist.yaml"
        path.write_text(yaml.safe_dump(merged(document, changes), sort_keys=False))
        return path
