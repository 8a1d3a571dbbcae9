"""Does production run what was evaluated? A live server compared with what the run saw of its own.

Compared: what the server says of itself (allow-listed facts), and the fingerprint of its stream: how many tokens arrive
at a time. What can no longer be compared is a difference too: a missing answer counts as one.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean, pstdev
from typing import Literal, NamedTuple

from evalkit.checklist.schema import Checklist, endpoint_at
from evalkit.client import open_client
from evalkit.client.types import ChatClient
from evalkit.errors import UsageError
from evalkit.modes import INCUMBENT, canonical
from evalkit.serving.facts import EndpointFacts, TokenDeltas
from evalkit.serving.observe import classify
from evalkit.serving.probe import probe
from evalkit.text import one_line
from evalkit.verdict.results import Decision

#: all servers together
DEADLINE_S = 55.0
#: settings that change what is answered or how it is decoded; memory shares, ports and seeds may differ
SETTINGS = (
    "dtype", "quantization", "kv_cache_dtype", "tool_call_parser", "reasoning_parser", "adapters", "ar_mode",
    "dllm_algorithm", "dllm_algorithm_config", "dllm_block_size", "speculative_algorithm",
    "speculative_draft_model_path", "speculative_num_draft_tokens", "speculative_eagle_topk", "speculative_num_steps",
    "override_keys", "weight_version", "tp_size",
)  # fmt: skip
#: mean tokens at a time may differ by so much, or by so many standard errors where that is more
#: (docs/decisions/0020-the-fingerprint-of-a-stream.md)
_SPREAD = 0.15
_ERRORS = 2.5


class LiveServer(NamedTuple):
    """One live server: the run's mode that it serves, and how it differs from it. No difference: the same."""

    endpoint: str
    mode: str | None
    differences: tuple[str, ...]
    compared: tuple[str, ...] = ()


def parse(texts: Sequence[str]) -> list[tuple[str | None, str]]:
    """`URL` or `MODE=URL` each: (mode or None, URL).

    Raises:
        UsageError: no such mode, or no address.
    """
    found = []
    for text in texts:
        head, equals, tail = text.partition("=")
        named = bool(equals) and "://" not in head
        url = tail if named else text
        if not url.startswith(("http://", "https://")):
            raise UsageError(
                f"--live {one_line(text, limit=80)}: write URL or MODE=URL", hint="--live http://host:port"
            )
        endpoint_at(url)
        try:
            found.append((canonical(head) if named else None, url))
        except ValueError as error:
            raise UsageError(f"--live {one_line(text, limit=80)}: {error}") from None
    return found


async def look(
    checklist: Checklist, evaluated: Mapping[str, EndpointFacts], wanted: Sequence[tuple[str | None, str]]
) -> list[LiveServer]:
    """Ask every live server, one short prompt each, and compare it with the run's.

    Raises:
        UsageError: a variable named for a key is not set, or an address is malformed.
    """
    client = open_client([url for _, url in wanted])
    try:
        async with asyncio.timeout(DEADLINE_S):
            return list(await asyncio.gather(*(_one(checklist, evaluated, mode, url, client) for mode, url in wanted)))
    except TimeoutError:
        late = f"not every server answered within {DEADLINE_S:g} s"
        return [LiveServer(one_line(url, limit=200), mode, (late,)) for mode, url in wanted]
    finally:
        await client.aclose()


async def _one(
    checklist: Checklist, evaluated: Mapping[str, EndpointFacts], mode: str | None, url: str, client: ChatClient
) -> LiveServer:
    asked = endpoint_at(
        url,
        model=_served(evaluated, mode),
        api_key_env=_of_key(checklist, mode, "api_key_env"),
        api_key_header=_of_key(checklist, mode, "api_key_header"),
    )
    live = await probe(mode or "live", asked, client=client)
    shown = live.endpoint
    if not live.reachable:
        return LiveServer(shown, mode, (f"unusable: {live.error}",))
    matched = mode or match(live, evaluated)
    if matched is None:
        told = live.declared_mode or live.observed_mode or "no mode"
        known = ", ".join(f"{name} ({e.declared_mode or 'undeclared'})" for name, e in evaluated.items())
        return LiveServer(shown, None, (f"it shows {told}; the run evaluated {known or 'no server'}",))
    before = evaluated.get(matched)
    if before is None:
        return LiveServer(shown, matched, (f"the run evaluated no {matched}",))
    differences, compared = compare(before, live)
    if set(compared) <= {"model"}:
        differences = [*differences, "only the served name could be compared, which proves nothing"]
    return LiveServer(shown, matched, tuple(differences), tuple(compared))


