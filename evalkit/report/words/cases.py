"""Every case and every prompt of the report for its readers: the matrix, the replies behind it, who gains least."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

from evalkit import fmt
from evalkit.analysis.each import worst as choose
from evalkit.report.document.model import Report
from evalkit.report.document.model.modes import PromptRow
from evalkit.report.document.model.quality import CaseReplies, CaseRow, ModeReply
from evalkit.report.words import view
from evalkit.report.words.load_tables import Table
from evalkit.text import one_line, sanitize

Key = TypeVar("Key")
#: cases that Markdown lists, and that a page without JavaScript shows side by side
WORST = 10
_ID = 120
_TEXT = 2000


def modes(doc: Report) -> list[str]:
    """The modes that answered cases, in configured order, the incumbent last."""
    found: dict[str, None] = {}
    for row in doc["quality"].get("cases") or ():
        found.update(dict.fromkeys(row["results"]))
    order = [entry["mode"] for entry in view.with_incumbent(doc)]
    return sorted(found, key=lambda mode: order.index(mode) if mode in order else len(order))


def status(result: float | None) -> str:
    """The word of one result: pass, fail, unscored, or the share of repeats that pass."""
    if result is None:
        return "unscored"
    return "pass" if result == 1 else "fail" if result == 0 else f"{100 * result:.0f}%"


def shown(result: float | None) -> str:
    """That word with its sign."""
    return f"{status(result)} {'?' if result is None else '✓' if result == 1 else '✗'}"


def kind(result: float | None) -> str:
    """The class of a cell in HTML."""
    return "inconclusive" if result is None else "pass" if result == 1 else "fail"


def worst(doc: Report, most: int = WORST) -> list[CaseRow]:
    """The cases that matter most, as `evalkit.analysis.each.worst` chooses them."""
    bad = [row for row in doc["quality"].get("cases") or () if any(one != 1 for one in row["results"].values())]
    return choose([row for row in bad if row["lost"]], [row for row in bad if not row["lost"]], most)


def replies(doc: Report) -> dict[tuple[str, str], CaseReplies]:
    """The replies by suite and case."""
    return {(one["suite"], one["case_id"]): one for one in doc["quality"].get("replies") or ()}


def why(row: CaseRow, found: CaseReplies | None) -> str:
    """What failed, in the first mode that lost or failed the case: its graders and what they said."""
    by_mode = {one["mode"]: one for one in found["modes"]} if found else {}
    reply = by_mode[_blamed(row, by_mode)] if by_mode else None
    if reply is None:
        return fmt.NOTHING
    graders = ", ".join(reply["graders"]) or reply["error"] or "unscored"
    said = f"{graders}: {reply['reason']}" if reply.get("reason") else graders
    return f"{reply['mode']}: {said}"


def worst_table(doc: Report) -> Table:
    """The worst ten cases: the result of each mode, and what failed."""
    labels, known = modes(doc)[:5], replies(doc)
    rows = []
    for row in worst(doc):
        name = f"{row['suite']}/{row['case_id']}"
        named = f"{name} ({row['severity']})" if row["severity"] != "normal" else name
        results = [shown(row["results"].get(mode)) for mode in labels]
        rows.append((named, *results, why(row, known.get((row["suite"], row["case_id"])))))
    return ("Case", *labels, "What failed"), rows


class Side(NamedTuple):
    """One reply of a pair."""

    mode: str
    result: str
    reason: str
    text: str


class Pair(NamedTuple):
    """A case of the worst, with the baseline's reply and that of the mode that lost or failed it."""

    name: str
    mode: str
    prompt: str
    base: Side | None
    replies: tuple[Side, ...]


def pairs(doc: Report) -> list[Pair]:
    """The worst cases whose replies are in the report, two replies each; one where the baseline alone fails."""
    known, base, found = replies(doc), doc["baseline"].get("quality"), []
    for row in worst(doc):
        shown_case = known.get((row["suite"], row["case_id"]))
        if shown_case is None:
            continue
        sides = {
            one["mode"]: Side(
                one["mode"], shown(row["results"].get(one["mode"])), one.get("reason", ""), one.get("text", "")
            )
            for one in shown_case["modes"]
        }
        mode = _blamed(row, sides)
        left = sides.get(base) if base and mode != base else None
        both = tuple(side for side in (left, sides[mode]) if side is not None)
        found.append(Pair(f"{row['suite']}/{row['case_id']}", mode, shown_case.get("prompt", ""), left, both))
    return found


def _blamed(row: CaseRow, known: Mapping[str, object]) -> str:
    """The mode whose reply is shown: the first that lost the case, else one that failed it, else any."""
    failing = [mode for mode, result in row["results"].items() if result is None or result < 1]
    return next((mode for mode in (*row["lost"], *failing, *known) if mode in known), next(iter(known)))


def summary(doc: Report) -> str:
    """How many cases are not passed by every mode, and where all of them are listed."""
    total, bad = doc["quality"].get("cases_total") or 0, doc["quality"].get("not_clean") or 0
    if not total:
        return "No case was answered."
    if not bad:
        return f"Every mode passes {'the case' if total == 1 else f'all {total:,} cases'}."
    lost = sum(bool(row["lost"]) for row in doc["quality"]["cases"])
    told = f"{bad:,} of {fmt.plural(total, 'case')} {'is' if bad == 1 else 'are'} not passed by every mode"
    if lost == bad:
        return f"{told}: the baseline passes {'it' if bad == 1 else 'each of them'}, and another mode loses it."
    return f"{told}; {lost:,} of these {'is' if lost == 1 else 'are'} lost against the baseline."


