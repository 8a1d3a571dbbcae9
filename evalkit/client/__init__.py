"""HTTP for generations: `open_client` picks the transport, `run` the event loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from evalkit.client.loop import run

if TYPE_CHECKING:  # the emitter, a process of its own in each run, needs the loop alone
    from evalkit.client.types import ChatClient

__all__ = ["open_client", "run"]


def open_client(target_urls: Sequence[str] = ()) -> ChatClient:
    """A client for these endpoints: the wire client, or httpx2 when one of them is reached by a proxy.

    One transport serves all endpoints of a run, so that no mode is timed by a worse client than another.

    Raises:
        UsageError: the environment names a proxy for one of them that cannot be honoured.
    """
    from evalkit.client.proxies import proxy_for

    if any(proxy_for(url) for url in target_urls):
        from evalkit.client.fallback import ProxyClient

        return ProxyClient()
    from evalkit.client.wire import WireClient

    return WireClient()
