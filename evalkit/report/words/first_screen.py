"""The first screen of a report: the decision, how sure it is, what it costs against today, what to do next, a matrix.

A lead decides from it alone. Typed, so that every format shows the same answers and tests can ask for them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from evalkit import fmt
from evalkit.findings import ITEM_IDS, PER_MODE_ITEMS, SEVERITY, Status
from evalkit.items.modes import checks as modes_checks
from evalkit.items.serving import checks as serving_checks
from evalkit.modes import Mode as Decoding
from evalkit.modes import base_mode
from evalkit.report.document.model import Report
from evalkit.report.document.model.findings import FindingPart, ItemPart
from evalkit.report.document.model.modes import Mode
from evalkit.report.words import view
from evalkit.report.words.today import today
from evalkit.text import capital, clause, sentence

_MOST_STEPS, _MOST_REASONS = 3, 4
#: role of a mode that the checklist does not let be adopted
_ASIDE = "not a candidate"
#: what keeps a mode from qualifying, as a noun
_NOUNS = {"modes": "speed"}
_CARRIES = ("pass", "warn", "not-applicable", "waived")
#: what a mode is that a diffusion model was not chosen for
_OTHER_METHOD = {
    Decoding.AUTOREGRESSIVE: "This is not diffusion decoding: one token at a time.",
    Decoding.SPECULATIVE: "This is not diffusion decoding: another model or n-grams draft, and the candidate verifies.",
}


class Cell(NamedTuple):
    """One item of one mode: its status, and the figure it rests on, if it has one."""

    status: str
    figure: str = ""


class Row(NamedTuple):
    """A mode in the matrix. `role`: recommended, baseline, not a candidate, or empty."""

    mode: str
    role: str
    qualified: str
    cells: dict[str, Cell]


class FirstScreen(NamedTuple):
    """Five answers and the matrix. `headline` is the verdict's word: SIMULATED · GO, INTERRUPTED, …"""

    headline: str
    decision: str
    why: tuple[str, ...]
    may_use: str
    certainty: tuple[str, ...]
    today: tuple[str, ...]
    next_steps: tuple[str, ...]
    more_steps: int
    rows: tuple[Row, ...]


def first_screen(doc: Report) -> FirstScreen:
    """The answers of one report document."""
    steps = [*_gating(doc), *(sentence(step) for step in doc["next_steps"])]
    if doc["verdict"] == "go" and not doc.get("interrupted"):
        steps = [*_gating(doc), *_optional(doc)]
    return FirstScreen(
        headline=headline(doc),
        decision=_decision(doc),
        why=tuple(_why(doc)),
        may_use=_may_use(doc),
        certainty=tuple(_certainty(doc)),
        today=tuple(today(doc)),
        next_steps=tuple(steps[:_MOST_STEPS]),
        more_steps=max(len(steps) - _MOST_STEPS, 0),
        rows=tuple(_rows(doc)),
    )


def headline(doc: Report) -> str:
    """An interrupted run has no verdict; a simulated one says so before it."""
    word = "INTERRUPTED" if doc.get("interrupted") else view.VERDICTS.get(doc["verdict"], str(doc["verdict"]).upper())
    return f"SIMULATED · {word}" if doc.get("simulated") else word


def _decision(doc: Report) -> str:
    """One sentence that a manager can repeat."""
    if doc.get("interrupted"):
        return f"No verdict: the run was interrupted. {_so_far(doc)}"
    best = view.mode(doc, doc.get("recommended_mode"))
    if doc["verdict"] == "go" and best:
        gain = f"{_speed(best)}{_on(doc)}{_loss(doc, best['mode'])}"
        return f"Adopt {best['mode']}: {gain}.{_other_method(doc, best['mode'])}"
    no_go, reasons = doc["verdict"] == "no-go", _candidate(doc)
    adopted = [m for m in doc["modes"] if m.get("adopted")]
    text = "; ".join(reasons or _by_item(doc, adopted)) or "nothing was shown"
    text = f"{'Do not adopt' if no_go else 'Undecided'}: {text}."
    baseline = view.mode(doc, doc["baseline"]["speed"])
    if no_go and not reasons and baseline and not baseline.get("adopted") and baseline["qualified"] == "pass":
        text += f" Plain {baseline['mode']} decoding would pass."
    if doc["checklist"].get("profile") == "first-look" and any(m["qualified"] == "pass" for m in adopted):
        text += " This was a first look, which never ends in GO: a full run is worth it."
    return text


