"""What is on this machine that a first checklist can name: servers on loopback, and GPUs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import urlsplit

from evalkit.scaffold.engines import Installed
from evalkit.serving.engines import ENGINES
from evalkit.serving.facts import EndpointFacts

#: where the engines listen by default, and the next ports for further modes
PORTS = tuple(port for engine in ENGINES.values() for port in engine.ports)
#: seconds for a connection on loopback, and for what a server says of itself
_KNOCK_S, _ASK_S = 0.3, 3.0


class Found(NamedTuple):
    """`servers` answer as OpenAI-style servers, or ask for a key; `gpus` are names with memory."""

    servers: tuple[EndpointFacts, ...] = ()
    gpus: tuple[str, ...] = ()
    no_gpu: str | None = None
    engines: tuple[Installed, ...] = ()


async def find_servers(urls: Sequence[str] = (), ports: Sequence[int] = PORTS) -> tuple[EndpointFacts, ...]:
    """Servers at `urls`, and those that answer on `ports` of this machine. No prompt is sent.

    Raises:
        UsageError: a URL is malformed.
    """
    from evalkit.serving.control import base_url

    given = list(dict.fromkeys(base_url(url) for url in urls))
    local = [f"http://127.0.0.1:{port}" for port in ports]
    open_ones = await asyncio.gather(*(_listens(url) for url in local))
    asked = [*given, *(url for url, listens in zip(local, open_ones, strict=True) if listens and url not in given)]
    found = await asyncio.gather(*(_ask(url) for url in asked))
    return tuple(facts for facts in found if asks_for_a_key(facts) or (facts.reachable and facts.served_models))


def asks_for_a_key(facts: EndpointFacts) -> bool:
    """Whether the server answers nobody without a key."""
    return facts.error_kind == "auth"


async def _listens(url: str) -> bool:
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(_KNOCK_S):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True


async def _ask(url: str) -> EndpointFacts:
    from evalkit.checklist.schema import endpoint_at
    from evalkit.limits import ControlLimits
    from evalkit.serving.probe import probe

    limits = ControlLimits(connect_s=_ASK_S, idle_s=_ASK_S, total_s=_ASK_S)
    return await probe(url, endpoint_at(url), client=None, observe=False, limits=limits)


def find_gpus() -> tuple[tuple[str, ...], str | None]:
    """Names of the GPUs here, with memory; or none, and why."""
    from evalkit.gpu.nvml import collect

    facts = collect(declared=None, endpoints={}, local=True)
    names = tuple(
        f"{gpu.name} ({gpu.memory_total_bytes / 2**30:.0f} GiB)" if gpu.memory_total_bytes else gpu.name
        for gpu in facts.gpus
    )
    return names, None if names else facts.nvml_error
