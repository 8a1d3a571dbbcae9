"""Writes the shipped suites: `python prompts/tasks/make.py`. Same seeds, same files; a test compares them.

The sizes are chosen so that a mode as good as the baseline is shown to be so with a chance of about 90%, if 2% of the
cases differ: 3 points need 300 cases, 2 points (tools) 600, 5 points (long output) 140. With two modes up for adoption
the chance is about 80%, and every suite still exceeds its least number of cases.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

import yaml
from demo_cases import chat, suites
from example_cases import example
from image_cases import images, timed_images
from long_cases import long_output
from probe_cases import distance, ladder
from short_cases import code, instructions, structured, token_dependent
from timed_prompts import timed
from tool_cases import TOOLS, tool_calls
from words import Cases, distinct

HERE = Path(__file__).resolve().parent


class _Line(list[Any]):
    """A list that is written on one line: tools would fill pages."""


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        del data
        return True


_Dumper.add_representer(
    _Line, lambda dumper, data: dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=True)
)


def write(folder: Path, name: str, kind: str, cases: Cases, **head: Any) -> None:
    """One suite as YAML."""
    data = {"suite": {"name": name, "kind": kind, "version": "3", **head}, "cases": [_lined(case) for case in cases]}
    text = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120, default_flow_style=None)
    (folder / f"{name.removeprefix('demo-')}.yaml").write_text(
        f"# written by prompts/tasks/make.py\n{text}", encoding="utf-8"
    )


def _lined(case: dict[str, Any]) -> dict[str, Any]:
    return {key: _Line(value) if key in ("tools", "expect") else value for key, value in case.items()}


def quick() -> Cases:
    """A first look: cases of every kind, enough for three points with three modes up for adoption (147)."""
    makers = (instructions, structured, tool_calls, long_output, token_dependent, code)
    cases = [case for make, n in zip(makers, (38, 32, 32, 8, 32, 18), strict=True) for case in distinct(make, 17, n)]
    return [
        case | {"tools": case.get("tools", TOOLS), "expect": case["expect"]} if case["id"].startswith("tool") else case
        for case in cases
    ]


def _example(path: Path) -> None:
    """What `evalkit init` copies: two lines to the user, then the cases."""
    data = {
        "suite": {"name": "example tasks", "kind": "structured", "defaults": {"max_tokens": 120}},
        "cases": [_lined(case) for case in example()],
    }
    text = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=160, default_flow_style=None)
    head = (
        "# A suite to start from: replace these cases by your own, what your product asks and what a right answer holds.\n"
        "# Graders: `evalkit explain json_match`, or docs/graders.md. 30 cases can show a margin of 10 points, 101 one of"
        " 3 points.\n"
    )
    path.write_text(head + text, encoding="utf-8")


def _jsonl(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def main(root: Path) -> None:
    """Writes everything under `root` (prompts/)."""
    tasks, demos = root / "tasks", root / "demo"
    for folder in (tasks, demos):
        folder.mkdir(parents=True, exist_ok=True)
    # twice what a right answer needs: a reply that does not end must not cost minutes
    write(tasks, "instructions", "chat", distinct(instructions, 11, 300), defaults={"max_tokens": 512})
    write(tasks, "structured", "structured", distinct(structured, 12, 300), defaults={"max_tokens": 512})
    offered = {"max_tokens": 256, "tools": _Line(TOOLS)}
    write(tasks, "tool-calls", "tools", distinct(tool_calls, 13, 600), defaults=offered)
    write(tasks, "long-output", "long", distinct(long_output, 14, 140))
    write(tasks, "token-dependent", "custom", distinct(token_dependent, 15, 300), defaults={"max_tokens": 256})
    write(tasks, "code", "custom", distinct(code, 16, 300), defaults={"max_tokens": 384})
    write(tasks, "length-ladder", "custom", ladder(), defaults={"max_tokens": 256})
    write(tasks, "distance", "custom", distance(), defaults={"max_tokens": 64})
    write(tasks, "images", "custom", images(19, 300), defaults={"max_tokens": 256})
    write(tasks, "quick", "custom", quick())
    for kind, cases in suites(random.Random(18)).items():
        write(demos, f"demo-{kind}", kind, cases)
    _example(root / "example.yaml")
    _jsonl(demos / "chat.jsonl", chat())
    _jsonl(root / "quick.jsonl", timed())
    _jsonl(root / "images.jsonl", timed_images(20, 64))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent)
