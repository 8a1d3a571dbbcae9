"""NeMo Evaluator bundles: `eval-*.json` with `results.jsonl` next to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evalkit.checklist.tasks import HarnessTask
from evalkit.errors import InputFileError
from evalkit.harness.base import Read, Reader, Row, digest, files_below, load_json, mapping, score
from evalkit.importers.base import Options, Reading
from evalkit.importers.stream import json_lines

_SAME = (
    "temperature", "max_tokens", "top_p", "seed", "system_prompt", "repeats", "max_problems", "shuffle_seed", "shuffle",
)  # fmt: skip
#: where a row keeps what was asked
_PROMPTS = ("prompt", "question", "messages")


def _read(path: Path, task: HarnessTask, _mode: str) -> Iterator[Read]:
    found: dict[str, Read] = {}
    for file in files_below(path, "eval-*.json", "eval-*.json of NeMo Evaluator"):
        document = load_json(file)
        name = mapping(document.get("benchmark")).get("name")
        if not isinstance(name, str) or (task.tasks and name not in task.tasks):
            continue
        if name in found:
            raise InputFileError(
                f"two bundles of {name!r}",
                where=str(path),
                hint=f"keep one: {found[name].sources[0].name} or {file.name}",
            )
        found[name] = _bundle(name, file, document)
    if not found:
        raise InputFileError("no bundle with a benchmark that is asked for", where=str(path))
    yield from found.values()


def _bundle(name: str, file: Path, document: dict[str, Any]) -> Read:
    config = mapping(document.get("config"))
    read = Read(
        name,
        settings={**{key: _shown(key, config.get(key)) for key in _SAME}, "sdk version": document.get("sdk_version")},
        tool_version=document.get("sdk_version") if isinstance(document.get("sdk_version"), str) else None,
        # `base_url` is its own proxy, at the same address for every model
        endpoint=config.get("model_url") if isinstance(config.get("model_url"), str) else None,
        model=config.get("model") if isinstance(config.get("model"), str) else None,
        finished_at=document.get("timestamp") if isinstance(document.get("timestamp"), str) else None,
        planned=document.get("n_results") if isinstance(document.get("n_results"), int) else None,
        sources=[file],
    )
    results = file.parent / "results.jsonl"
    if not results.is_file():
        read.problems.append("results.jsonl is missing: only totals are there")
        return read
    read.sources.append(results)
    for line, row in json_lines(Reading(results, Options(), hint="the file is cut off or damaged")):
        if row.get("problem_idx") is None:
            raise InputFileError("a row has no problem_idx", where=f"{results}:{line}")
        repeat = row.get("repeat", 0)
        asked = next((row[key] for key in _PROMPTS if row.get(key) is not None), None)
        # a request that failed has the reward 0
        failed = row.get("error") or row.get("failed") or mapping(row.get("scoring_details")).get("error")
        value = None if failed else row.get("reward")
        read.rows.append(
            Row(
                str(row["problem_idx"]), score(value, f"{results}:{line}", "reward"),
                digest(row.get("expected_answer")), digest(asked) if asked is not None else "",
                repeat if isinstance(repeat, int) else 0,
            )
        )  # fmt: skip
    if not read.rows:
        read.problems.append("no samples")
    return read


def _shown(key: str, value: object) -> object:
    """A system prompt is compared by its hash: no text of it is kept."""
    return digest(value) if key == "system_prompt" and value else value


READER = Reader(
    kind="nel",
    title="NeMo Evaluator bundles: eval-*.json with results.jsonl",
    checked="benchmark, repeats, number of problems, shuffle, SDK version, hashes of expected answers and prompts, "
    "number of results, failed requests, model; sampling settings, system prompt and model_url where the bundle has "
    "them: bundles of its quick mode have none",
    read=_read,
)
