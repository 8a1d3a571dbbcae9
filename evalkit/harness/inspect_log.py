"""Inspect: logs as JSON or `.eval` archives."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evalkit.checklist.tasks import HarnessTask
from evalkit.errors import InputFileError
from evalkit.harness.base import (
    MAX_JSON,
    Read,
    Reader,
    Row,
    chosen,
    digest,
    files_below,
    load_json,
    mapping,
    of_one_server,
    score,
)
from evalkit.text import one_line

_LETTERS = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}
_ZSTD = 93
_MAX_SAMPLE = 64 << 20


def _read(path: Path, task: HarnessTask, _mode: str) -> Iterator[Read]:
    if path.is_file():
        files = [path]
    else:
        files = [one for one in files_below(path, "*", "log of Inspect") if one.suffix in (".eval", ".json")]
    newest: dict[str, tuple[Path, dict[str, Any]]] = {}
    servers: dict[str, set[tuple[object, object]]] = {}
    for file in files:
        header = _header(file)
        spec = mapping(header.get("eval")) if header else {}
        name = spec.get("task")
        if header is not None and isinstance(name, str):
            newest[name] = (file, header)
            servers.setdefault(name, set()).add((spec.get("model_base_url"), spec.get("model")))
    wanted = [name for name in newest if not task.tasks or name in task.tasks]
    if not wanted:
        raise InputFileError(
            "no log of Inspect" if not newest else f"no log of {', '.join(task.tasks)}", where=str(path),
            hint=f"tasks that are there: {', '.join(newest) or 'none'}",
        )  # fmt: skip
    for name in wanted:
        of_one_server(servers[name], name, path)
        yield _task(name, *newest[name], task)


def _header(file: Path) -> dict[str, Any] | None:
    """The log's head; for JSON the whole log. None for other JSON files."""
    if file.suffix == ".eval":
        with _archive(file) as archive:
            name = "header.json" if "header.json" in archive.namelist() else "_journal/start.json"
            return _member(archive, name, file)
    document = load_json(file)
    return document if "eval" in document and "status" in document else None


def _archive(file: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError) as error:
        raise InputFileError(f"not an .eval archive: {one_line(str(error), limit=100)}", where=str(file)) from None


def _member(archive: zipfile.ZipFile, name: str, file: Path) -> dict[str, Any]:
    try:
        info = archive.getinfo(name)
        if info.file_size > MAX_JSON:
            raise InputFileError(f"{name} is larger than {MAX_JSON >> 20} MiB", where=str(file))
        data = _zstd(file, info) if info.compress_type == _ZSTD else archive.read(info)
        value = json.loads(data)
    except (KeyError, ValueError, RecursionError, zipfile.BadZipFile, NotImplementedError, OSError, EOFError) as error:
        raise InputFileError(
            f"{one_line(name, limit=60)} cannot be read: {one_line(str(error), limit=80)}", where=str(file)
        ) from None
    return mapping(value)


