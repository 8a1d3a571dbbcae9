"""SGLang's own `/generate` stream: the output tokens so far on every event, also where no text was committed.

For looking at how a server decodes, never for timing. Protocol as read in sglang 0.5.6 to 0.5.23.
"""

from __future__ import annotations

import asyncio
from typing import Any

from evalkit.client import sse
from evalkit.client.origin import origin_of
from evalkit.client.payload import BadReplyError, parse_json
from evalkit.client.proxies import proxy_for
from evalkit.client.types import Target

_MAX_TOKENS = 2**31


async def generated_counts(target: Target, text: str, *, max_new_tokens: int) -> tuple[tuple[int, ...], str]:
    """Cumulative `completion_tokens` of the events, and why there are none. Never raises for what a server does.

    `ignore_eos` keeps the reply going; deadlines and caps are those of `target.limits`.
    """
    import httpx2

    origin, limits = origin_of(target.base_url), target.limits
    sampling = {"max_new_tokens": max_new_tokens, "temperature": 0, "ignore_eos": True}
    headers = {"Accept-Encoding": "identity", **target.authorization}
    url = f"{'https' if origin.tls else 'http'}://{origin.netloc}{origin.path}/generate"
    client = httpx2.AsyncClient(
        trust_env=False,
        follow_redirects=False,
        proxy=proxy_for(target.base_url),
        timeout=httpx2.Timeout(limits.idle_s, connect=limits.connect_s, read=limits.first_byte_s),
    )
    body = {"text": text, "sampling_params": sampling, "stream": True}
    try:
        async with (
            asyncio.timeout(limits.total_s),
            client,
            client.stream("POST", url, json=body, headers=headers) as response,
        ):
            if response.status_code != 200:
                return (), f"/generate: HTTP {response.status_code}"
            return await _read(response, limits.max_bytes)
    except (TimeoutError, httpx2.HTTPError, OSError, ValueError, BadReplyError) as error:
        return (), f"/generate: {type(error).__name__}"


async def _read(response: Any, max_bytes: int) -> tuple[tuple[int, ...], str]:
    body = bytearray()
    async for part in response.aiter_raw():
        body += part
        if len(body) > max_bytes:
            return (), "/generate: the reply is too large"
        if sse.ends_with_done(body):
            break
    counts = []
    for event in sse.iter_events(body):
        if event.data == sse.DONE:
            break
        payload = parse_json(event.data)
        about = payload.get("meta_info") if isinstance(payload, dict) else None
        told = about.get("completion_tokens") if isinstance(about, dict) else None
        if not isinstance(told, int) or isinstance(told, bool) or not 0 <= told < _MAX_TOKENS:
            return (), "/generate: an event without a count of tokens"
        counts.append(told)
    return tuple(counts), "" if counts else "/generate: no event"
