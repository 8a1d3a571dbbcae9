"""Fuzz targets of what is stored and shown: a reply's text through journal and report, and a stranger's packed run."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

from evalkit.checklist.schema import Checklist
from evalkit.client.types import Exchange, ExchangeError
from evalkit.errors import EvalkitError
from evalkit.facts import CollectError, Facts, RunStart
from evalkit.report.document.build import build
from evalkit.report.formats import github, junit, markdown, terminal
from evalkit.stored.again import document_of
from evalkit.stored.fold import fold
from evalkit.stored.journal import Journal, read
from evalkit.stored.pack import digest
from evalkit.timing.facts import TimedSample
from evalkit.verdict.decide import decide

_FOLDER = tempfile.TemporaryDirectory(prefix="evalkit-fuzz-")
_NOW = datetime(2026, 1, 1, tzinfo=UTC)
#: what no report holds: characters that a terminal or a reader obeys, and lines that a CI runner does
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_COMMAND = re.compile(r"^\s*(?:::[a-z-]+|##\[)", re.MULTILINE | re.IGNORECASE)
_START = RunStart(
    run_id="r", started_at="2026-01-01T00:00:00+00:00", evalkit_version="1", plan_sha256="p", checklist_sha256="c"
)
_CHECKLIST = Checklist.model_validate(
    {"modes": {"ar": {"endpoint": "http://127.0.0.1:1"}, "diffusion": {"endpoint": "http://127.0.0.1:2"}}}
)


def reply(data: bytes) -> None:
    """What a server says, as the text of a reply and of an error: kept, read again, decided and shown."""
    text = data.decode("utf-8", "replace")
    good = Exchange(ok=True, text=text, finish_reason="stop")
    bad = Exchange(ok=False, error=ExchangeError(kind="http", message=text, status=500))
    path = Path(_FOLDER.name) / "journal.jsonl"
    path.unlink(missing_ok=True)
    writer = Journal(path)
    try:
        writer.append("start", _START)
        for place, exchange in enumerate((good, bad)):
            sample = TimedSample(
                mode="diffusion", concurrency=1, prompt_id=f"p{place}", repeat=0, position=place, exchange=exchange
            )
            writer.append("timed", sample)
        writer.append("error", CollectError(item="serving", mode="diffusion", summary=text, remedy=text))
    finally:
        writer.close()
    facts = fold(read(path), where=str(path))
    kept = facts.timed[0].exchange.text
    assert kept == text or "***" in kept
    _shown(facts, _CHECKLIST)


def _shown(facts: Facts, checklist: Checklist) -> None:
    document: dict[str, Any] = build(checklist, facts, decide(checklist, facts, _NOW))
    for name, said in (
        ("terminal", terminal.render(document)),
        ("markdown", markdown.render(document)),
        ("github", github.render(document)),
        ("junit", junit.render(document)),
    ):
        found = _OBEYED.search(said)
        assert not found, f"{name} holds {found.group()!r}"
        # what a command prints is calmed on its way out, JUnit too; these two are also read from files
        assert name == "junit" or not _COMMAND.search(said), f"{name} holds a line that a CI runner obeys"
    json.dumps(document, allow_nan=False)


def pack(data: bytes) -> None:
    """A packed run of a stranger: as bytes, as what is inside its compression, and with a hash that is right."""
    path = Path(_FOLDER.name) / "run.pack"
    inner = gzip.compress(data, 1)
    for content in (data, inner, _signed(data)):
        path.write_bytes(content)
        try:
            with patch("evalkit.report.words.charts.draw", lambda _: {}):
                json.dumps(document_of(path), allow_nan=False)
        except EvalkitError as error:
            str(error)


def _signed(data: bytes) -> bytes:
    if b"\n" in data:  # lines: the last is the hash of those before
        kept = data[: data.rindex(b"\n", 0, -1) + 1] if data.count(b"\n") > 1 else data
        return gzip.compress(kept + b'{"sha256":"%s"}\n' % hashlib.sha256(kept).hexdigest().encode(), 1)
    try:
        document = json.loads(data)
        return gzip.compress(json.dumps({**document, "sha256": digest(document)}).encode(), 1)
    except (ValueError, TypeError, RecursionError):
        return data