def _zstd(file: Path, info: zipfile.ZipInfo) -> bytes:
    """A member compressed by zstd, which Python knows from 3.14 on, or with the package zstandard."""
    with file.open("rb") as raw:
        raw.seek(info.header_offset)
        head = raw.read(30)
        raw.seek(int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little"), 1)
        packed = raw.read(info.compress_size)
    try:
        from compression import zstd  # type: ignore[import-not-found, unused-ignore]

        unpacked = zstd.ZstdDecompressor().decompress(packed, info.file_size + 1)
    except ImportError:
        try:
            import zstandard  # type: ignore[import-not-found, unused-ignore]
        except ImportError:
            raise InputFileError(
                "the archive is compressed by zstd, which this Python cannot read", where=str(file),
                hint="pip install zstandard, or: inspect log convert LOG --to json --output-dir DIR",
            ) from None  # fmt: skip
        with zstandard.ZstdDecompressor().stream_reader(packed) as stream:
            unpacked = stream.read(info.file_size + 1)
    if len(unpacked) != info.file_size:
        raise zipfile.BadZipFile("its size is not the declared one")
    return bytes(unpacked)


def _samples(file: Path, header: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if file.suffix != ".eval":
        samples = header.get("samples")
        yield from (one for one in samples if isinstance(one, dict)) if isinstance(samples, list) else ()
        return
    with _archive(file) as archive:
        for info in archive.infolist():
            if info.filename.startswith("samples/"):
                if info.file_size > _MAX_SAMPLE:
                    raise InputFileError(f"{info.filename} is larger than {_MAX_SAMPLE >> 20} MiB", where=str(file))
                yield _member(archive, info.filename, file)


def _task(name: str, file: Path, header: dict[str, Any], task: HarnessTask) -> Read:
    spec, stats, results = (mapping(header.get(key)) for key in ("eval", "stats", "results"))
    config = mapping(spec.get("config"))
    dataset = mapping(spec.get("dataset"))
    steps = mapping(header.get("plan")).get("steps")
    found = Read(
        name,
        tool_version=mapping(spec.get("packages")).get("inspect_ai"),
        endpoint=spec.get("model_base_url") if isinstance(spec.get("model_base_url"), str) else None,
        model=spec.get("model") if isinstance(spec.get("model"), str) else None,
        started_at=stats.get("started_at") or None,
        finished_at=stats.get("completed_at") or None,
        planned=results.get("total_samples") if isinstance(results.get("total_samples"), int) else None,
        sources=[file],
    )
    generation = [mapping(spec.get("model_generate_config")), mapping(mapping(header.get("plan")).get("config"))]
    found.settings = {
        "task version": spec.get("task_version"),
        "task arguments": spec.get("task_args") or None,
        "solver": [(mapping(one).get("solver"), mapping(one).get("params")) for one in steps or []],
        "dataset": [dataset.get("name"), dataset.get("samples"), dataset.get("shuffled")],
        "generation": generation,
        "epochs": config.get("epochs"),
        "limit": config.get("limit"),
        "limits": [config.get(key) for key in ("message_limit", "token_limit", "time_limit", "working_limit")],
        "scorer options": spec.get("scorers"),
        "inspect": found.tool_version,
    }
    if header.get("status") != "success":
        found.problems.append(f"the log's status is {one_line(str(header.get('status') or 'unknown'), limit=40)!r}")
    if header.get("invalidated"):
        found.problems.append("the log was invalidated")
    _rows(found, file, header, task)
    return found


def _rows(found: Read, file: Path, header: dict[str, Any], task: HarnessTask) -> None:
    scorer: str | None = None
    for sample in _samples(file, header):
        where = f"{file}: sample {one_line(str(sample.get('id')), limit=60)}"
        scores = _flat(mapping(sample.get("scores")))
        if scorer is None and scores:
            scorer = chosen(list(scores), task.metric, "scorer", str(file), "metric")
            found.settings["scorer"] = scorer
        value = scores.get(scorer or "") if not sample.get("error") and not sample.get("invalidation") else None
        if isinstance(value, str):
            value = _LETTERS.get(value, _number(value))
        epoch = sample.get("epoch", 1)
        given = _without_ids(sample.get("input"))
        found.rows.append(
            Row(
                str(sample.get("id")), score(value, where, scorer or ""),
                digest(given, sample.get("target"), sample.get("choices")), digest(_asked(sample)),
                epoch - 1 if isinstance(epoch, int) else 0,
            )
        )  # fmt: skip
    if not found.rows:
        found.problems.append("no samples")


def _flat(scores: dict[str, Any]) -> dict[str, Any]:
    """Scores by scorer; the parts of a score of several as `scorer.part`."""
    found: dict[str, Any] = {}
    for name, one in scores.items():
        value = mapping(one).get("value")
        if isinstance(value, dict):
            found.update({f"{name}.{part}": inner for part, inner in value.items()})
        else:
            found[name] = value
    return found


def _number(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return text


def _without_ids(given: object) -> object:
    """An input as it is, or its messages without their ids, which each run draws anew."""
    if not isinstance(given, list):
        return given
    return [{k: v for k, v in one.items() if k != "id"} if isinstance(one, dict) else one for one in given]


def _asked(sample: dict[str, Any]) -> object:
    """The messages before the first answer, without ids."""
    asked = []
    messages = sample.get("messages")
    for message in messages if isinstance(messages, list) else ():
        if not isinstance(message, dict) or message.get("role") == "assistant":
            break
        asked.append([message.get("role"), message.get("content")])
    return asked


READER = Reader(
    kind="inspect",
    title="Inspect logs: JSON, and .eval where zstd can be read",
    checked="task version and arguments, solver, data set, hashes of input and target and of the messages asked, "
    "generation settings, epochs, limits, scorer, status, samples with errors, model_base_url and model",
    read=_read,
)
