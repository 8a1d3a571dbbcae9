"""The routes of the reference server. Importing this loads starlette; `evalkit.reference` does not import it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from hmac import compare_digest
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route as Path
from starlette.types import ASGIApp, Receive, Scope, Send

from evalkit.reference.describe import loads, model_card, model_info, server_info
from evalkit.reference.emissions import Emission
from evalkit.reference.exchange import Exchange
from evalkit.reference.metrics import metrics_text
from evalkit.reference.refusals import Refused, Route
from evalkit.reference.script import Script
from evalkit.reference.state import State

Endpoint = Callable[[Request], Awaitable[Any]]

_FLUSHED = (
    "Cache flushed.\nPlease check backend logs for more details. "
    "(When there are running or waiting requests, the operation will not be performed.)\n"
)
_BUSY = "Flush cache failed: there are running or waiting requests.\n"


def build_app(state: State) -> Starlette:
    """The ASGI application of one server."""
    routes = [*_describing(state), *_generating(state), *_operating(state)]
    shown = [route for route in routes if route.path not in state.script.hide]
    return Starlette(
        routes=shown,
        middleware=[Middleware(_Guard, state=state)],
        exception_handlers={HTTPException: _detail},
    )


def _describing(state: State) -> list[Path]:
    def body(build: Callable[[State], dict[str, Any]]) -> Endpoint:
        async def endpoint(_: Request) -> Response:
            return JSONResponse(build(state))

        return endpoint

    async def models(_: Request) -> Response:
        return JSONResponse({"object": "list", "data": [model_card(state)]})

    async def one_model(request: Request) -> Response:
        name = request.path_params["model"]
        if name == state.script.model:
            return JSONResponse(model_card(state))
        error = {
            "message": f"The model '{name}' does not exist",
            "type": "invalid_request_error",
            "param": "model",
            "code": "model_not_found",
        }
        return JSONResponse({"error": error}, 404)

    return [
        Path("/v1/models", models),
        Path("/v1/models/{model:path}", one_model),
        Path("/model_info", body(model_info)),
        Path("/get_model_info", body(model_info)),
        Path("/server_info", body(server_info)),
        Path("/get_server_info", body(server_info)),
        Path("/v1/loads", body(loads)),
    ]


def _generating(state: State) -> list[Path]:
    def serve(route: Route) -> Endpoint:
        async def endpoint(request: Request) -> Any:
            raw = await request.body()
            received = time.monotonic_ns()
            if state.sheds:
                return JSONResponse({"error": {"message": "too many requests are waiting", "code": 503}}, 503)
            try:
                job = state.desk.accept(route, raw)
            except Refused as refused:
                return JSONResponse(refused.body, refused.status)
            work = state.plan(job)
            name = request.headers.get("x-request-id") or work.ident
            record = Emission(name, request.url.path, received)
            record.prompt_tokens, record.cached_tokens = job.prompt_tokens, sum(work.cached)
            return Exchange(state, work, record)

        return endpoint

    return [
        Path("/v1/chat/completions", serve("chat"), methods=["POST"]),
        Path("/v1/completions", serve("completions"), methods=["POST"]),
        Path("/generate", serve("generate"), methods=["POST", "PUT"]),
    ]


def _operating(state: State) -> list[Path]:
    async def alive(_: Request) -> Response:
        return Response()

    async def root(_: Request) -> Response:
        return PlainTextResponse("SGLang is running")

    async def metrics(_: Request) -> Response:
        return PlainTextResponse(metrics_text(state), media_type="text/plain; version=0.0.4")

    async def flush(_: Request) -> Response:
        if state.slots.running:
            return PlainTextResponse(_BUSY, 400)
        state.cache.clear()
        state.answered.clear()
        return PlainTextResponse(_FLUSHED)

    async def emissions(_: Request) -> Response:
        return JSONResponse([asdict(record) for record in state.log.records()])

    async def clear(_: Request) -> Response:
        state.log.clear()
        return Response(status_code=204)

    paths = [Path(path, alive) for path in ("/health", "/health_generate", "/ready", "/ping")]
    paths += [
        Path("/", root),
        Path("/flush_cache", flush, methods=["GET", "POST"]),
        Path("/_reference/emissions", emissions),
        Path("/_reference/emissions", clear, methods=["DELETE"]),
    ]
    return [*paths, Path("/metrics", metrics)] if state.script.enable_metrics else paths


class _Guard:
    """Turns away requests without the key that their route needs, before the body is read."""

    def __init__(self, app: ASGIApp, state: State) -> None:
        self._app, self._script = app, state.script

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            header = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
            if not allowed(self._script, scope["method"], scope["path"], header):
                await JSONResponse({"error": "Unauthorized"}, 401)(scope, receive, send)
                return
        await self._app(scope, receive, send)


async def _detail(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"detail": error.detail}, error.status_code, headers=dict(error.headers or {}))


_OPEN = ("/health", "/metrics", "/ready", "/_reference")
_ADMIN_OPTIONAL = ("/flush_cache",)


def allowed(script: Script, method: str, path: str, authorization: str) -> bool:
    """Whether a request may pass. The admin key, where set, is the only one for admin routes and opens no others."""
    if method == "OPTIONS" or path.startswith(_OPEN):
        return True
    wanted = script.api_key
    if path in _ADMIN_OPTIONAL:
        wanted = script.admin_key or script.api_key
    if wanted is None:
        return True
    scheme, _, given = authorization.partition(" ")
    return scheme.lower() == "bearer" and compare_digest(given.strip().encode(), wanted.encode())
