"""JUnit XML: one suite an item, one case a finding; `failure`, `error` and `skipped` as CI systems read them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from xml.etree import ElementTree as ET

from evalkit.report.document.model import Report
from evalkit.report.document.model.findings import ItemPart
from evalkit.report.words import view
from evalkit.report.words.quote import xml_text

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
_OPEN = ("inconclusive", "error")


#: a finding, an item without one, or the verdict
Case = Mapping[str, Any]


def render(doc: Report) -> str:
    """The verdict as a suite of its own, then the six items.

    A finding that does not count is a skipped case. So is one of a mode that a GO does not rest on: a GO is green.
    """
    prefix = "SIMULATED " if doc["simulated"] else ""
    root = ET.Element("testsuites", name=xml_text(f"{prefix}evalkit: {view.subject(doc)}"))
    verdict = {
        "id": "verdict",
        "status": {"go": "pass", "no-go": "fail"}.get(doc["verdict"], "inconclusive"),
        "summary": f"{view.verdict(doc)}. {' '.join(doc['reasons'])}",
    }
    seconds = _seconds(doc)
    suites = [_suite("verdict", [verdict], doc, seconds)]
    suites += [_suite(item["id"], _cases(item), doc) for item in doc["items"]]
    totals = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for suite in suites:
        root.append(suite)
        for key in totals:
            totals[key] += int(suite.get(key, "0"))
    root.set("time", seconds)
    for key in ("tests", "failures", "errors"):  # readers of the root know no others
        root.set(key, str(totals[key]))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _cases(item: ItemPart) -> Sequence[Case]:
    found: Sequence[Case] = item["findings"]
    return found or [item]


def _seconds(doc: Report) -> str:
    """How long the run took: it is no finding's own, so that the verdict has it and the findings have none."""
    try:
        begun, ended = (datetime.fromisoformat(str(doc[key])) for key in ("started_at", "finished_at"))
        return f"{max(0.0, (ended - begun).total_seconds()):.0f}"
    except (TypeError, ValueError):  # not finished, or one of the two without a time zone
        return "0"


def _suite(name: str, findings: Sequence[Case], doc: Report, seconds: str = "0") -> ET.Element:
    suite = ET.Element("testsuite", name=name, time=seconds)
    if _MOMENT.match(doc["started_at"]):
        suite.set("timestamp", doc["started_at"][:19])
    counts = {"tests": len(findings), "failures": 0, "errors": 0, "skipped": 0}
    times: dict[str, int] = {}
    for finding in findings:
        title = xml_text(_title(finding))
        times[title] = times.get(title, 0) + 1
        again = f" #{times[title]}" if times[title] > 1 else ""
        case = ET.SubElement(suite, "testcase", classname=f"evalkit.{name}", name=title + again, time=seconds)
        counted = _result(case, finding, doc)
        if counted:
            counts[counted] += 1
    for key, value in counts.items():
        suite.set(key, str(value))
    return suite


def _aside(finding: Case, doc: Report) -> bool:
    """Whether a finding concerns a mode, or an optional item, that the GO of the document does not rest on."""
    if doc["verdict"] != "go":
        return False
    optional = any(i["id"] == finding["id"].partition(".")[0] and not i["required"] for i in doc["items"])
    return optional or finding.get("mode") not in (None, doc["recommended_mode"])


def _title(finding: Case) -> str:
    """The finding with the mode and the suite of tasks that it is about: readers keep one case of a name."""
    suite = (finding.get("data") or {}).get("suite")
    about = (finding.get("mode") or finding.get("variant"), suite if isinstance(suite, str) else None)
    return str(finding["id"]) + "".join(f" [{one}]" for one in about if one)


def _result(case: ET.Element, finding: Case, doc: Report) -> str | None:
    status, summary = finding["status"], xml_text(finding.get("summary", ""))
    detail = "\n".join(
        f"{key}: {finding[key]}" for key in ("observed", "threshold", "remedy") if finding.get(key) is not None
    )
    if not finding.get("counts", True) or status in ("skipped", "not-applicable"):
        ET.SubElement(case, "skipped", message=f"{status}: {summary}")
        return "skipped"
    if status in ("fail", *_OPEN) and _aside(finding, doc):
        ET.SubElement(case, "skipped", message=f"{status}, but the verdict does not rest on it: {summary}")
        return "skipped"
    if status == "fail":
        ET.SubElement(case, "failure", message=summary, type=status).text = xml_text(detail)
        return "failures"
    if status in _OPEN:
        ET.SubElement(case, "error", message=summary, type=status).text = xml_text(detail)
        return "errors"
    ET.SubElement(case, "system-out").text = f"{status}: {summary}"
    return None
