"""`init --try`: each mode once. A launched server is started, probed, asked one question, and stopped."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from evalkit.checklist.schema import Endpoint, LoadedChecklist
from evalkit.client import open_client
from evalkit.client.types import ChatRequest
from evalkit.errors import EvalkitError
from evalkit.serving.launch import launched
from evalkit.serving.probe import probe, target_for
from evalkit.text import one_line

#: tokens of the one answer, and of context that a launched server gets
_ANSWER, _WINDOW = 32, 4096
_QUESTION = ({"role": "user", "content": "Name three colours."},)
#: seconds for the probe and the answer of a server that is ready
_MOST_S = 180.0


class Tried(NamedTuple):
    """What became of one mode."""

    label: str
    ok: bool
    said: str


async def attempt(loaded: LoadedChecklist) -> list[Tried]:
    """Each mode in turn, so that one GPU is enough. Nothing stays up."""
    checklist, candidate = loaded.checklist, loaded.checklist.candidate
    model = candidate.model if candidate else ""
    beside = loaded.folder / model
    model = str(beside.resolve()) if model and beside.is_dir() else model
    revision = candidate.revision if candidate else "main"
    return [await _one(label, endpoint, model, revision) for label, endpoint in checklist.modes.items()]


async def _one(label: str, endpoint: Endpoint, model: str, revision: str) -> Tried:
    try:
        async with _served(label, endpoint, model, revision) as (served, how), asyncio.timeout(_MOST_S):
            return await _asked(label, served, how)
    except TimeoutError:
        return Tried(label, ok=False, said=f"no answer within {_MOST_S:g} s")
    except EvalkitError as error:
        said = f"{error.message}; {error.hint}" if error.hint else error.message
        return Tried(label, ok=False, said=one_line(said.removeprefix(f"{label}: "), limit=600))


@asynccontextmanager
async def _served(label: str, endpoint: Endpoint, model: str, revision: str) -> AsyncIterator[tuple[Endpoint, str]]:
    """The endpoint with an address, and how it came up."""
    if endpoint.launch is None:
        yield endpoint, "was up"
        return
    logs = Path(tempfile.mkdtemp(prefix="evalkit-try-"))
    async with launched(label, endpoint, model=model, revision=revision, context=_WINDOW, log_dir=logs) as running:
        yield endpoint.model_copy(update={"endpoint": running.base_url}), f"ready after {running.facts.ready_s:.0f} s"


async def _asked(label: str, endpoint: Endpoint, how: str) -> Tried:
    client = open_client([endpoint.endpoint or ""])
    try:
        facts = await probe(label, endpoint, client=client, observe=False)
        if not facts.reachable:
            return Tried(label, ok=False, said=one_line(f"{endpoint.endpoint}: {facts.error}", limit=300))
        said = facts.declared_mode
        if said is not None and said != label.partition("@")[0]:
            return Tried(label, ok=False, said=f"{how}, but the server decodes in mode {said}")
        target = target_for(label, endpoint, facts)
        for temperature in dict.fromkeys((target.probe_temperature, 1.0)):  # some builds take 1.0 alone
            reply = await client.chat(
                target, ChatRequest(messages=_QUESTION, max_tokens=_ANSWER, temperature=temperature)
            )
            if reply.ok:
                break
    finally:
        await client.aclose()
    if not reply.ok:
        why = reply.error.message if reply.error else "no usable reply"
        return Tried(label, ok=False, said=one_line(f"{how}, but no answer: {why}", limit=300))
    if not (reply.spoken or reply.reasoned):
        return Tried(label, ok=False, said=f"{how}, but the answer is empty")
    return Tried(label, ok=True, said=one_line(f"{how}, {facts.engine or 'unknown engine'}, answered", limit=200))
