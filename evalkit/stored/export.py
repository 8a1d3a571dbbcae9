"""A run's figures for other programs: CSV of prompts and cases, OpenMetrics of the verdict. Pure, texts left out."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from evalkit.analysis.pairs import failing, passed
from evalkit.analysis.readings import Readings
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.stats.ratio import log_ratios
from evalkit.text import one_line

#: a spreadsheet takes a cell that begins so for a formula, also in wide letters; and one that cuts lines at other signs
#: than commas begins a cell behind each of them
_FORMULA = re.compile(r"(^|[;|])(\s*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])")

PROMPT_COLUMNS = (
    "prompt", "mode", "concurrency", "repeat", "ok", "ttft_ms", "e2e_ms", "output_tokens", "speedup", "tags",
)  # fmt: skip
CASE_COLUMNS = ("suite", "case", "mode", "repeat", "streamed", "result", "score", "e2e_ms", "graders", "tags")


def prompts_csv(checklist: Checklist, facts: Facts) -> str:
    """One line a timed request. `speedup`: of the prompt in this mode against the baseline; empty without a pair."""
    readings, baseline = Readings(facts.timed), checklist.baseline.speed
    gains = {
        (mode, level): log_ratios(readings.times(baseline, level), readings.times(mode, level))
        for mode in {s.mode for s in facts.timed} for level in readings.levels(mode)
    }  # fmt: skip
    rows = []
    for s in facts.timed:
        if s.fixed_length:
            continue
        gain = None if s.mode == baseline else gains.get((s.mode, s.concurrency), {}).get(s.prompt)
        e = s.exchange
        first = e.first_visible_us if e.first_visible_us is not None else e.first_chunk_us
        rows.append((
            s.prompt_id, s.mode, s.concurrency, s.repeat, int(e.ok), _ms(first), _ms(e.e2e_us), e.completion_tokens,
            None if gain is None else f"{math.exp(gain):.4g}", " ".join(s.tags),
        ))  # fmt: skip
    return _csv(PROMPT_COLUMNS, rows)


def cases_csv(checklist: Checklist, facts: Facts) -> str:
    """One line a scored reply, the last of several to one request. `result`: pass, fail or unscored, as the report
    counts it: comparisons with the baseline's reply included.
    """
    last = {a.key: a for a in facts.answers}
    base = {
        (a.suite, a.case_id, a.repeat, a.streamed): a for a in last.values() if a.mode == checklist.baseline.quality
    }
    rows = []
    for a in last.values():
        other = base.get((a.suite, a.case_id, a.repeat, a.streamed)) if a.mode != checklist.baseline.quality else None
        result = passed(a, other)
        rows.append((
            a.suite, a.case_id, a.mode, a.repeat, int(a.streamed),
            "unscored" if result is None else "pass" if result else "fail", a.score, _ms(a.exchange.e2e_us),
            "; ".join(g.grader for g in failing(a, other)), " ".join(a.tags),
        ))  # fmt: skip
    return _csv(CASE_COLUMNS, rows)


def openmetrics(doc: Mapping[str, Any]) -> str:
    """Gauges of one report, for a Pushgateway or the node exporter's text files."""
    model = {"model": doc["candidate"].get("model") or "", "checklist": doc["checklist"]["name"]}
    lines: list[str] = []

    def gauge(name: str, help_: str, samples: Iterable[tuple[dict[str, str], float]]) -> None:
        rows = [f"evalkit_{name}{_labels(model | labels)} {value:g}" for labels, value in samples]
        if rows:
            lines.extend((f"# TYPE evalkit_{name} gauge", f"# HELP evalkit_{name} {help_}", *rows))

    verdict = "interrupted" if doc.get("interrupted") else doc["verdict"]
    mode = doc.get("recommended_mode") or ""
    words = ("go", "no-go", "inconclusive", "interrupted")
    gauge("verdict", "1 for the verdict of the run.", (
        ({"verdict": word, "recommended_mode": mode, "simulated": str(bool(doc["simulated"])).lower()},
         float(word == verdict)) for word in words
    ))  # fmt: skip
    gauge("finished_timestamp_seconds", "When the run ended.", _moment(doc.get("finished_at") or doc["started_at"]))
    gauge("item_passes", "1 where an item passes.", (
        ({"item": item["id"], "status": item["status"]},
         float(item["status"] in ("pass", "warn", "waived", "not-applicable"))) for item in doc["items"]
    ))  # fmt: skip
    for field, said in (("ratio", "Speed-up"), ("low", "Low end"), ("high", "High end")):
        gauge(f"speedup_{field}", f"{said} of the paired speed-up at the deciding concurrency.", (
            ({"mode": m["mode"]}, m["speedup"][field]) for m in doc["modes"]
            if (m.get("speedup") or {}).get(field) is not None
        ))  # fmt: skip
    gauge("quality_pass_share", "Share of cases passed.", (
        ({"mode": s["mode"], "suite": s["suite"]}, s["share"]) for s in doc["quality"]["suites"]
        if s.get("share") is not None
    ))  # fmt: skip
    gauge("quality_difference", "Share passed less the baseline's.", (
        ({"mode": s["mode"], "suite": s["suite"]}, s["difference"]) for s in doc["quality"]["suites"]
        if s.get("difference") is not None
    ))  # fmt: skip
    return "\n".join([*lines, "# EOF"]) + "\n"


def files_of(checklist: Checklist, facts: Facts) -> dict[str, str]:
    """What is next to the report: `prompts.csv` and `cases.csv`, each where there is something in it."""
    made: dict[str, Callable[[], str]] = {}
    if facts.timed:
        made["prompts.csv"] = lambda: prompts_csv(checklist, facts)
    if facts.answers:
        made["cases.csv"] = lambda: cases_csv(checklist, facts)
    return {name: make() for name, make in made.items()}


def _moment(stamp: str) -> list[tuple[dict[str, str], float]]:
    moment = datetime.fromisoformat(stamp)
    return [({}, round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()))]


def _labels(labels: dict[str, str]) -> str:
    def escaped(value: str) -> str:
        return one_line(value, limit=200).replace("\\", "\\\\").replace('"', '\\"')

    return "{" + ",".join(f'{name}="{escaped(value)}"' for name, value in labels.items()) + "}"


def _ms(us: int | None) -> str | None:
    return None if us is None else f"{us / 1000:.3f}"


def _csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(value) for value in row])
    return out.getvalue()


def _cell(value: object) -> object:
    """Texts as one line, and never a formula."""
    if not isinstance(value, str):
        return value
    return _FORMULA.sub(r"\1\2'", one_line(value, limit=500))
