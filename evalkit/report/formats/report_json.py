"""report.json: the document itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from evalkit.report.document.model import Report
from evalkit.report.document.model.modes import Mode
from evalkit.text import json_safe


def render(doc: Report) -> str:
    """UTF-8, two spaces, keys in the document's order, no NaN."""
    shown = {**doc, "modes": [_with_loads(mode) for mode in doc["modes"]]}
    return json_safe(json.dumps(shown, indent=2, ensure_ascii=False, allow_nan=False)) + "\n"


def _with_loads(mode: Mode) -> Mapping[str, Any]:
    """The mode, with its open loads among its levels too: a reader of levels finds all that was timed in one list."""
    opened = [
        {
            "concurrency": None,
            "load": one["load"],
            "requests": one["requests"],
            "failed": one["failed"],
            "speedup": one["speedup"]
            and {"method": "paired blocks", "pairs": one["speedup"]["blocks"], **one["speedup"]},
            "ttft_ms": one["ttft_ms"],
            "e2e_ms": one["e2e_ms"],
            "output_tokens_per_second": {"request": None, "system": one["output_tokens_per_second"]},
            "tokens_per_chunk": {},
            "tokens_per_forward": None,
            "tokens_per_forward_reason": "not read under open load",
        }
        for one in mode.get("loads") or ()
    ]
    return {**mode, "levels": [*mode["levels"], *opened]} if opened else mode
