"""promptfoo's output JSON (`promptfoo eval -o out.json`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evalkit.checklist.tasks import HarnessTask
from evalkit.errors import InputFileError
from evalkit.fmt import plural
from evalkit.harness.base import Read, Reader, Row, digest, files_below, load_json, mapping, score
from evalkit.text import one_line

#: `failureReason` of a result that is not a verdict on the reply
_ERROR = 2
#: of a provider's config: where and as whom, which differ from mode to mode
_OWN = frozenset({"apiBaseUrl", "apiHost", "apiKey", "apiKeyEnvar", "headers", "organization", "url"})
#: the address that was asked, of the OpenAI and the HTTP provider
_WHERE = ("apiBaseUrl", "apiHost", "url")


def _read(path: Path, task: HarnessTask, _mode: str) -> Iterator[Read]:
    found = []
    for file in files_below(path, "*.json", "output JSON of promptfoo"):
        document = load_json(file)
        if isinstance(mapping(document.get("results")).get("results"), list):
            found.append((file, document))
    if len(found) != 1:
        raise InputFileError(
            f"{len(found)} outputs of promptfoo, one is needed", where=str(path), hint="name the file of one evaluation"
        )
    yield _output(*found[0], task)


def _output(file: Path, document: dict[str, Any], task: HarnessTask) -> Read:
    results, config = mapping(document["results"]), mapping(document.get("config"))
    rows = [row for row in results["results"] if isinstance(row, dict)]
    providers = {str(mapping(row.get("provider")).get("id")) for row in rows}
    if len(providers) > 1:
        raise InputFileError(
            f"results of {len(providers)} providers: {', '.join(sorted(one_line(p, limit=40) for p in providers)[:5])}",
            where=str(file), hint="one file a mode: run promptfoo with one provider (--filter-providers)",
        )  # fmt: skip
    name = next(iter(providers), "")
    own = _provider(config, name)
    read = Read(
        one_line(str(config.get("description") or "promptfoo"), limit=80).replace("|", "/"),
        tool_version=mapping(document.get("metadata")).get("promptfooVersion"),
        endpoint=next((one for key in _WHERE if isinstance(one := own.get(key), str) and "{{" not in one), None),
        model=name if name.startswith("openai:") else None,
        finished_at=results.get("timestamp") if isinstance(results.get("timestamp"), str) else None,
        planned=_counted(mapping(results.get("stats"))),
        sources=[file],
    )
    read.settings = {
        "sampling": {key: value for key, value in own.items() if key not in _OWN} or None,
        "prompts": digest([mapping(one).get("raw") for one in results.get("prompts") or []]),
        "score": task.metric or "success",
        "promptfoo": read.tool_version,
    }
    seen: Counter[tuple[object, object]] = Counter()
    for row in rows:
        place = (row.get("testIdx"), row.get("promptIdx"))
        test = mapping(row.get("testCase"))
        read.rows.append(
            Row(
                f"{place[0]}/{place[1]}", _score(row, task, file), digest(test.get("vars"), test.get("assert")),
                digest(mapping(row.get("prompt")).get("raw")), seen[place], str(place[0]),
            )
        )  # fmt: skip
        seen[place] += 1
    if len({row.cluster for row in read.rows}) == len({row.case for row in read.rows}):
        read.rows = [row._replace(cluster="") for row in read.rows]
    cached = sum(mapping(row.get("response")).get("cached") is True for row in rows)
    if cached:
        read.problems.append(f"cached replies in {plural(cached, 'case')}: run promptfoo with --no-cache")
    if not read.rows:
        read.problems.append("no samples")
    return read


def _counted(stats: dict[str, Any]) -> int | None:
    counts = [stats.get(key) for key in ("successes", "failures", "errors")]
    known = [one for one in counts if isinstance(one, int)]
    return sum(known) if len(known) == len(counts) else None


def _score(row: dict[str, Any], task: HarnessTask, file: Path) -> float | None:
    if row.get("failureReason") == _ERROR or (row.get("error") and not row.get("gradingResult")):
        return None
    if task.metric is None:
        return float(row["success"]) if isinstance(row.get("success"), bool) else None
    value = row.get("score") if task.metric == "score" else mapping(row.get("namedScores")).get(task.metric)
    return score(value, str(file), task.metric)


def _provider(config: dict[str, Any], name: str) -> dict[str, Any]:
    """The settings of the one provider that answered."""
    listed = config.get("providers") or config.get("targets")
    for one in listed if isinstance(listed, list) else [listed]:
        if isinstance(one, dict) and (one.get("id") == name or one.get("label") == name):
            return mapping(one.get("config"))
        if isinstance(one, dict) and name in one:
            return mapping(mapping(one[name]).get("config"))
    return {}


READER = Reader(
    kind="promptfoo",
    title="promptfoo output JSON (promptfoo eval -o out.json)",
    checked="prompts, variables and assertions of each test, the provider's settings, errors, repeats, version, "
    "apiBaseUrl and model",
    read=_read,
)