def _served(evaluated: Mapping[str, EndpointFacts], mode: str | None) -> str | None:
    before = evaluated.get(mode) if mode else None
    return before.model if before else None


def _of_key(checklist: Checklist, mode: str | None, what: Literal["api_key_env", "api_key_header"]) -> str | None:
    """The variable of the mode's key, or the header that carries it; without a mode what all modes share."""
    asked = [checklist.modes[mode]] if mode in checklist.modes else checklist.modes.values()
    names: set[str | None] = {getattr(endpoint, what) for endpoint in asked}
    return names.pop() if len(names) == 1 else None


def match(live: EndpointFacts, evaluated: Mapping[str, EndpointFacts]) -> str | None:
    """The run's mode with the live server's declared mode (else its observed one); None: none, or several differ."""
    told = live.declared_mode or live.observed_mode
    same = [
        name
        for name, e in evaluated.items()
        if told is not None and name != INCUMBENT and told in (e.declared_mode, e.observed_mode)
    ]
    return min(same, key=lambda name: len(compare(evaluated[name], live)[0])) if same else None


def compare(before: EndpointFacts, live: EndpointFacts) -> tuple[list[str], list[str]]:
    """Differences, one a line, and the names of what was compared."""
    differences, compared = [], []
    for name, old, new in _facts(before, live):
        if old is None and new is None:
            continue
        compared.append(name)
        if old != new:
            differences.append(f"{name}: the run's server had {_shown(old)}, this one has {_shown(new)}")
    told, seen = _fingerprint(before.deltas, live.deltas)
    if seen:
        compared.append("token deltas")
    return [*differences, *told], compared


def _facts(before: EndpointFacts, live: EndpointFacts) -> Iterator[tuple[str, object, object]]:
    for name in ("model_path", "model_type", "architectures", "revision", "engine", "engine_version", "declared_mode",
                 "observed_mode", "block_size", "block_loop"):  # fmt: skip
        yield name.replace("_", " "), getattr(before, name) or None, getattr(live, name) or None
    kinds = [None if e.release == "unknown" else e.release for e in (before, live)]
    yield "kind of build", kinds[0], kinds[1]
    if before.model_path is None and live.model_path is None:
        yield "model", before.model, live.model
    yield "context", before.context.max_model_len, live.context.max_model_len
    yield "configured context", before.context.context_length, live.context.context_length
    for name in SETTINGS:
        yield name, before.settings.get(name), live.settings.get(name)


def _shown(value: object) -> str:
    if value is None:
        return "not reported"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else one_line(str(value), limit=120)


def _fingerprint(before: TokenDeltas | None, live: TokenDeltas | None) -> tuple[list[str], bool]:
    """Whether tokens arrive in the same pattern: shape, block size, and mean tokens at a time."""
    if before is None:
        return [], False
    if live is None:
        return ["token deltas: the run's server counted tokens on each event, this one does not"], True
    old, new = classify(before.deltas), classify(live.deltas)
    if (old.shape, old.block) != (new.shape, new.block):
        return [f"token deltas: the run's server sent {old.why}; this one sends {new.why}"], True
    first, second = before.deltas[1:-1], live.deltas[1:-1]
    if old.shape != "runs" or len(first) < 2 or len(second) < 2:
        return [], True
    a, b = fmean(first), fmean(second)
    error = math.hypot(pstdev(first) / a / math.sqrt(len(first)), pstdev(second) / b / math.sqrt(len(second)))
    if abs(math.log(b / a)) <= max(_SPREAD, _ERRORS * error):
        return [], True
    return [f"token deltas: {a:.1f} tokens were accepted at a time in the run, {b:.1f} are now"], True


def doubts(servers: Sequence[LiveServer], decision: Decision) -> list[str]:
    """Why the verdict does not speak for these servers; one line each, empty when it does."""
    lines = [
        f"{server.endpoint} ({server.mode or 'no mode'}): {line}" for server in servers for line in server.differences
    ]
    if decision.verdict == "go":
        qualified = {result.mode for result in decision.modes if result.adopted and result.qualified == "pass"}
        stray = [server for server in servers if server.mode is not None and server.mode not in qualified]
        if len(stray) == len(servers):
            lines += [f"{s.endpoint} runs {s.mode}; the GO is for {', '.join(sorted(qualified))}" for s in stray]
    return lines
