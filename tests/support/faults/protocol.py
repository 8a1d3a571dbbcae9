"""What a healthy server answers, as pieces of bytes with their times, so that a fault can take them apart."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field, replace
from typing import Any

from evalkit.reference.answers import Answers
from evalkit.reference.app import allowed
from evalkit.reference.bodies import body_of
from evalkit.reference.describe import loads, model_card, model_info, server_info
from evalkit.reference.emissions import Emission
from evalkit.reference.exchange import merged
from evalkit.reference.frames import DONE, frames_of, late_error_events
from evalkit.reference.metrics import metrics_text
from evalkit.reference.refusals import Refused
from evalkit.reference.script import Script
from evalkit.reference.state import State
from evalkit.reference.usage import Work

JSON = "application/json"
STREAM = "text/event-stream; charset=utf-8"
_REASONS = {200: "OK", 302: "Found", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found",
            429: "Too Many Requests", 503: "Service Unavailable"}  # fmt: skip


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def generates(self) -> bool:
        return self.path == "/v1/chat/completions"


@dataclass(frozen=True)
class Answer:
    """`pieces` are (ms after the piece before, bytes); a stream is chunked, anything else has a Content-Length."""

    status: int = 200
    kind: str = JSON
    pieces: tuple[tuple[float, bytes], ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    stream: bool = False

    @property
    def body(self) -> bytes:
        return b"".join(data for _, data in self.pieces)

    def with_body(self, body: bytes, *, kind: str | None = None, status: int | None = None) -> Answer:
        """The same answer with another body, in one piece and with a length."""
        return replace(self, pieces=((0.0, body),), kind=kind or self.kind, status=status or self.status, stream=False)

    def head(self) -> bytes:
        lines = [f"HTTP/1.1 {self.status} {_REASONS.get(self.status, 'Status')}", f"content-type: {self.kind}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines.append("transfer-encoding: chunked" if self.stream else f"content-length: {len(self.body)}")
        return ("\r\n".join([*lines, "", ""])).encode("latin-1")


def json_answer(value: Any, status: int = 200, **headers: str) -> Answer:
    return Answer(status, JSON, ((0.0, json.dumps(value).encode()),), headers)


def text_answer(text: str, status: int = 200) -> Answer:
    return Answer(status, "text/plain; charset=utf-8", ((0.0, text.encode()),))


class Healthy:
    """The answers of one reference server, computed without a clock: `script` may be swapped while it serves."""

    def __init__(self, script: Script, answers: Answers | None = None) -> None:
        self._answers = answers
        self.state = State(script, answers)

    @property
    def script(self) -> Script:
        return self.state.script

    def restart(self, script: Script | None = None) -> None:
        """What a new process knows: nothing."""
        self.state = State(script or self.script, self._answers)

    def answer(self, request: Request) -> Answer:
        if not allowed(self.script, request.method, request.path, request.headers.get("authorization", "")):
            return json_answer({"error": "Unauthorized"}, 401)
        if request.generates:
            return self._chat(request)
        return self._about(request.path)

    def _about(self, path: str) -> Answer:
        state = self.state
        if path in self.script.hide:
            return json_answer({"detail": "Not Found"}, 404)
        if path == "/v1/models":
            return json_answer({"object": "list", "data": [model_card(state)]})
        if path in ("/metrics", "/flush_cache", "/health", "/ready"):
            if path == "/flush_cache":
                state.cache.clear()
            return text_answer(metrics_text(state) if path == "/metrics" else "ok\n")
        pages = {"/server_info": server_info, "/model_info": model_info, "/v1/loads": loads}
        if path in pages:
            return json_answer(pages[path](state))
        return json_answer({"detail": "Not Found"}, 404)

    def _chat(self, request: Request) -> Answer:
        try:
            job = self.state.desk.accept("chat", request.body)
        except Refused as refused:
            return json_answer(refused.body, refused.status)
        work = self.state.plan(job)
        if job.late_error:
            return Answer(kind=STREAM, pieces=((5.0, late_error_events(work, job.late_error)),), stream=True)
        pieces = tuple(self._events(work)) if job.stream else self._whole(work)
        now = time.monotonic_ns()
        self.state.count(work, Emission("", request.path, now, completion_tokens=work.completion_tokens, done_ns=now,
                                        prompt_tokens=job.prompt_tokens))  # fmt: skip
        return Answer(kind=STREAM if job.stream else JSON, pieces=pieces, stream=job.stream)

    @staticmethod
    def _whole(work: Work) -> tuple[tuple[float, bytes], ...]:
        due = sum(item.after_ms for item in merged(work, rounds=False))
        return ((due, json.dumps(body_of(work)).encode()),)

    @staticmethod
    def _events(work: Work) -> list[tuple[float, bytes]]:
        frames = frames_of(work)
        pieces: list[tuple[float, bytes]] = []
        opened = False
        for item in merged(work, rounds=frames.rounds):
            data = b"" if opened else frames.opening(item.choice)
            opened = True
            data += b"".join(frames.step(item.choice, item.start, item.tick.tokens))
            if item.tick.tokens >= work.generations[item.choice].total:
                data += frames.finish(item.choice)
            pieces.append((item.after_ms, data))
        pieces.append((0.0, frames.closing() + DONE))
        return pieces
