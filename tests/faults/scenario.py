"""The small run that every cell of the matrix repeats: three modes and an incumbent, and without a fault a GO."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

import evalkit.report.words.charts
from evalkit.data import demo_path
from evalkit.facts import Facts
from evalkit.modes import INCUMBENT, Mode
from evalkit.reference.script import Script
from evalkit.run.start import Flags, run
from evalkit.stored.folder import RunFolder
from tests.faults.virtual import Clock
from tests.support.faults import FaultServer, Request
from tests.support.virtual_world import world

MODEL = "acme-labs/Trident-8B"
AR, DIFFUSION, SELF = Mode.AUTOREGRESSIVE.value, Mode.DIFFUSION.value, Mode.SELF_SPECULATION.value
CITIES = ("Paris", "Tokyo", "Rome", "Madrid", "Berlin", "London", "Vienna", "Lisbon", "Athens", "Oslo", "Cairo", "Lima",
          "Delhi", "Beijing")  # fmt: skip
#: enough for the margin with two adopted modes
CASES = 20
SCRIPTS = {
    AR: Script(mode=Mode.AUTOREGRESSIVE, model=MODEL, ttft_ms=30, ms_per_forward=10, context_length=1024, disable_radix_cache=True),
    DIFFUSION: Script(mode=Mode.DIFFUSION, model=MODEL, ttft_ms=30, ms_per_forward=5, forwards_per_block=4,
                      block_size=16, context_length=1024, disable_radix_cache=True),
    SELF: Script(mode=Mode.SELF_SPECULATION, model=MODEL, ttft_ms=30, ms_per_forward=10, accept_runs=(4, 3, 5, 2),
                 context_length=1024, disable_radix_cache=True),
    INCUMBENT: Script(mode=Mode.AUTOREGRESSIVE, model="old-7b", ttft_ms=40, ms_per_forward=12, context_length=1024, disable_radix_cache=True),
}  # fmt: skip
#: deadlines as short as the scripts are quick
LIMITS = {"connect_s": 1.0, "first_byte_s": 3.0, "idle_s": 2.0, "total_s": 8.0, "max_bytes": 4 << 20,
          "max_line_bytes": 1 << 18, "max_events": 5000, "control_total_s": 4.0}  # fmt: skip


_MARKS = ((b"Timed item", "timing"), (b"Task item", "quality"), (b"Read this record", "context"),
          (b"Say hello", "context"), (b"meet by chance", "warm-up"))  # fmt: skip


def place_of(request: Request) -> str:
    """Which work of the run a request belongs to."""
    if not request.generates:
        return "flush" if request.path == "/flush_cache" else "control"
    return next((place for mark, place in _MARKS if mark in request.body), "probe")


@dataclass
class Outcome:
    """What a run left: its exit code, report, facts and every byte that it wrote."""

    folder: Path
    exit_code: int
    report: dict[str, Any]
    seconds: float
    facts: Facts = field(repr=False)

    def finding(self, ident: str, mode: str | None = None) -> dict[str, Any] | None:
        found = (f for i in self.report["items"] for f in i["findings"] if f["id"] == ident and f.get("mode") == mode)
        return next(found, None)

    def mode(self, label: str) -> dict[str, Any]:
        return next(m for m in self.report["modes"] if m["mode"] == label)


class Stage:
    """Four servers, a checklist and a clock; `play` works through the checklist once."""

    def __init__(self, folder: Path, *, keys: tuple[str, str] | None = None) -> None:
        """`keys`: what every server asks for, and for its admin routes; the variables API_CANARY and ADMIN_CANARY."""
        self.clock = Clock()
        self.folder = folder
        self._keyed = keys is not None
        scripts = {label: self.script(label, *keys) if keys else script for label, script in SCRIPTS.items()}
        self.servers = {label: FaultServer(script, place_of) for label, script in scripts.items()}
        self._runs = 0
        #: charts take as long as all else of a report
        self.draws = False
        prompts = [{"id": f"p{n}", "prompt": f"Timed item {n}: repeat exactly: {_words(n)}", "max_tokens": 48}
                   for n in range(20)]  # fmt: skip
        (folder / "prompts.jsonl").write_text("".join(json.dumps(p) + "\n" for p in prompts))
        asked = [CITIES[n % len(CITIES)] for n in range(CASES)]
        cases = [{"id": f"{city.lower()}-{n}", "prompt": f"Task item {n}. Give the record of {city} as JSON.",
                  "expect": [{"json": {"where": "whole"}}, {"json_match": {"city": city}}]}
                 for n, city in enumerate(asked)]  # fmt: skip
        suite = {"suite": {"name": "records", "kind": "structured"}, "cases": cases}
        (folder / "tasks.yaml").write_text(yaml.safe_dump(suite))

    @staticmethod
    def script(label: str, api_key: str, admin_key: str) -> Script:
        """The script of a mode whose server asks for keys."""
        return SCRIPTS[label].model_copy(update={"api_key": api_key, "admin_key": admin_key})

    def close(self) -> None:
        for server in self.servers.values():
            server.close()

    def checklist(self, **changes: Any) -> Path:
        keys = {"api_key_env": "API_CANARY", "admin_key_env": "ADMIN_CANARY"} if self._keyed else {}
        modes = {label: {"endpoint": self.servers[label].base_url, **keys} for label in (AR, DIFFUSION, SELF)}
        document = {
            "schema_version": 1,
            "name": "faults",
            "candidate": {"model": str(demo_path("trident-8b"))},
            "request": {"temperature": 0, "max_tokens": 48},
            "modes": modes,
            "incumbent": {"endpoint": self.servers[INCUMBENT].base_url, "required": True, **keys},
            "prompts": ["prompts.jsonl"],
            "tasks": ["tasks.yaml"],
            "limits": LIMITS,
            "items": {
                "modes": {"speedup": {"at_least": 1.2}, "warmup": 1, "repeated": {"prompts": 0}, "concurrency": [4]},
                "hardware": {"declared": "H100-80GB"},
                "serving": {"allow": ["release", "pre-release", "fork"]},
                "quality": {"margin": {"default": 0.2}, "match_margin": 0.2},
                "context": {"need_tokens": 512, "probe": True},
            },
            **changes,
        }
        path = self.folder / "checklist.yaml"
        path.write_text(yaml.safe_dump(document, sort_keys=False))
        return path

    def play(self, monkeypatch: Any, **changes: Any) -> Outcome:
        """One whole run, against the servers as they are armed."""
        self._runs += 1
        out = self.folder / f"run-{self._runs}"
        flags = Flags(checklist=str(self.checklist(**changes)), output_dir=out, as_json=True)
        began = self.clock.now
        with self._world(monkeypatch):
            report = run(flags)
        return Outcome(out, report["exit_code"], report, self.clock.now - began, RunFolder.open(out).facts())

    @contextmanager
    def _world(self, monkeypatch: Any) -> Iterator[None]:
        with world(monkeypatch, self.clock, lambda: list(self.servers.values())), monkeypatch.context() as patch:
            if not self.draws:
                patch.setattr(evalkit.report.words.charts, "draw", lambda _: {})
            yield


def _words(number: int) -> str:
    words = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron", "islet", "jetty", "knoll", "larch")
    start = number % len(words)
    return " ".join((words[start:] + words[:start])[: 10 + number % 3])