def _candidate(doc: Report) -> list[str]:
    """What settles the verdict whatever the mode: required items of the candidate that fail, or are open."""
    wanted = ("fail",) if doc["verdict"] == "no-go" else ("error", "inconclusive", "skipped")
    found = [i for i in doc["items"] if i["required"] and i["id"] not in PER_MODE_ITEMS and i["status"] in wanted]
    return list(dict.fromkeys(clause(entry["summary"]) for entry in found))


def _by_item(doc: Report, adopted: list[Mode]) -> list[str]:
    """The modes that do not qualify by what keeps them from it: `diffusion (1.61× the speed, −30.0 points) fails on
    quality`.
    """
    if not adopted:
        return ["no mode was configured that could be adopted"]
    found: dict[tuple[str, str], list[str]] = {}
    for entry in adopted:
        if entry["qualified"] != "pass":
            finding = blocker(doc, entry["mode"])
            item = finding["id"].partition(".")[0] if finding else "modes"
            ratio = _figure(doc, entry, "modes")
            named = [one for one in (f"{ratio} the speed" if ratio else "", _known_loss(doc, entry)) if one]
            label = f"{entry['mode']} ({', '.join(named)})" if named else entry["mode"]
            found.setdefault((entry["qualified"], _NOUNS.get(item, item)), []).append(label)
    said = []
    for (qualified, noun), labels in sorted(found.items(), key=lambda one: one[0][0] == "fail"):
        several = len(labels) > 1
        verb = (
            ("fail" if several else "fails")
            if qualified == "fail"
            else "are not settled"
            if several
            else "is not settled"
        )
        names = f"{', '.join(labels[:-1])} and {labels[-1]}" if several else labels[0]
        said.append(f"{names} {verb} on {noun}")
    return said


def _known_loss(doc: Report, entry: Mode) -> str:
    """The loss of a mode where it is settled: a difference on too few cases is no figure to repeat."""
    cell = _row(doc, entry, None, "").cells["quality"]
    return cell.figure if cell.status in (*_CARRIES, "fail") else ""


def _why(doc: Report) -> list[str]:
    """A sentence for each mode that could be adopted and does not qualify, in the words of its finding."""
    if doc["verdict"] == "go" or doc.get("interrupted"):
        return []
    out = [m for m in doc["modes"] if m.get("adopted") and m["qualified"] != "pass"]
    more = (
        [f"{fmt.plural(len(out) - _MOST_REASONS, 'further mode')} in the details."] if len(out) > _MOST_REASONS else []
    )
    return [*(sentence(_why_not(doc, entry)) for entry in out[:_MOST_REASONS]), *more]


def _so_far(doc: Report) -> str:
    """What an interrupted run had measured."""
    known = [f"{m['mode']} {view.speedup(m['speedup'])}" for m in doc["modes"] if view.ratio_of(m["speedup"])]
    return f"So far: {'; '.join(known)}. Resume it with --resume." if known else "Resume it with --resume."


def _speed(entry: Mode) -> str:
    speed = entry["speedup"]
    if speed is None or speed["ratio"] is None:
        return "it passes every target that was asked"
    level = 100 * (speed["confidence"] or 0.95)
    interval = f"{level:.0f}% CI {fmt.interval(speed.get('low'), speed.get('high'))}"
    return f"{fmt.ratio(speed['ratio'])} the speed of {speed.get('baseline', 'the baseline')} ({interval})"


def _on(doc: Report) -> str:
    prompts = doc["provenance"].get("prompts") or []
    count = sum(p["count"] for p in prompts)
    own = [p for p in prompts if not p.get("shipped")]
    whose = "your" if own and len(own) == len(prompts) else "evalkit's" if not own else "the"
    return f" on {whose} {fmt.plural(count, 'prompt')}" if count else ""


