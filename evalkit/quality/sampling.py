"""Does a server draw at all? Several diffusion algorithms and verification steps ignore temperature without a word."""

from __future__ import annotations

from evalkit.client.types import ChatClient, ChatRequest, Exchange, Target
from evalkit.quality.facts import SamplingProbe

#: many good replies, so that a server that draws at all draws different ones
PROMPT = "Invent a name for a small bakery by the sea, and add one sentence about it."
DRAWS = 10


async def probe_sampling(
    mode: str,
    target: Target,
    client: ChatClient,
    *,
    temperature: float = 1.0,
    draws: int = DRAWS,
    extra_body: dict[str, object] | None = None,
) -> SamplingProbe:
    """Distinct replies of `draws` short requests at temperature 1, at 0, and at production's `temperature`."""

    async def replies(at: float) -> list[Exchange]:
        request = ChatRequest(
            messages=({"role": "user", "content": PROMPT},), max_tokens=48, temperature=at, extra_body=extra_body or {}
        )
        found: list[Exchange] = []
        for _ in range(draws):
            found.append(await client.chat(target, request))
            if [one.ok for one in found[-3:]] == [False, False, False]:
                break  # a dead server is not asked twenty times
        return found

    def distinct(found: list[Exchange]) -> int:
        return len({one.text for one in found if one.ok})

    warm, cold = await replies(1.0), await replies(0.0)
    return SamplingProbe(
        mode=mode,
        draws=draws,
        distinct_at_one=distinct(warm),
        distinct_at_zero=distinct(cold),
        failed=draws - sum(one.ok for one in warm),
        temperature=temperature,
        distinct_at_asked=None if temperature in (0.0, 1.0) else distinct(await replies(temperature)),
    )
