"""A small run against reference servers as an ordinary user's: not simulated, so that it can end GO and be gated."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path

import yaml

from evalkit.data import demo_path
from evalkit.reference import ReferenceProcess, preset
from evalkit.run.start import Flags, run

MODEL = "acme-labs/Trident-8B"
CITIES = {"Paris": "France", "Tokyo": "Japan", "Rome": "Italy", "Madrid": "Spain", "Berlin": "Germany",
          "London": "United Kingdom", "Oslo": "Norway", "Cairo": "Egypt"}  # fmt: skip


def write_inputs(folder: Path, modes: dict, *, again: int | None = None, **changes) -> Path:
    """Own prompts, an own suite and a checklist in `folder`; the checklist's path. `again`: prompts asked again."""
    prompts = [{"id": f"p{n:02}", "prompt": f"Tell me {n} facts about rivers.", "max_tokens": 32} for n in range(24)]
    (folder / "prompts.jsonl").write_text("\n".join(json.dumps(one) for one in prompts), encoding="utf-8")
    (folder / "suite.yaml").write_text(suite_text(), encoding="utf-8")
    checklist = {
        "name": "A small run",
        "candidate": {"model": str(demo_path("trident-8b"))},
        "request": {"max_tokens": 64},
        "modes": modes,
        "prompts": ["prompts.jsonl"],
        "tasks": ["suite.yaml"],
        "items": {
            "modes": {"speedup": {"at_least": 1.5}, **({} if again is None else {"repeated": {"prompts": again}})},
            "hardware": {"declared": "H100-80GB"},
            "serving": {"allow": ["release", "pre-release", "fork"]},
            "quality": {"margin": {"default": 0.1}, "concurrency": 8},
            "context": {"need_tokens": 2048},
        },
        **changes,
    }
    path = folder / "checklist.yaml"
    path.write_text(yaml.safe_dump(checklist, sort_keys=False), encoding="utf-8")
    return path


def suite_text(
    expect: str = "[{json: {where: whole}}, {json_match: {city: CITY}}]", cases: int = 64, *, stored: bool = False
) -> str:
    """A suite of `cases` cases, each with `expect`; `stored`: as the stored run asked them, by blanks alone."""
    names = [(city, n) for n in range(8) for city in CITIES][:cases]
    lines = ["suite: {name: records, kind: structured}", "cases:"]
    for city, n in names:
        prompt = f"Give the record of {city} as JSON{'.' + ' ' * n if stored else f', for form {n}.'}"
        lines.append(f"  - {{id: {city.lower()}-{n}, prompt: {prompt!r}, expect: {expect.replace('CITY', city)}}}")
    return "\n".join(lines) + "\n"


@contextmanager
def servers(speed: float = 12.0):
    """An autoregressive and a self-speculating server; their `modes` as a checklist holds them."""
    with (
        ReferenceProcess(preset("autoregressive", speed=speed, model=MODEL)) as plain,
        ReferenceProcess(preset("self-speculation", speed=speed, model=MODEL)) as fast,
    ):
        yield {"autoregressive": {"endpoint": plain.base_url}, "self-speculation": {"endpoint": fast.base_url}}


def make_run(folder: Path, speed: float = 12.0) -> Path:
    """The run folder of a small run in `folder`, its servers gone again."""
    with servers(speed) as modes:
        checklist = write_inputs(folder, modes)
        run(Flags(checklist=str(checklist), output_dir=folder / "run", as_json=True))
    return folder / "run"