def _loss(doc: Report, mode: str) -> str:
    """At most which loss was shown, over which suites."""
    rows = [s for s in doc["quality"]["suites"] if s["mode"] == mode and s.get("difference") is not None]
    if not rows:
        return ""
    margin = max(s["margin"] for s in rows)
    own = all(not s.get("shipped") for s in rows)
    suites = fmt.plural(len(rows), "suite")
    return f", and no loss beyond {fmt.number(100 * margin)} points on {'your' if own else 'the'} {suites}"


def _other_method(doc: Report, label: str) -> str:
    """Said of a candidate: without one, nobody chose a diffusion model."""
    if not doc["candidate"].get("model"):
        return ""
    try:
        said = _OTHER_METHOD.get(base_mode(label))
    except ValueError:
        return ""
    return f" {said}" if said else ""


def _why_not(doc: Report, entry: Mode) -> str:
    """Why a mode does not qualify, in its finding's words."""
    finding = blocker(doc, entry["mode"])
    said = clause(finding["summary"]) if finding else "nothing was shown for it"
    return f"{entry['mode']}: {said}"


def blocker(doc: Report, mode: str) -> FindingPart | None:
    """The finding that keeps a mode from qualifying: one that fails, else the worst that is open."""
    found = [f for item in doc["items"] if item["required"] for f in _of(item, mode) if f["status"] not in _CARRIES]
    return min(found, key=lambda f: (f["status"] != "fail", f.get("mode") is None, _rank(f["status"])), default=None)


def _of(item: ItemPart, mode: str) -> list[FindingPart]:
    """Findings of an item that count for a mode: its own, and in per-mode items those of no mode."""
    both = (None, mode) if item["id"] in PER_MODE_ITEMS else (mode,)
    return [f for f in item["findings"] if f.get("counts", True) and not f.get("variant") and f.get("mode") in both]


def _rank(status: str) -> int:
    try:
        return SEVERITY.index(Status(status))
    except ValueError:
        return 0


def _may_use(doc: Report) -> str:
    entry = next((i for i in doc["items"] if i["id"] == "license"), {"status": "inconclusive", "summary": ""})
    answers = {
        "pass": "Yes", "warn": "Yes, with a caveat", "waived": "Yes, by waiver", "not-applicable": "Not asked",
        "fail": "No", "skipped": "Not checked",
    }  # fmt: skip
    return sentence(f"{answers.get(entry['status'], 'Not known')}: {clause(entry['summary'])}")


def _certainty(doc: Report) -> list[str]:
    """Sample sizes and whose they are; what limits the claim; what the servers ran on."""
    provenance = doc["provenance"]
    prompts, suites = provenance.get("prompts") or [], provenance.get("suites") or []
    parts = []
    if prompts:
        parts.append((fmt.plural(sum(p["count"] for p in prompts), "prompt"), _shipped(prompts)))
    if suites and doc["quality"]["suites"]:
        cases = f"{fmt.plural(sum(s['cases'] for s in suites), 'case')} in {fmt.plural(len(suites), 'suite')}"
        parts.append((cases, _shipped(suites)))
    if len({whose for _, whose in parts}) == 1:  # said once
        parts = [(count, "") for count, _ in parts[:-1]] + [parts[-1]]
    level = doc.get("decided_at_concurrency") or 1
    load = "one request at a time" if level == 1 else f"{level} requests at a time"
    samples = " and ".join(f"{count}{whose}" for count, whose in parts) or "no measurement"
    lines = [f"Based on {samples}; {load}."]
    lines += [sentence(clause(text)) for text in _scope(doc)]
    warned = [
        f
        for item in doc["items"]
        for f in item["findings"]
        if f["id"] == modes_checks.WITNESS.id and f["status"] != "pass"
    ]
    lines += [capital(sentence(clause(f["summary"]))) for f in warned[:1]]
    lines += [capital(sentence(clause(text))) for text in _offer(doc)]
    skipped = [i["id"] for i in doc["items"] if i["status"] in ("skipped", "not-applicable")]
    if skipped:
        lines.append(f"Not part of this run: {', '.join(skipped)}.")
    return lines