def cap(doc: Report) -> str:
    """Of how many cases the replies are in the report."""
    texts, bad = len(doc["quality"].get("replies") or ()), doc["quality"].get("not_clean") or 0
    listed, total = len(doc["quality"].get("cases") or ()), doc["quality"].get("cases_total") or 0
    said = [f"Replies are shown for the worst {texts:,} of these; the run folder has the rest."] if texts < bad else []
    if listed < total:
        said.append(f"The first {listed:,} of {total:,} cases are listed, worst first; cases.csv lists all.")
    return " ".join(said)


def _suites(doc: Report) -> list[str]:
    return list(dict.fromkeys(row["suite"] for row in doc["quality"].get("cases") or ()))


def _tags(doc: Report) -> list[str]:
    return sorted({tag for row in doc["quality"].get("cases") or () for tag in row["tags"]})


def suites(doc: Report) -> list[str]:
    """Names of the suites, in the order in which cases are listed; a choice of the filter is a place in it."""
    return [one_line(name, limit=_ID) for name in _suites(doc)]


def tags(doc: Report) -> list[str]:
    """Tags of the cases, sorted; a choice of the filter is a place in it."""
    return [one_line(name, limit=60) for name in _tags(doc)]


def _places(names: Iterable[Key]) -> dict[Key, int]:
    return {name: n for n, name in enumerate(names)}


def island(doc: Report) -> str:
    """The matrix for the script of the page, as JSON that no text can leave: `<`, `>` and `&` are escapes."""
    labels, known = modes(doc), replies(doc)
    suite_at, tag_at = _places(_suites(doc)), _places(_tags(doc))
    places = _places(known)
    rows = [
        [
            suite_at[row["suite"]],
            one_line(row["case_id"], limit=_ID),
            row["severity"],
            [tag_at[tag] for tag in row["tags"]],
            [None if (one := row["results"].get(mode)) is None else round(one, 3) for mode in labels],
            [labels.index(mode) for mode in row["lost"] if mode in labels],
            places.get((row["suite"], row["case_id"]), -1),
        ]
        for row in doc["quality"].get("cases") or ()
    ]
    data = {
        "modes": [one_line(label, limit=_ID) for label in labels],
        "baseline": labels.index(doc["baseline"]["quality"]) if doc["baseline"].get("quality") in labels else -1,
        "suites": suites(doc),
        "tags": tags(doc),
        "rows": rows,
        "replies": [_reply(one, labels) for one in known.values()],
    }
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def _reply(found: CaseReplies, labels: list[str]) -> dict[str, Any]:
    by_mode = {one["mode"]: _panel(one) for one in found["modes"]}
    made: dict[str, Any] = {"modes": [by_mode.get(mode) for mode in labels]}
    if found.get("prompt"):
        made["prompt"] = sanitize(found["prompt"], limit=_TEXT)
    return made


def about(reply: ModeReply) -> str:
    """Time, how the reply ended, and what failed."""
    said = [fmt.milliseconds(reply["e2e_ms"])] if reply.get("e2e_ms") is not None else []
    said += [f"request failed: {reply['error']}"] if reply["error"] else []
    said += [f"ended by {reply['finish_reason']}"] if reply["finish_reason"] not in (None, "stop") else []
    said += [f"failed: {', '.join(reply['graders'])}"] if reply["graders"] else []
    return one_line(", ".join(said), limit=300)


def _panel(reply: ModeReply) -> dict[str, str]:
    made = {"about": about(reply)}
    if reply.get("reason"):
        made["reason"] = sanitize(reply["reason"], limit=600)
    if "text" in reply:
        made["text"] = sanitize(reply["text"], limit=_TEXT)
    return made


def gaining(doc: Report) -> list[str]:
    """The modes whose prompts have a speed-up of their own, in configured order."""
    found = {mode for row in doc.get("prompts") or () for mode in row["speedup"]}
    return [entry["mode"] for entry in view.with_incumbent(doc) if entry["mode"] in found]


def prompts_table(doc: Report, most: int = WORST) -> Table:
    """The prompts that gain least: tags, and the speed-up in each mode."""
    labels = gaining(doc)[:5]
    rows = [
        (
            row["prompt_id"], ", ".join(row["tags"]) or fmt.NOTHING,
            *(fmt.ratio(row["speedup"].get(mode)) for mode in labels),
        )
        for row in (doc.get("prompts") or ())[:most] if row["speedup"]
    ]  # fmt: skip
    return ("Prompt", "Tags", *labels), rows if labels else []


def prompts_line(doc: Report) -> str:
    """How many prompts each mode answers later than the baseline."""
    told = []
    for mode in gaining(doc):
        mine = [row["speedup"][mode] for row in doc.get("prompts") or () if mode in row["speedup"]]
        told.append(f"{mode} is slower on {sum(one < 1 for one in mine)} of {fmt.plural(len(mine), 'prompt')}")
    return f"Compared with {doc['baseline']['speed']}, {'; '.join(told)}." if told else ""


def rank(doc: Report, prompt: str) -> str:
    """Where a prompt lies among all: gains least, gains most, or its place."""
    rows: list[PromptRow] = [row for row in doc.get("prompts") or () if row["speedup"]]
    place = next((n for n, row in enumerate(rows) if row["prompt_id"] == prompt), None)
    if place is None or len(rows) < 2:
        return ""
    gain: Mapping[str, float] = rows[place]["speedup"]
    figures = ", ".join(f"{mode} {fmt.ratio(value)}" for mode, value in gain.items())
    where = "gains least" if place == 0 else "gains most" if place == len(rows) - 1 else f"place {place + 1}"
    return f"{where} of {len(rows)} prompts ({figures})"
