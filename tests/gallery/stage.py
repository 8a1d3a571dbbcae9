"""A small whole run over real sockets in virtual time: two modes and, where a kind wants one, an incumbent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from evalkit.data import demo_path
from evalkit.modes import INCUMBENT
from evalkit.reference.script import Script
from tests.faults.scenario import AR, CITIES, DIFFUSION, LIMITS, MODEL, Outcome, Stage
from tests.gallery.kinds import OWN_CARD, Kind, Trick
from tests.support.faults import Fault, FaultServer, Request

_COMMON: dict[str, Any] = {"model": MODEL, "context_length": 4096, "disable_radix_cache": True, "jitter_ms": 1.0}
SCRIPTS: dict[str, Script] = {
    AR: Script(ttft_ms=30, ms_per_forward=10, **_COMMON),
    # blocks of 16 tokens in 64 ms: 2.4 times as fast as one token in 10 ms
    DIFFUSION: Script(mode=DIFFUSION, ttft_ms=30, ms_per_forward=8, forwards_per_block=8, block_size=16, **_COMMON),
    INCUMBENT: Script(ttft_ms=30, ms_per_forward=12, **{**_COMMON, "model": "old-7b"}),
}  # fmt: skip


def place_of(request: Request) -> str:
    """Which work of the run a request belongs to."""
    if not request.generates:
        return "flush" if request.path == "/flush_cache" else "control"
    for mark, place in ((b"Tell me", "timing"), (b"the record of", "quality"), (b"weather in", "quality")):
        if mark in request.body:
            return place
    return "probe"


def prompts(count: int, tokens: int) -> str:
    asked = [
        {"id": f"p{n:02}", "prompt": f"Tell me in {16 + n % 24} words why rivers bend, part {n}.", "max_tokens": tokens}
        for n in range(count)
    ]
    return "".join(json.dumps(one) + "\n" for one in asked)


def suite(cases: int) -> dict[str, Any]:
    asked = [
        {
            "id": f"c{n:02}",
            "prompt": f"File {n}. Give the record of {CITIES[n % len(CITIES)]} as JSON.",
            "expect": [{"json": {"where": "whole"}}, {"json_match": {"city": CITIES[n % len(CITIES)]}}],
        }
        for n in range(cases)
    ]
    return {"suite": {"name": "records", "kind": "structured"}, "cases": asked}


class Gallery(Stage):
    """Plays kinds, one after the other, on the same ports."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        for server in self.servers.values():
            server.close()
        self.servers = {label: FaultServer(script, place_of) for label, script in SCRIPTS.items()}

    def show(self, kind: Kind, monkeypatch: Any) -> Outcome:
        """One whole run against the servers as the kind has them."""
        (self.folder / "prompts.jsonl").write_text(prompts(kind.prompts, kind.tokens))
        (self.folder / "tasks.yaml").write_text(json.dumps(kind.suite or suite(kind.cases)))
        shared: dict[str, Any] = {}
        self.become(kind.baseline, kind.mode)
        for label, server in self.servers.items():
            for trick in kind.tricks:
                if label in trick.servers:
                    armed = server.arm(_fault(trick), trick.places)
                    armed.memory["shared"] = shared
        changes = merged({}, kind.checklist)
        if kind.card:
            changes = merged(changes, {"candidate": {"model": str(_card(self.folder, kind.card))}})
        return self.play(monkeypatch, **changes)

    def become(self, baseline: Mapping[str, Any], mode: Mapping[str, Any]) -> None:
        """Servers with these changes of their scripts, on the same ports, and without tricks."""
        for label, changes in ((AR, baseline), (DIFFUSION, mode), (INCUMBENT, {})):
            self.servers[label].become(Script(**{**SCRIPTS[label].model_dump(), **changes}))

    def checklist(self, **changes: Any) -> Path:
        document = {
            "name": "gallery",
            "candidate": {"model": str(demo_path("trident-8b"))},
            "request": {"temperature": 0, "max_tokens": 64},
            "modes": {label: {"endpoint": self.servers[label].base_url} for label in (AR, DIFFUSION)},
            "prompts": ["prompts.jsonl"],
            "tasks": ["tasks.yaml"],
            "limits": LIMITS,
            "items": {
                "modes": {"speedup": {"at_least": 1.5}, "repeated": {"prompts": 0}},
                "hardware": {"declared": "H100-80GB"},
                "quality": {"margin": {"default": 0.1, "tools": 0.1}},
                "context": {"need_tokens": 512},
            },
        }
        if changes.pop("with_incumbent", False):
            document["incumbent"] = {"endpoint": self.servers[INCUMBENT].base_url}
        path = self.folder / "checklist.yaml"
        path.write_text(yaml.safe_dump(merged(document, changes), sort_keys=False))
        return path


def merged(document: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`document` with the leaves of `changes`."""
    out = dict(document)
    for key, value in changes.items():
        old = out.get(key)
        out[key] = merged(old, value) if isinstance(value, Mapping) and isinstance(old, Mapping) else value
    return out


def _fault(trick: Trick) -> Fault:
    return Fault(trick.play.__name__, "", trick.play)


def _card(folder: Path, card: str) -> Path:
    """The demo's model as a folder, with another card."""
    model = folder / "card"
    model.mkdir(exist_ok=True)
    snapshot = json.loads(demo_path("trident-8b").read_text())
    for name, text in snapshot["texts"].items():
        (model / name).write_text(text)
    if card != OWN_CARD:
        (model / "README.md").write_text(card)
    return model
