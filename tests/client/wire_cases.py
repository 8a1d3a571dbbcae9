"""What the tests of wire and wire_ends share."""

from __future__ import annotations

from evalkit.client import run
from evalkit.client.fallback import ProxyClient
from evalkit.client.wire import WireClient
from tests.client.rawserver import ASK, serving, target

CLIENTS = [WireClient, ProxyClient]


def ask(script, *, client=WireClient, request=ASK, **kw):
    async def main():
        async with serving(script) as server:
            chat = client()
            try:
                return await chat.chat(target(server.url, **kw), request), server
            finally:
                await chat.aclose()

    return run(main())
