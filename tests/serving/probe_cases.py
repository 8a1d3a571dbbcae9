"""What the tests of probe and probe_hostile share."""

from __future__ import annotations

import asyncio

from evalkit.checklist.schema import Endpoint
from evalkit.client import open_client
from evalkit.limits import CONTROL, GENERATION
from evalkit.serving.probe import probe
from tests.serving.replay import serving


def probed(routes, *, observe=True, limits=CONTROL, generation=GENERATION, **endpoint):
    async def main():
        async with serving(routes) as server:
            client = open_client([server.url])
            try:
                facts = await probe(
                    "m",
                    Endpoint(endpoint=server.url, **endpoint),
                    client=client,
                    observe=observe,
                    limits=limits,
                    generation=generation,
                )
            finally:
                await client.aclose()
            return facts, server

    return asyncio.run(main())
