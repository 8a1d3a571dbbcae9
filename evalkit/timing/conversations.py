"""Conversations that are played turn by turn: which requests they are made of, and what each of them sends. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from evalkit.client.types import ChatRequest, Message
from evalkit.errors import InputFileError
from evalkit.text import one_line
from evalkit.timing.prompts import Prompt, PromptSet

Turns = Literal["scripted", "live"]
#: a longer pause between two turns is cut to this: a cache that forgets does so by then, and a run must end
LONGEST_PAUSE_S = 60.0


def turns_of(messages: Sequence[Message]) -> list[int]:
    """Where the assistant is asked to answer: how many messages each of these requests has."""
    ends, asked = [], False
    for place, message in enumerate(messages):
        if message["role"] == "assistant" and asked:
            ends.append(place)
        asked = message["role"] in ("user", "tool") or (asked and message["role"] != "assistant")
    return [*ends, len(messages)] if asked else ends


def played(prompts: PromptSet, how: Turns | None, *, pauses: bool = False) -> PromptSet:
    """The prompts with each conversation of several turns as so many requests, one behind the other.

    A conversation is one cluster. `pauses`: the time between turns is that of the log, as far as it has time stamps.

    Raises:
        InputFileError: a conversation that cannot be played live.
    """
    if how is None:
        return prompts
    return replace(prompts, prompts=tuple(turn for one in prompts.prompts for turn in _turns(one, how, pauses=pauses)))


def _turns(prompt: Prompt, how: Turns, *, pauses: bool) -> list[Prompt]:
    messages = prompt.request.messages
    ends = turns_of(messages)
    if len(ends) < 2:
        return [prompt]
    if how == "live" and any(m["role"] == "tool" or m.get("tool_calls") for m in messages):
        raise InputFileError(
            f"the conversation {one_line(prompt.id, limit=80)!r} has results of tools, which fit recorded calls alone",
            hint="set items.modes.turns to scripted: it keeps the recorded turns of the assistant",
        )  # fmt: skip
    found = []
    for number, end in enumerate(ends, 1):
        request = replace(prompt.request, messages=messages[:end])
        digest = hashlib.sha256(json.dumps(request.body(""), sort_keys=True).encode()).hexdigest()
        found.append(replace(
            prompt, id=f"{prompt.id}/{number}", request=request, cluster=prompt.cluster or prompt.id, sha256=digest,
            same_as=None if prompt.same_as is None else f"{prompt.same_as}/{number}", conversation=prompt.id,
            ends=tuple(ends[:number]), pause=_pause(prompt, ends, number) if pauses else None,
        ))  # fmt: skip
    return found


def _pause(prompt: Prompt, ends: Sequence[int], number: int) -> tuple[Literal["reply", "request"], float] | None:
    """Seconds before a turn, counted from the reply before it; from that one's request where no reply has a time."""
    times = prompt.times
    if number < 2 or not times:
        return None
    at, replied, sent = times[ends[number - 1] - 1], times[ends[number - 2]], times[ends[number - 2] - 1]
    before: Literal["reply", "request"] = "reply" if replied is not None else "request"
    since = replied if replied is not None else sent
    if at is None or since is None:
        return None
    return before, min(max(at - since, 0.0) / 1000, LONGEST_PAUSE_S)


def continued(prompt: Prompt, replies: Sequence[str]) -> ChatRequest:
    """The request of a turn with `replies` in the place of the recorded turns of the assistant."""
    messages, out, start = prompt.request.messages, list[dict[str, Any]](), 0
    for end, reply in zip(prompt.ends[:-1], replies, strict=True):
        out += [*messages[start:end], {"role": "assistant", "content": reply}]
        start = end + 1
    return replace(prompt.request, messages=(*out, *messages[start:]))


def units(prompts: Sequence[Prompt]) -> list[tuple[str, ...]]:
    """Ids of the requests that follow one another: of each conversation, and of each prompt alone."""
    found: dict[tuple[bool, str], list[str]] = {}
    for one in prompts:
        found.setdefault((one.conversation is not None, one.conversation or one.id), []).append(one.id)
    return [tuple(ids) for ids in found.values()]
