"""What the modes and today's model cost, as a table of the report. Plain text from the document."""

from __future__ import annotations

from collections.abc import Mapping

from evalkit import fmt
from evalkit.report.document.model import Report
from evalkit.report.document.model.modes import Mode
from evalkit.report.document.model.money import Cost
from evalkit.report.words import view
from evalkit.report.words.view import Row

Table = tuple[tuple[str, ...], list[Row]]

COST_NOTE = (
    "A server that is paid by the hour costs its price over the requests that it answers in an hour at the deciding "
    "load. Right answers: the cost of requests over the share of the scored answers that were right."
)


def cost_table(doc: Report) -> Table:
    """USD for 1,000 requests and right answers, in reading order, the incumbent last; empty without a price."""
    head = ("Mode", "Paid by", "1,000 requests", "1,000 right answers", "Right, n", "Today's over the mode's")
    rows = []
    for entry in view.with_incumbent(doc):
        cost = entry.get("cost")
        if cost is None:
            continue
        right = cost["per_1000_right"]
        share = cost.get("right_share")
        scored = f"{fmt.share(share)} of {cost.get('scored')}" if share is not None else fmt.NOTHING
        rows.append(
            Row((
                entry["mode"], _paid(cost), _span(cost, cost["per_1000_requests"]),
                _span(right, right["value"]) if right else fmt.NOTHING, scored, _against(entry),
            ))
        )  # fmt: skip
    return head, rows


def _paid(cost: Cost) -> str:
    if cost.get("paid_by") == "usage":
        return "usage"
    at = {
        "concurrency": f"concurrency {cost.get('concurrency')}", "load": "the open load", "capacity": "its capacity",
    }[cost.get("at", "concurrency")]  # fmt: skip
    rate = fmt.number(cost.get("requests_per_second"))
    return f"{fmt.plural(cost.get('gpus') or 1, 'GPU')} by the hour, {rate}/s at {at}"


def _span(ends: Mapping[str, object], value: float) -> str:
    low, high = ends.get("low"), ends.get("high")
    known = [one if isinstance(one, int | float) else None for one in (low, high)]
    return f"{fmt.amount(value)}{fmt.span_of(known[0], known[1], fmt.amount)}"


def _against(entry: Mode) -> str:
    whole = entry.get("vs_incumbent")
    versus = whole["cost"] if whole else None
    return (
        f"{fmt.ratio(versus['ratio'])}{fmt.span_of(versus['low'], versus['high'], fmt.ratio)}"
        if versus
        else fmt.NOTHING
    )
