"""What the first screen and the tables say, as plain text from the document; each renderer quotes it its own way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from evalkit import fmt
from evalkit.items.registry import ITEMS
from evalkit.report.document.model import Report
from evalkit.report.document.model.findings import FindingPart, ItemPart
from evalkit.report.document.model.modes import Level, Mode, SpeedUp
from evalkit.text import capital

VERDICTS = {"go": "GO", "no-go": "NO-GO", "inconclusive": "INCONCLUSIVE"}
#: a word first, a sign second: never colour or sign alone
SIGNS = {
    "pass": "✓",
    "warn": "!",
    "fail": "✗",
    "inconclusive": "?",
    "error": "?",
    "skipped": "–",
    "not-applicable": "–",
    "waived": "~",
}
#: waivers named above the verdict's reasons; all of them are listed below the checklist
_MOST_WAIVERS = 3
_MOST_REASONS = 3
_MOST_STEPS = 6


def question(item: str) -> str:
    """What an item asks, as a buyer would."""
    return next((one.question for name, one in ITEMS.items() if name == item), item)


def status(word: str) -> str:
    """`pass ✓`."""
    return f"{word} {SIGNS.get(word, '')}".rstrip()


def verdict(doc: Report) -> str:
    return VERDICTS.get(doc["verdict"], str(doc["verdict"]).upper())


def subject(doc: Report) -> str:
    """`model@revision`, the revision cut to twelve characters; without a candidate the checklist's name."""
    candidate = doc["candidate"]
    revision = candidate.get("revision") or candidate.get("requested_revision")
    name = candidate.get("model") or doc["checklist"]["name"]
    return f"{name}@{short(revision)}" if revision else name


def short(revision: str | None) -> str:
    """The first twelve characters of a hash, names whole."""
    if not revision:
        return "unknown"
    prefix, colon, rest = revision.rpartition(":")
    hexadecimal = len(rest) >= 40 and all(c in "0123456789abcdef" for c in rest)
    return f"{prefix}{colon}{rest[:12]}" if hexadecimal else revision


def ratio_of(entry: SpeedUp | None) -> float | None:
    """The ratio of a speed-up; None where none was measured."""
    return entry["ratio"] if entry else None


def speedup(entry: SpeedUp | None) -> str:
    """`1.62× (1.48 to 1.77, n = 40 pairs)`."""
    if not entry or entry.get("ratio") is None:
        return fmt.NOTHING
    pairs = entry.get("pairs")
    tail = f", n = {pairs}" if pairs is not None else ""
    span = fmt.interval(entry.get("low"), entry.get("high"))
    ratio = fmt.ratio(entry["ratio"])
    return f"{ratio} ({span}{tail})" if span != fmt.NOTHING else f"{ratio}{tail}"


def date(doc: Report) -> str:
    return fmt.day(doc.get("finished_at") or doc["started_at"])


_NO_ITEM: ItemPart = {
    "id": "modes", "status": "inconclusive", "required": False, "summary": "", "findings": []
}  # fmt: skip


def item(doc: Report, name: str) -> ItemPart:
    """The item of that name; an open one without findings where a report has none."""
    return next((i for i in doc["items"] if i["id"] == name), _NO_ITEM)


def mode(doc: Report, label: str | None) -> Mode | None:
    return next((m for m in doc["modes"] if m["mode"] == label), None)


def notices(doc: Report) -> list[str]:
    """What a reader must know before the verdict."""
    lines = [f"Waiver: {line}" for line in waiver_rows(doc)[:_MOST_WAIVERS]]
    if len(doc["waivers"]) > _MOST_WAIVERS:
        lines.append(f"{len(doc['waivers']) - _MOST_WAIVERS} more waivers are listed below.")
    lines += [f"Not as it was written: {problem}." for problem in (doc.get("integrity") or ())[:_MOST_WAIVERS]]
    if doc.get("cannot"):
        lines.append(f"From a redacted pack: texts were left out, and it cannot {', '.join(doc['cannot'])}.")
    lines += [f"{line[:1].upper()}{line[1:]}." for line in doc.get("other_versions") or ()]
    lines += regraded(doc.get("regraded") or ())
    if doc.get("report_only"):
        lines.append("--report-only: the exit code is always 0.")
    if doc.get("interrupted"):
        lines.append("Partial: the run did not finish. It can be resumed with --resume.")
    if doc["checklist"].get("profile") == "first-look":
        lines.append("First look: it can end in NO-GO or INCONCLUSIVE, never in GO.")
    if doc["checklist"].get("strict"):
        lines.append("Strict: warnings count as failures.")
    return lines


def adoptable(doc: Report) -> str:
    """Which modes were up for adoption, and which were measured in addition."""
    adopted = [m["mode"] for m in doc["modes"] if m.get("adopted")]
    beside = [m["mode"] for m in doc["modes"] if not m.get("adopted")]
    told = f"Candidates for adoption: {', '.join(adopted) or 'none'}"
    return f"{told}. Also measured, for comparison: {', '.join(beside)}." if beside else f"{told}."