def _offer(doc: Report) -> list[str]:
    """Settings whose difference the checklist declares to be part of the offer (`differs:`), of the modes up for it."""
    best = doc.get("recommended_mode")
    adopted = {m["mode"] for m in doc["modes"] if m.get("adopted") and best in (None, m["mode"])}
    return [
        f"{f.get('mode')}: {f['summary']}"
        for item in doc["items"]
        for f in item["findings"]
        if f["id"] == serving_checks.SAME_SETTINGS.id and f.get("outcome") == "declared" and f.get("mode") in adopted
    ]


def _scope(doc: Report) -> list[str]:
    """What a GO covers: prompts like those drawn, and which spread of server starts it survives."""
    shown = doc.get("limits") or []
    if doc.get("recommended_mode") is None:
        shown = [one for one in shown if one["id"] in {"undeclared-templates", "asks-little"}]
    best = doc.get("recommended_mode")
    # whose tasks they are is said with their number
    kept = [one["summary"] for one in shown if one.get("mode") in (None, best) and one["id"] != "shipped-tasks"]
    return kept[:4]


def _shipped(files: list[dict[str, Any]]) -> str:
    shipped = [bool(f.get("shipped")) for f in files]
    return (
        " shipped with evalkit, not your own"
        if all(shipped)
        else " partly shipped with evalkit"
        if any(shipped)
        else ""
    )


def _gating(doc: Report) -> tuple[str, ...]:
    """What follows a GO; an interrupted run is resumed first."""
    if doc.get("interrupted"):
        return ("Resume the run with `evalkit run … --resume`: what was measured is kept.",)
    if doc["verdict"] == "go":
        if doc.get("simulated"):
            return ("Ask the same of your own servers: `evalkit init` writes a checklist.",)
        return ("Keep the verdict honest: `evalkit pack` this run, and let `evalkit gate` check it in CI.",)
    return ()


def _optional(doc: Report) -> list[str]:
    """After a GO nothing else is needed: what would settle the other modes is counted, and listed in the details."""
    steps = len(doc["next_steps"])
    if not steps:
        return []
    said = f"{fmt.plural(steps, 'step')} in the details {'concerns' if steps == 1 else 'concern'}"
    return [f"Optional: {said} what was left open; the verdict does not need {'it' if steps == 1 else 'them'}."]


def _rows(doc: Report) -> list[Row]:
    """The recommended mode first, then other candidates by speed, then what they are compared with.

    Before any mode is configured, one row says how far each item is.
    """
    if not doc["modes"]:
        known = {item["id"]: Cell(item["status"]) for item in doc["items"]}
        return [Row("no mode yet", "", "inconclusive", {name: known[name] for name in ITEM_IDS if name in known})]
    best, baseline = doc.get("recommended_mode"), doc["baseline"]["speed"]

    def order(entry: Mode) -> tuple[bool, bool, float]:
        ratio = view.ratio_of(entry["speedup"]) or 0.0
        return (entry["mode"] != best, not entry.get("adopted"), -ratio)

    return [_row(doc, entry, best, baseline) for entry in sorted(doc["modes"], key=order)]


def _row(doc: Report, entry: Mode, best: str | None, baseline: str) -> Row:
    mode = entry["mode"]
    role = "recommended" if mode == best else "baseline" if mode == baseline else "" if entry.get("adopted") else _ASIDE
    cells = {}
    for item in doc["items"]:
        mine = _of(item, mode)
        if item["id"] not in PER_MODE_ITEMS:
            mine = [f for f in item["findings"] if f.get("counts", True) and f.get("mode") in (None, mode)]
        statuses = [Status(f["status"]) for f in mine]
        worst = min(statuses, key=SEVERITY.index).value if statuses else item["status"]
        cells[item["id"]] = Cell(worst, _figure(doc, entry, item["id"]))
    return Row(mode, role, entry["qualified"], {name: cells[name] for name in ITEM_IDS if name in cells})


def _figure(doc: Report, entry: Mode, item: str) -> str:
    if item == "modes":
        return fmt.ratio(view.ratio_of(entry["speedup"])) if entry["speedup"] else ""
    if item == "quality":
        mine = [s.get("difference") for s in doc["quality"]["suites"] if s["mode"] == entry["mode"]]
        rows = [one for one in mine if one is not None]
        return f"{fmt.points(min(rows))} points" if rows else ""
    return ""
