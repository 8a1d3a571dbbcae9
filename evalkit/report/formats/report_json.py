"""report.json: the document itself."""

from __future__ import annotations

import json
from collections.abc import Mapping

from evalkit.report.document.model import Report
from evalkit.text import json_safe


def render(doc: Report, *, charts: Mapping[str, str] | None = None) -> str:
    """UTF-8, two spaces, keys in the document's order, no NaN."""
    del charts
    return json_safe(json.dumps(doc, indent=2, ensure_ascii=False, allow_nan=False)) + "\n"
