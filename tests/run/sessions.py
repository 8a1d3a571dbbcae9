"""A small run against reference servers, as a user starts it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.cli.command import evalkit as run_here

MODEL = "acme-labs/Trident-8B"
FAST = {"model": MODEL, "ttft_ms": 2.0, "ms_per_forward": 0.4}


def write(folder: Path, modes: dict[str, Any], **more: Any) -> Path:
    """A checklist with few short prompts in `folder`."""
    from evalkit.data import demo_path

    prompts = [{"id": f"p{n}", "prompt": f"Say something about number {n}."} for n in range(8)]
    (folder / "prompts.jsonl").write_text("".join(json.dumps(p) + "\n" for p in prompts))
    checklist = {
        "name": "small",
        "candidate": {"model": str(demo_path("trident-8b"))},
        "request": {"max_tokens": 48},
        "modes": modes,
        "prompts": ["prompts.jsonl"],
        "tasks": [],
        **more,
    }
    items = checklist.setdefault("items", {})
    items.setdefault("modes", {"repeats": 1, "warmup": 1})
    items.setdefault("hardware", {"declared": "H100-80GB"})
    path = folder / "checklist.yaml"
    path.write_text(yaml.safe_dump(checklist))
    return path


def command(*args: object) -> list[str]:
    return [sys.executable, "-m", "evalkit", "run", *map(str, args), "--json"]


def evalkit(*args: object) -> tuple[dict[str, Any], str]:
    """report.json and what was said on stderr. Nobody sits at a terminal."""
    done = subprocess.run(
        command(*args), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.stdout, done.stderr
    return json.loads(done.stdout), done.stderr


def inside(capsys: Any, *args: object) -> tuple[dict[str, Any], str]:
    """The same in this process: where the servers are of this process and of virtual time."""
    done = run_here(capsys, "run", *args, "--json")
    assert done.out, done.err
    return json.loads(done.out), done.err


def findings(report: dict[str, Any], check: str, mode: str | None = None) -> list[dict[str, Any]]:
    return [
        f
        for item in report["items"]
        for f in item["findings"]
        if f["id"] == check and (mode is None or f.get("mode") == mode)
    ]


def finding(report: dict[str, Any], check: str, mode: str | None = None) -> dict[str, Any]:
    found = findings(report, check, mode)
    assert found, f"{check} {mode} is not among {[f['id'] for i in report['items'] for f in i['findings']]}"
    return found[0]
