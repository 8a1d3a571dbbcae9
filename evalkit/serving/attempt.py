"""One try of a mode: its server is started, probed, asked one question, and stopped; for `init --try` and each run."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from evalkit.checklist.schema import Endpoint
from evalkit.client import open_client
from evalkit.client.types import ChatClient, ChatRequest
from evalkit.errors import EvalkitError
from evalkit.limits import CONTROL, GENERATION, ControlLimits, Limits
from evalkit.modes import INCUMBENT, base_mode
from evalkit.serving.facts import Attempt, EndpointFacts
from evalkit.serving.launch import LaunchFailed, Running, launched
from evalkit.serving.probe import probe, target_for
from evalkit.text import one_line

#: tokens of the one answer
_ANSWER = 32
#: seconds for the probe and the answer of a server that is ready: the first request may compile kernels
_MOST_S = 300.0
#: questions that may stay without an answer before the mode counts as silent
_MOST_QUESTIONS = 3
QUESTION = ChatRequest(messages=({"role": "user", "content": "Name three colours."},), max_tokens=_ANSWER)


async def attempt(  # noqa: PLR0917  what a launch is filled with
    label: str, endpoint: Endpoint, model: str, revision: str, context: int, log_dir: Path,
    questions: Sequence[ChatRequest] = (QUESTION,),
) -> Attempt:  # fmt: skip
    """The mode once, by its launch or as it is up already. Nothing stays up; whatever fails is in the result."""
    if endpoint.launch is None:
        return await _within(label, endpoint, questions)
    try:
        async with launched(
            label, endpoint, model=model, revision=revision, context=context, log_dir=log_dir
        ) as running:
            served = endpoint.model_copy(update={"endpoint": running.base_url})
            made = await _within(label, served, questions)
            return made.model_copy(
                update={"ready_s": running.facts.ready_s, "log_tail": () if made.ok else tuple(running.tail)}
            )
    except LaunchFailed as error:
        return failed(label, error)
    except EvalkitError as error:  # a key that is not set
        return Attempt(mode=label, ok=False, said=_said(error))


def failed(label: str, error: LaunchFailed) -> Attempt:
    """A launch that did not come up."""
    said = one_line(error.facts.error or str(error), limit=600)
    return Attempt(mode=label, ok=False, said=said, log_tail=error.facts.log_tail)


def of_start(running: Running, made: Attempt) -> dict[str, object]:
    """What a try that came up has in addition to its answer."""
    return {"ready_s": running.facts.ready_s, "log_tail": () if made.ok else tuple(running.tail)}


async def _within(label: str, endpoint: Endpoint, questions: Sequence[ChatRequest]) -> Attempt:
    client = open_client([endpoint.endpoint or ""])
    try:
        return await asked(label, endpoint, client, questions)
    except EvalkitError as error:
        return Attempt(mode=label, ok=False, said=_said(error))
    finally:
        await client.aclose()


async def asked(  # noqa: PLR0917  what a probe takes
    label: str, endpoint: Endpoint, client: ChatClient, questions: Sequence[ChatRequest] = (QUESTION,),
    control: ControlLimits = CONTROL, generation: Limits = GENERATION,
) -> Attempt:  # fmt: skip
    """The server that is up: what it says that it is, and the first of the questions that it answers."""
    try:
        async with asyncio.timeout(_MOST_S):
            facts = await probe(label, endpoint, client=client, observe=False, limits=control)
            wrong = _contradicted(label, facts)
            said = wrong or await _answered(label, endpoint, facts, client, questions, generation)
    except TimeoutError:
        said = f"no answer within {_MOST_S:g} s"
    if said:
        return Attempt(mode=label, ok=False, said=said)
    return Attempt(mode=label, ok=True, said=one_line(f"{facts.engine or 'an unknown engine'} answered", limit=200))


def _contradicted(label: str, facts: EndpointFacts) -> str | None:
    if not facts.reachable:
        return one_line(f"{facts.endpoint}: {facts.error}", limit=300)
    told = facts.declared_mode
    if label == INCUMBENT or told is None or told == base_mode(label).value:
        return None
    return f"the server decodes in mode {told}, not in {label}"


async def _answered(  # noqa: PLR0917  what a request takes
    label: str, endpoint: Endpoint, facts: EndpointFacts, client: ChatClient, questions: Sequence[ChatRequest],
    generation: Limits,
) -> str | None:  # fmt: skip
    """None when there was an answer; else why not."""
    target = target_for(label, endpoint, facts, generation)
    why = "the answer is empty"
    for question in questions[:_MOST_QUESTIONS]:
        for temperature in dict.fromkeys((target.probe_temperature, 1.0)):  # some builds take 1.0 alone
            short = replace(question, max_tokens=min(_ANSWER, question.max_tokens), temperature=temperature)
            reply = await client.chat(target, short)
            if reply.ok:
                break
        if reply.ok and (reply.spoken or reply.reasoned or reply.tool_calls):
            return None
        if not reply.ok:
            why = f"no answer: {reply.error.message if reply.error else 'no usable reply'}"
    return one_line(why, limit=300)


def _said(error: EvalkitError) -> str:
    return one_line(f"{error.message}; {error.hint}" if error.hint else error.message, limit=600)
