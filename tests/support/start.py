"""When the runs of tests were decided, and how they began."""

from __future__ import annotations

from datetime import UTC, datetime

from evalkit.facts import RunStart

NOW = datetime(2026, 11, 24, tzinfo=UTC)
START = RunStart(run_id="r", started_at=NOW.isoformat(), evalkit_version="0", plan_sha256="p", checklist_sha256="c")
