"""Requests that no cache has seen: a text in front of the first message, and questions that nobody asked before."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from random import Random

from evalkit.client.types import ChatRequest
from evalkit.timing.prompts import Prompt

#: what questions of the warm-up are about
_THINGS = (
    "a tailor", "an old tram", "a beekeeper", "a broken clock", "a green umbrella", "a lighthouse", "a ferry captain",
    "a lost suitcase", "a chess player", "a baker's oven", "a night train", "a violin", "a weather vane", "a notary",
    "a greenhouse", "a paper kite", "a river barge", "a locksmith", "a telescope", "a market stall", "a stone bridge",
    "a retired pilot", "a typewriter", "a cherry tree", "a museum guard", "a fishing net", "a mapmaker",
    "a plough", "a radio play", "a carousel", "a glass bead", "an apprentice cook",
)  # fmt: skip


def with_salt(request: ChatRequest, salt: str) -> ChatRequest:
    """`request` whose first message starts with a text that no cache has seen."""
    mark = f"[{hashlib.sha256(salt.encode()).hexdigest()[:16]}]\n"
    first = request.messages[0]
    content = first.get("content")
    marked = mark + content if isinstance(content, str) else [{"type": "text", "text": mark}, *(content or [])]
    return replace(request, messages=({**first, "content": marked}, *request.messages[1:]))


def new_question(run: str, number: int) -> ChatRequest:
    """A short question that no earlier run asked, also by its meaning; the same for all modes."""
    draw = Random(f"{run} {number}")
    three = draw.sample(_THINGS, 3)
    text = f"Write a plain paragraph of sixty words in which {three[0]}, {three[1]} and {three[2]} meet by chance."
    return ChatRequest(messages=({"role": "user", "content": text},), max_tokens=128)


def warming(prompt: Prompt, turn: int, run: str) -> ChatRequest:
    return with_salt(prompt.request, f"{run} warm-up {prompt.id} {turn}")
