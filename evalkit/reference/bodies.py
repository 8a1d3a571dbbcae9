"""Whole replies: the bodies of requests that do not stream."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from evalkit.reference.model import Generation
from evalkit.reference.native import GenerateFrames
from evalkit.reference.usage import Work, text_logprobs, token_logprobs, weights


def body_of(work: Work) -> Any:
    """The reply of the job's route, ready for JSON."""
    if work.job.route == "generate":
        frames = GenerateFrames(work)
        replies = [frames.reply(n, g.total) for n, g in enumerate(work.generations)]
        return replies if work.job.batch or len(replies) > 1 else replies[0]
    chat = work.job.route == "chat"
    choices = [_chat(work, n) if chat else _completion(work, n) for n in range(len(work.generations))]
    return {
        "id": work.ident,
        "object": "chat.completion" if chat else "text_completion",
        "created": work.created,
        "model": work.model,
        "choices": choices,
        "usage": work.usage(work.completion_tokens),
        "metadata": {"weight_version": "default", "weight_versions": weights(work.generations[0].total)},
    }


def _chat(work: Work, number: int) -> dict[str, Any]:
    generation = work.generations[number]
    message: dict[str, Any] = {"role": "assistant", "content": generation.text, "reasoning_content": None}
    if generation.reasoning:
        message.update(content="", reasoning_content=generation.text)
    finish, matched = generation.finish, generation.matched
    if generation.calls:
        message.update(content="", tool_calls=_calls(generation))
        if finish == "stop":
            finish, matched = "tool_calls", None
    elif generation.calling and finish == "length":
        message["content"] = ""  # the parser swallowed the start of a call that never ended
    logprobs = None
    if work.job.top_logprobs is not None:
        logprobs = {"content": token_logprobs(work, generation.tokens, 0)}
    return {
        "index": number,
        "message": message,
        "logprobs": logprobs,
        "finish_reason": work.end_word(finish),
        "matched_stop": matched,
    }


def _calls(generation: Generation) -> list[dict[str, Any]]:
    return [
        {
            "id": f"call_{uuid4().hex[:24]}",
            "index": number,
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        for number, call in enumerate(generation.calls)
    ]


def _completion(work: Work, number: int) -> dict[str, Any]:
    generation = work.generations[number]
    logprobs = None
    if work.job.top_logprobs is not None:
        logprobs = text_logprobs(work, generation.tokens, 0)
    return {
        "index": number,
        "text": generation.text,
        "logprobs": logprobs,
        "finish_reason": work.end_word(generation.finish),
        "matched_stop": generation.matched,
    }
