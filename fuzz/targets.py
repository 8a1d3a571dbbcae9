"""What is fuzzed: each target takes any bytes as a server, a card's author, a user's file or a damaged disk may send
them. It returns nothing and raises only what is a bug; atheris, hypothesis and the corpus drive the same functions.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from pydantic import ValidationError

from evalkit.checklist.errors import input_error
from evalkit.checklist.files import decode
from evalkit.checklist.schema import Checklist, Endpoint, Request
from evalkit.checklist.yaml import MAX_BYTES, parse_yaml
from evalkit.client import sse
from evalkit.client.recording import Recording, to_exchange
from evalkit.client.types import Exchange
from evalkit.client.wire import Connection
from evalkit.errors import InputFileError, RunFolderError, UsageError
from evalkit.facts import RunStart
from evalkit.hub.card import read_card
from evalkit.importers.base import Options, Reading
from evalkit.importers.convert import Source
from evalkit.importers.registry import KINDS, find
from evalkit.limits import GENERATION
from evalkit.quality.suite import load_suite
from evalkit.serving import place, probe
from evalkit.serving.control import Reply
from evalkit.serving.engines import ask
from evalkit.stored.fold import fold
from evalkit.stored.journal import Journal, encode, read
from evalkit.timing.facts import TimedSample
from fuzz import stored

Target = Callable[[bytes], None]
_LOOP = asyncio.new_event_loop()
#: one place for files, removed with the process
_FOLDER = tempfile.TemporaryDirectory(prefix="evalkit-fuzz-")


def events(data: bytes) -> None:
    """Server-sent events: in order, inside the buffer, and the same however the bytes arrived."""
    ends = [0]
    for event in sse.iter_events(data):
        assert ends[-1] < event.end <= len(data)
        ends.append(event.end)
    sse.ends_with_done(data)
    recording = Recording(GENERATION, streaming=True, transport="wire")
    for place_, byte in enumerate(data[:512]):
        recording.add(bytes([byte]), place_)
    assert bytes(recording.body) == data[:512]


def http(data: bytes) -> None:
    """A whole HTTP reply, in pieces as large as the first byte says: an exchange that the journal can hold."""
    size, body = (data[0] % 64) + 1 if data else 1, data[1:]
    exchange = _LOOP.run_until_complete(_answered(body, size))
    assert exchange.ok == (exchange.error is None)
    sample = TimedSample(mode="diffusion", concurrency=1, prompt_id="p", repeat=0, position=0, exchange=exchange)
    kept = TimedSample.model_validate(json.loads(encode(sample)))
    assert kept.exchange.text == exchange.text or "***" in kept.exchange.text


async def _answered(body: bytes, size: int) -> Exchange:
    connection, recording = Connection(), Recording(GENERATION, streaming=True, transport="wire")
    connection.connection_made(_Transport(connection))
    asking = asyncio.ensure_future(connection.exchange(b"GET / HTTP/1.1\r\n\r\n", recording))
    await asyncio.sleep(0)
    for start in range(0, len(body), size):
        if asking.done() or connection.closed:
            break
        connection.data_received(body[start : start + size])
        await asyncio.sleep(0)
    if not connection.closed:
        connection.connection_lost(None)
    await asking
    return await to_exchange(recording, asyncio.Lock())


class _Transport(asyncio.Transport):
    """Takes what is written and closes when told to."""

    def __init__(self, protocol: Connection) -> None:
        super().__init__()
        self._protocol, self._closing = protocol, False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        pass

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return self._closing

    def abort(self) -> None:
        if not self._closing:
            self._closing = True
            self._protocol.connection_lost(None)


def card(data: bytes) -> None:
    """A model card with its front matter."""
    found = read_card(data.decode("utf-8", "replace"))
    json.dumps(found, default=str, allow_nan=False)


def checklist(data: bytes) -> None:
    """A checklist, or any other YAML that a user may hand in."""
    path = Path("checklist.yaml")
    try:
        document = parse_yaml(decode(data[:MAX_BYTES], path), path)
    except InputFileError:
        return
    assert all(line >= 1 for line in document.lines.values())
    if not isinstance(document.data, dict):
        return
    try:
        Checklist.model_validate(document.data)
    except ValidationError as error:
        str(input_error(error, path, document.lines, schema=Checklist))


def suite(data: bytes) -> None:
    """A task suite."""
    path = Path(_FOLDER.name) / "suite.yaml"
    path.write_bytes(data)
    try:
        load_suite(path, Request())
    except InputFileError as error:
        str(error)


_SUFFIXES = (".json", ".jsonl", ".csv", ".yaml")


def importers(data: bytes) -> None:
    """A file of another tool, of a kind that is found or asked for: lines that a run takes, or an error."""
    choice, body = (data[0], data[1:]) if data else (0, b"")
    path = Path(_FOLDER.name) / f"import{_SUFFIXES[choice % len(_SUFFIXES)]}"
    path.write_bytes(body)
    for kind in (None, KINDS[choice % len(KINDS)]):
        for skip in (False, True):
            try:
                importer = find(path, kind)
                source = Source(path, importer, Reading(path, Options(skip_bad=skip)))
                for line in source.lines():
                    json.loads(line.text)
                source.tally.text()
            except UsageError as error:
                str(error)


class _Control:
    """A server whose routes answer as one JSON document says: {"/server_info": …, "/metrics": "…"}."""

    api = "/v1"
    round_trip_ms: float | None = None
    base = "http://192.0.2.1"

    def __init__(self, pages: dict[str, Any]) -> None:
        self._pages = pages

    async def get_json(self, path: str) -> Reply:
        return Reply(status=200, json=self._pages.get(path))

    async def get_text(self, path: str) -> Reply:
        return Reply(status=200, text=str(self._pages.get(path, "")))

    def url(self, path: str) -> str:
        return f"{self.base}{path}"


def server_info(data: bytes) -> None:
    """What a server says of itself, read as its probe does; the fact must fit the journal."""
    try:
        pages = json.loads(data)
    except (ValueError, RecursionError):
        return
    facts = _LOOP.run_until_complete(_described(pages if isinstance(pages, dict) else {"/server_info": pages}))
    encode(facts)


async def _described(pages: dict[str, Any]) -> Any:
    control: Any = _Control(pages)
    answers = await ask(control)
    endpoint = Endpoint(endpoint=_Control.base)
    with patch.object(place, "find", _nowhere):  # no process of this machine is looked at
        return await probe._describe("diffusion", endpoint, control, answers, "2026-01-01T00:00:00+00:00")  # noqa: SLF001  the part behind the routes


async def _nowhere(_: str) -> place.Place:
    return place.Place("unknown", "not looked at")


def journal(data: bytes) -> None:
    """A journal after a crash, a full disk or an editor: read up to the damage, or refused; one that can be read can be
    written on, and then reads whole.
    """
    path = Path(_FOLDER.name) / "journal.jsonl"
    path.unlink(missing_ok=True)
    path.write_bytes(data)
    try:
        before = list(read(path))
        fold(before, where=str(path))
    except RunFolderError:
        pass
    try:
        writer = Journal(path)
    except RunFolderError:
        return
    start = RunStart(run_id="r", started_at="t", evalkit_version="1", plan_sha256="p", checklist_sha256="c")
    try:
        writer.append("start", start)
    finally:
        writer.close()
    after = list(read(path))
    assert after[-1].kind == "start"
    assert after[-1].n == len(after) - 1


TARGETS: dict[str, Target] = {
    "events": events,
    "http": http,
    "card": card,
    "checklist": checklist,
    "suite": suite,
    "importers": importers,
    "server_info": server_info,
    "journal": journal,
    "reply": stored.reply,
    "pack": stored.pack,
}


def corpus(name: str) -> list[Path]:
    """The seeds of a target."""
    return sorted((Path(__file__).parent / "corpus" / name).iterdir())


def without_fsync() -> None:
    """Durability is not what is fuzzed, and it is slow."""
    os.fsync = lambda _: None  # type: ignore[assignment]
