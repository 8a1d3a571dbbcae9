"""The HTTP side: OpenAI's chat route, and the pages by which evalkit knows the server."""

from __future__ import annotations

import asyncio
import hmac
import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from evalkit.serve.engine import Engine, Piece, Reply
from evalkit.serve.requests import MAX_BODY, Ask, RefusedError, read
from evalkit.serving.engines.own_code import CALLS, LABEL, NAME

_KINDS = {400: "invalid_request_error", 401: "authentication_error", 404: "invalid_request_error"}


@dataclass(frozen=True)
class About:
    """What the server says of itself. `model`: as it was named; `name`: as it is served; `code`: hash of its code."""

    model: str
    name: str
    commit: str | None
    code: str
    dtype: str
    started: int


def build_app(engine: Engine, about: About, key: str | None = None) -> Starlette:
    """The ASGI application of one model in one mode."""
    server = _Server(engine, about, key)
    routes = [
        Route("/health", server.health),
        Route("/ready", server.health),
        Route("/v1/models", server.models),
        Route("/v1/models/{name:path}", server.models),
        Route("/server_info", server.info),
        Route("/model_info", server.model_info),
        Route("/v1/chat/completions", server.chat, methods=["POST"]),
    ]
    return Starlette(routes=routes)


def _error(error: RefusedError) -> Response:
    kind = _KINDS.get(error.status, "server_error" if error.status >= 500 else "invalid_request_error")
    body = {"error": {"message": str(error), "type": kind, "param": error.param, "code": error.status}}
    headers = {"Retry-After": "1"} if error.status == 503 else {}
    return JSONResponse(body, error.status, headers=headers)


class _Server:
    def __init__(self, engine: Engine, about: About, key: str | None) -> None:
        self.engine, self.about, self._key = engine, about, key

    def _locked(self, request: Request) -> Response | None:
        given = request.headers.get("authorization") or ""
        if self._key is None or hmac.compare_digest(given.encode(), f"Bearer {self._key}".encode()):
            return None
        return _error(RefusedError(401, "a key is needed"))

    async def health(self, _: Request) -> Response:
        return Response(status_code=200 if self.engine.well else 503)

    async def models(self, request: Request) -> Response:
        about = self.about
        asked = request.path_params.get("name")
        if locked := self._locked(request):
            return locked
        if asked not in (None, about.name):
            return _error(RefusedError(404, "this model is not served here", "model"))
        card = {
            "id": about.name, "object": "model", "created": about.started, "owned_by": NAME, "root": about.model,
            "parent": None, "max_model_len": self.engine.limits.context,
        }  # fmt: skip
        return JSONResponse(card if asked else {"object": "list", "data": [card]})

    async def model_info(self, request: Request) -> Response:
        config = self.engine.loaded.config
        body = {
            "model_path": self.about.model, "served_model_name": self.about.name,
            "model_type": config.get("model_type"), "architectures": config.get("architectures") or [],
            "has_image_understanding": self.engine.loaded.images,
        }  # fmt: skip
        return self._locked(request) or JSONResponse(body)

    async def info(self, request: Request) -> Response:
        engine, options, about, counts = self.engine, self.engine.options, self.about, self.engine.counts
        blocks = options.mode != "autoregressive"
        body = {
            "engine": NAME, "label": LABEL, "timing_reference": False, "version": engine.loaded.versions,
            "model_path": about.model, "served_model_name": about.name, "revision": about.commit,
            "remote_code_sha256": about.code, "decoding_mode": options.mode, "call": CALLS[options.mode],
            "block_size": options.block_length if blocks else None, "threshold": options.confidence if blocks else None,
            "adapter": options.lora, "dtype": about.dtype, "quantization": None, "startup_time": about.started,
            "context_length": engine.limits.context, "max_tokens": engine.limits.tokens, "max_running_requests": 1,
            "max_queued_requests": engine.limits.waiting, "tool_call_parser": None, "images": engine.loaded.images,
            "requests": counts.requests, "tokens": counts.tokens, "forward_passes": counts.passes,
            "requests_left": counts.left, "requests_refused": counts.refused, "requests_failed": counts.failed,
            "forward_passes_unlike_watched": counts.unlike,
        }  # fmt: skip
        return self._locked(request) or JSONResponse(body)

    async def chat(self, request: Request) -> Any:
        if locked := self._locked(request):
            return locked
        try:
            raw = await _body(request)
            ask = read(raw, names=(self.about.name, self.about.model), images=self.engine.loaded.images)
        except RefusedError as error:
            return _error(error)
        return _Exchange(self, ask)


async def _body(request: Request) -> bytes:
    said = request.headers.get("content-length", "0")
    if not said.isdigit() or int(said) > MAX_BODY:
        raise RefusedError(413, f"a request may have {MAX_BODY >> 20} MiB")
    raw = bytearray()
    try:
        async for part in request.stream():
            raw += part
            if len(raw) > MAX_BODY:
                raise RefusedError(413, f"a request may have {MAX_BODY >> 20} MiB")
    except ClientDisconnect:
        raise RefusedError(400, "the client left before its request was whole") from None
    return bytes(raw)


class _Exchange:
    """One reply. Ends the work on it as soon as the client has left."""

    def __init__(self, server: _Server, ask: Ask) -> None:
        self._server, self._ask = server, ask
        self._head = {
            "id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": server.about.name,
        }  # fmt: skip

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        replying = asyncio.ensure_future(self._reply(scope, receive, send))
        leaving = asyncio.ensure_future(_left(receive))
        try:
            await asyncio.wait({replying, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            if not replying.done():
                replying.cancel()
            await asyncio.gather(replying, leaving, return_exceptions=True)
        if not replying.cancelled() and (error := replying.exception()) is not None and not leaving.done():
            raise error

    async def _reply(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._server.engine.answer(self._ask)) as parts:
            try:
                first = await anext(parts)
                if not self._ask.stream:
                    response = await self._whole(first, parts)
                else:
                    await self._stream(first, parts, send)
                    return
            except RefusedError as error:
                response = _error(error)
        await response(scope, receive, send)

    async def _whole(self, first: Piece | Reply, parts: AsyncIterator[Piece | Reply]) -> Response:
        done = first
        async for one in parts:
            done = one
        assert isinstance(done, Reply)
        choice = {
            "index": 0, "message": {"role": "assistant", "content": done.text}, "finish_reason": done.reason,
        }  # fmt: skip
        body = {**self._head, "object": "chat.completion", "choices": [choice], "usage": done.usage}
        return JSONResponse(body)

    async def _stream(self, first: Piece | Reply, parts: AsyncIterator[Piece | Reply], send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})

        async def event(body: dict[str, Any]) -> None:
            text = json.dumps(body, ensure_ascii=False)
            await send({"type": "http.response.body", "body": f"data: {text}\n\n".encode(), "more_body": True})

        done, role = first, {"role": "assistant"}
        try:
            while isinstance(done, Piece):
                await event(self._chunk({**role, "content": done.text}, None, done.tokens))
                role, done = {}, await anext(parts)
        except RefusedError as error:
            await event({"error": {"message": str(error), "type": "server_error", "code": error.status}})
        else:
            await event(self._chunk(dict(role), done.reason, done.tokens))
            if self._ask.usage:
                await event({**self._head, "object": "chat.completion.chunk", "choices": [], "usage": done.usage})
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n", "more_body": False})

    def _chunk(self, delta: dict[str, str], reason: str | None, tokens: int) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        chunk = {**self._head, "object": "chat.completion.chunk", "choices": [choice]}
        return {**chunk, "usage": {"completion_tokens": tokens}} if self._ask.usage_always else chunk


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
