"""lm-evaluation-harness: `results_*.json` with the `samples_*.jsonl` of the same time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evalkit.checklist.tasks import HarnessTask
from evalkit.errors import InputFileError
from evalkit.harness.base import Read, Reader, Row, chosen, files_below, load_json, mapping, of_one_server, score
from evalkit.importers.base import Options, Reading
from evalkit.importers.stream import json_lines

_STAMP = re.compile(r"results_(.+)\.json\Z")
#: keys of a sample that are not scores
_BESIDE = frozenset({"doc_id", "target", "doc", "arguments", "resps", "filtered_resps", "filter", "metrics"})


def _read(path: Path, task: HarnessTask, _mode: str) -> Iterator[Read]:
    newest: dict[str, tuple[Path, dict[str, Any]]] = {}
    servers: dict[str, set[tuple[object, object]]] = {}
    for file in files_below(path, "results_*.json", "results_*.json of lm-eval"):
        document = load_json(file)
        given = _given(document)
        for name in mapping(document.get("configs")):
            newest[name] = (file, document)
            servers.setdefault(name, set()).add((given.get("base_url"), given.get("model")))
    wanted = [name for name in newest if not task.tasks or name in task.tasks or task.run]
    missing = [name for name in task.tasks if name not in newest and not task.run]
    if missing or not wanted:
        raise InputFileError(
            f"no results of the task {missing[0]!r}" if missing else "no task with results", where=str(path),
            hint=f"tasks that are there: {', '.join(newest) or 'none'}",
        )  # fmt: skip
    for name in wanted:
        of_one_server(servers[name], name, path)
        yield _task(name, *newest[name], task)


def _task(name: str, file: Path, document: dict[str, Any], task: HarnessTask) -> Read:
    config = mapping(document.get("config"))
    given = _given(document)
    counts = mapping(mapping(document.get("n-samples")).get(name))
    finished = document.get("date")
    found = Read(
        name,
        tool_version=_text(document.get("lm_eval_version")),
        endpoint=_text(given.get("base_url")),
        model=_text(given.get("model") or given.get("pretrained") or document.get("model_name")),
        planned=counts.get("effective") if isinstance(counts.get("effective"), int) else None,
        sources=[file],
        started_at=datetime.fromtimestamp(finished, UTC).isoformat() if isinstance(finished, float) else None,
    )
    found.settings = {
        "task version": mapping(document.get("versions")).get(name),
        "task hash": mapping(document.get("task_hashes")).get(name),
        "few-shot examples": mapping(document.get("n-shot")).get(name),
        "limit": config.get("limit"),
        "generation arguments": config.get("gen_kwargs") or None,
        "system prompt": document.get("system_instruction_sha"),
        "chat template": document.get("chat_template_sha"),
        "turns of few-shot examples": document.get("fewshot_as_multiturn"),
        "seeds": [config.get(key) for key in ("random_seed", "numpy_seed", "torch_seed", "fewshot_seed")],
        "lm-eval": found.tool_version,
    }
    if config.get("use_cache"):
        found.problems.append("replies may be of its cache, which does not tell servers apart: run without --use_cache")
    stamp = _STAMP.search(file.name)
    samples = file.parent / f"samples_{name}_{stamp.group(1) if stamp else ''}.jsonl"
    if not samples.is_file():
        found.problems.append(f"{samples.name} is missing: per-case results need --log_samples")
        return found
    found.sources.append(samples)
    better = mapping(mapping(document.get("higher_is_better")).get(name))
    _rows(found, samples, task, better)
    return found


def _given(document: dict[str, Any]) -> dict[str, Any]:
    """The arguments of the model; older versions write them as one text."""
    arguments = mapping(document.get("config")).get("model_args")
    return mapping(arguments) or dict(part.split("=", 1) for part in str(arguments or "").split(",") if "=" in part)


def _rows(found: Read, samples: Path, task: HarnessTask, better: dict[str, Any]) -> None:
    metric: str | None = None
    filters: dict[str, list[Row]] = {}
    for line, row in json_lines(Reading(samples, Options(), hint="the file is cut off or damaged")):
        where = f"{samples}:{line}"
        listed = row.get("metrics")
        names = [str(one) for one in listed] if isinstance(listed, list) else []
        names = names or [key for key in row if key not in _BESIDE and not key.endswith("_hash")]
        if metric is None:
            metric = chosen(names, task.metric, "metric", where, "metric", of_one=len(task.tasks) == 1)
            if better.get(metric) is False:
                raise InputFileError(f"{metric} is better when it is lower", where=where, hint="metric: another one")
            found.settings["metric"] = metric
        used = str(row.get("filter") or "none")
        found.settings.setdefault("generation", _generation(row))
        filters.setdefault(used, []).append(
            Row(
                str(row.get("doc_id")), score(row.get(metric), where, metric), str(row.get("doc_hash") or "")[:16],
                str(row.get("prompt_hash") or "")[:16],
            )
        )  # fmt: skip
    if not filters:
        found.problems.append("no samples")
        return
    used = chosen(list(filters), task.filter, "filter", str(samples), "filter", of_one=len(task.tasks) == 1)
    found.settings["filter"] = used
    found.rows = filters[used]


def _generation(row: dict[str, Any]) -> Any:
    """The arguments of the request: sampling, limits and stop texts."""
    first = mapping(mapping(row.get("arguments")).get("gen_args_0")).get("arg_1")
    if isinstance(row.get("arguments"), list) and row["arguments"] and isinstance(row["arguments"][0], list):
        first = row["arguments"][0][1] if len(row["arguments"][0]) > 1 else None
    return first if isinstance(first, dict) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


READER = Reader(
    kind="lm-eval",
    title="lm-evaluation-harness: results_*.json and samples_*.jsonl (--log_samples)",
    checked="task version and hash, hashes of documents and prompts, few-shot examples, generation arguments, limit, "
    "seeds, system prompt, chat template, metric and filter, number of samples, base_url and model",
    read=_read,
)
