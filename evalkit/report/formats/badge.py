"""An endpoint badge: https://shields.io/badges/endpoint-badge."""

from __future__ import annotations

import json

from evalkit.fmt import ratio
from evalkit.report.document.model import Report
from evalkit.text import json_safe

_COLOURS = {"go": "brightgreen", "no-go": "red", "inconclusive": "yellow"}


def render(doc: Report) -> str:
    """The verdict, the recommended mode and its speed-up; a simulated or interrupted run says so."""
    words, colour = [doc["verdict"].upper()], _COLOURS[doc["verdict"]]
    mode = doc["recommended_mode"]
    if mode:
        words.append(mode)
        words += [
            ratio(row["speedup"]["ratio"])
            for row in doc["modes"]
            if row["mode"] == mode and row["speedup"] and row["speedup"].get("ratio")
        ]
    if doc.get("interrupted"):
        words, colour = ["INTERRUPTED"], "lightgrey"
    if doc["simulated"]:
        words, colour = ["SIMULATED ·", *words], "lightgrey"
    badge = {"schemaVersion": 1, "label": "evalkit", "message": " ".join(words), "color": colour}
    return json_safe(json.dumps(badge, ensure_ascii=False)) + "\n"