def versus(doc: Report) -> str:
    """`better`, `worse` or `NOT COMPARED: why`."""
    return doc.get("versus_incumbent") or "NOT COMPARED"


def with_incumbent(doc: Report) -> list[Mode]:
    """The modes in configured order, the incumbent last."""
    incumbent = doc.get("incumbent")
    return [*doc["modes"], *([incumbent] if incumbent else [])]


def levels(doc: Report) -> list[tuple[Mode, Level]]:
    """(mode, level) in reading order: by concurrency, then in configured order, the incumbent last."""
    entries = with_incumbent(doc)
    pairs = [(entry, level) for entry in entries for level in entry["levels"]]
    order = {id(entry): n for n, entry in enumerate(entries)}
    return sorted(pairs, key=lambda p: (p[1].get("concurrency") or 0, order[id(p[0])]))


#: worst first; what passes comes last
_ORDER = ("fail", "error", "inconclusive", "skipped", "waived", "warn", "pass", "not-applicable")


class Told(NamedTuple):
    """A finding of the details: where it was found, what was found, and the figures next to it."""

    where: str
    summary: str
    figures: str
    finding: FindingPart


def findings(entry: ItemPart) -> list[Told]:
    """The findings of an item, worst first, those for information last."""

    def order(finding: FindingPart) -> tuple[bool, int]:
        status = finding["status"]
        return (not finding.get("counts", True), _ORDER.index(status) if status in _ORDER else 0)

    return [_told(finding) for finding in sorted(entry["findings"], key=order)]


def _told(finding: FindingPart) -> Told:
    named = (("in", finding.get("mode")), ("for", finding.get("variant")))
    where = " ".join(f"{word} {one}" for word, one in named if one)
    parts = [f"{word} {finding[word]}" for word in ("observed", "threshold") if finding.get(word)]
    known = f" ({finding['known_by']})" if finding.get("known_by") else ""
    return Told(where, finding["summary"], capital(", ".join(parts) + known) if parts else "", finding)


def counted(entry: dict[str, Any]) -> str:
    """How many findings an item has, and of which statuses: `12 findings: 1 fail, 2 warn, 9 pass`."""
    statuses = [f["status"] for f in entry["findings"]]
    each = ", ".join(f"{statuses.count(status)} {status}" for status in _ORDER if status in statuses)
    return f"{fmt.plural(len(statuses), 'finding')}: {each}"


def regraded(told: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the report says of it, one sentence a suite."""
    lines = []
    for one in told:
        same = "the same file" if one["sha256"] == one["run_sha256"] else f"the run's was {one['run_sha256'][:12]}"
        line = f"Regraded: {one['replies']} stored replies of {one['suite']} by suite {one['sha256'][:12]} ({same})."
        for name, words in (
            ("changed_requests", "unscored, as their request has changed"),
            ("without_reply", "without a stored reply"),
            ("dropped", "dropped, as the suite has them no more"),
        ):
            if one[name]:
                line += (
                    f" {len(one[name])} cases {words}: {', '.join(one[name][:5])}{' …' if len(one[name]) > 5 else ''}."
                )
        lines.append(line)
    return lines


def waiver_rows(doc: Report) -> list[str]:
    """One sentence a waiver: what it covers, what the status was, who owns it, until when."""
    lines = []
    for w in doc["waivers"]:
        where = "".join(f", {w[key]}" for key in ("mode", "case") if w.get(key))
        was = f", was {w['original_status']}" if w.get("original_status") else ""
        ticket = f"; ticket {w['ticket']}" if w.get("ticket") else ""
        lines.append(
            f"{w['finding']}{where}: {w.get('state', 'used')}{was}; {w['reason']}; owner {w['owner']}; "
            f"valid through {w['expires']}{ticket}."
        )
    return lines


def shared_settings(doc: Report) -> dict[str, Any]:
    """Settings that every server of the run states alike; of a single server none."""
    servers = doc["provenance"]["servers"]
    if len(servers) < 2:
        return {}
    first, *others = (server["settings"] for server in servers)
    return {k: v for k, v in first.items() if all(k in other and other[k] == v for other in others)}


def own_settings(doc: Report, server: dict[str, Any]) -> dict[str, Any]:
    """What of a server's settings differs from one of the others."""
    shared = shared_settings(doc)
    return {k: v for k, v in server["settings"].items() if k not in shared}


def hardware_line(doc: Report) -> str:
    """One line of what the servers ran on, as far as it is known."""
    names: dict[str, int] = {}
    for gpu in doc["gpus"]:
        names[gpu["name"]] = names.get(gpu["name"], 0) + 1
    hardware = doc["provenance"]["hardware"]
    cards = ", ".join(f"{n} × {name}" if n > 1 else name for name, n in sorted(names.items()))
    return cards or hardware.get("declared") or hardware.get("cpu") or "unknown"
