"""A loopback server that answers from a table of routes: recorded exchanges, or whatever a test scripts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

CAPTURES = Path(__file__).parent.parent / "fixtures" / "captures" / "serving"
Route = tuple[int, str, bytes] | Callable[[asyncio.StreamWriter], Awaitable[None]]


def recorded(name: str) -> dict[str, Route]:
    table = json.loads((CAPTURES / f"{name}.json").read_text(encoding="utf-8"))
    return {path: (e["status"], e["type"], e["body"].encode()) for path, e in table.items()}


def info(routes: dict[str, Route], **changes: object) -> dict[str, Route]:
    """`routes` with fields of /server_info changed."""
    status, kind, body = routes["/server_info"]
    return {**routes, "/server_info": (status, kind, json.dumps({**json.loads(body), **changes}).encode())}


class Server:
    def __init__(self, routes: dict[str, Route]) -> None:
        self.routes = routes
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.url = ""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                method, path, _ = line.decode("latin-1").split()
                headers = {}
                while (raw := await reader.readline()) not in (b"\r\n", b"", b"\n"):
                    name, _, value = raw.decode("latin-1").partition(":")
                    headers[name.strip().lower()] = value.strip()
                await reader.readexactly(int(headers.get("content-length", 0)))
                self.seen.append((method, path, headers))
                bare = path.partition("?")[0]
                route = self.routes.get(f"{method} {bare}") or (self.routes.get(bare) if method == "GET" else None)
                route = route or self.routes.get("404") or (404, "application/json", b'{"detail":"Not Found"}')
                if callable(route):
                    await route(writer)
                    return
                status, kind, body = route
                writer.write(
                    f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n".encode()
                    + body
                )
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, ValueError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(routes: dict[str, Route]):
    server = Server(routes)
    listener = await asyncio.start_server(server._serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()
