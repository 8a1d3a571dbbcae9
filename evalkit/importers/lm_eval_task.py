"""Tasks of lm-evaluation-harness with local data: `generate_until`, plain templates, exact match."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evalkit.checklist.files import resolve
from evalkit.errors import InputFileError
from evalkit.importers import loose_yaml, table
from evalkit.importers.base import Entry, Head, Importer, Reading
from evalkit.importers.promptfoo import fill
from evalkit.importers.promptfoo_files import Refused
from evalkit.importers.stream import objects, open_binary
from evalkit.text import cut

#: filters after which an exact match is still one of the whole reply
_HARMLESS = frozenset({"take_first", "remove_whitespace"})
_HINT = "let evalkit run lm-eval itself: tasks: [{run: lm-eval, tasks: [NAME]}]"


def _sniff(head: Head) -> bool:
    if head.path.suffix.lower() not in (".yaml", ".yml"):
        return False
    keys = {line.split(":")[0] for line in head.text.splitlines() if line[:1].isalpha() and ":" in line}
    return "task" in keys and bool(keys & {"doc_to_text", "dataset_path", "output_type"})


def _read(reading: Reading) -> Iterator[Entry]:
    config = loose_yaml.load(reading.path)
    task = config.data if isinstance(config.data, dict) else {}

    def refuse(key: str, what: str) -> InputFileError:
        return InputFileError(what, where=reading.at(config.line(key)), hint=_HINT)

    if task.get("output_type", "generate_until") != "generate_until":
        raise refuse("output_type", f"output_type {task['output_type']}: only generate_until can be imported")
    for key in ("doc_to_text", "doc_to_target", "process_docs"):
        if isinstance(task.get(key), loose_yaml.Tagged):
            raise refuse(key, f"{key} is a function ({cut(task[key].text, 60)}), which is not run")
    if not isinstance(task.get("doc_to_text"), str):
        raise refuse("doc_to_text", "no doc_to_text")
    if task.get("num_fewshot"):
        reading.lose(config.line("num_fewshot"), f"{task['num_fewshot']} few-shot examples a prompt")
    shared = _shared(task)
    grader = _grader(reading, config, task)
    for line, row in _docs(reading, task, refuse):
        try:
            text = f"{task.get('description') or ''}{_filled(task['doc_to_text'], row)}"
            target = _filled(task["doc_to_target"], row) if isinstance(task.get("doc_to_target"), str) else ""
        except Refused as why:
            reading.leave_out(line, str(why))
            continue
        expect = [{"equals": {**grader, "any": [target.strip()]}}] if grader is not None and target.strip() else None
        if expect is None:
            reading.change(line, "no expectation that can be expressed: it became a prompt")
        yield Entry(line, {"prompt": text, **shared}, str(row["id"]) if "id" in row else None, expect)


def _filled(template: str, row: dict[str, Any]) -> str:
    """A template; a bare word is the name of a field."""
    return fill("{{" + template + "}}" if template in row else template, row)


def _shared(task: dict[str, Any]) -> dict[str, Any]:
    """What the request carries of the task's generation arguments."""
    given = task.get("generation_kwargs")
    given = given if isinstance(given, dict) else {}
    until, limit = given.get("until"), given.get("max_gen_toks")
    stop = [until] if isinstance(until, str) else until
    return {
        **({"stop": stop} if stop else {}),
        **({"max_tokens": limit} if isinstance(limit, int) else {}),
        **({"temperature": given["temperature"]} if isinstance(given.get("temperature"), int | float) else {}),
    }


def _grader(reading: Reading, config: loose_yaml.Loose, task: dict[str, Any]) -> dict[str, Any] | None:
    """Parameters of `equals` for exact_match; None where a metric or filter is of another kind."""
    for group in task.get("filter_list") or []:
        for one in group.get("filter") or [] if isinstance(group, dict) else []:
            name = one.get("function") if isinstance(one, dict) else None
            if name not in _HARMLESS:
                reading.lose(config.line("filter_list"), f"filter {name}: what it picks cannot be expressed")
                return None
    exact = None
    for metric in task.get("metric_list") or [{"metric": "exact_match"}]:
        name = metric.get("metric") if isinstance(metric, dict) else None
        if name != "exact_match":
            reading.lose(config.line("metric_list"), f"metric {getattr(name, 'text', name)}")
            continue
        if metric.get("ignore_punctuation") or metric.get("ignore_numbers") or metric.get("regexes_to_ignore"):
            reading.lose(config.line("metric_list"), "exact_match that ignores punctuation, numbers or patterns")
            continue
        exact = {"ignore_case": True} if metric.get("ignore_case") else {}
    return exact


def _docs(reading: Reading, task: dict[str, Any], refuse: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    if task.get("dataset_path") not in ("json", "csv"):
        raise refuse("dataset_path", "its data is a data set of the Hub; only local JSON or CSV is read")
    arguments = task.get("dataset_kwargs")
    files = arguments.get("data_files") if isinstance(arguments, dict) else None
    split = task.get("test_split") or task.get("validation_split")
    if isinstance(files, dict):
        files = files.get(split) if split in files else next(iter(files.values()), None)
    for name in files if isinstance(files, list) else [files]:
        if not isinstance(name, str) or "://" in name:
            raise refuse("dataset_kwargs", "data_files names no local file")
        path = resolve(reading.path.parent, name)
        inner = Reading(path, reading.options, reading.tally)
        if task["dataset_path"] == "csv" or Path(name).suffix == ".csv":
            yield from table.read_rows(inner)
        else:
            with open_binary(path) as file:
                start = file.read(1 << 16)
            yield from objects(inner, start)


IMPORTER = Importer(
    kind="lm-eval-task",
    title="task YAML of lm-evaluation-harness with local JSON or CSV data",
    carries="generate_until, plain templates, description, generation arguments, exact_match (as `equals`)",
    drops="functions, few-shot examples, filters that pick a part, other metrics; better run lm-eval (docs/harness.md)",
    sniff=_sniff,
    read=_read,
)
