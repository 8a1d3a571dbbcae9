"""The events of a stream, byte for byte in the form of SGLang 0.5.23."""

from __future__ import annotations

import re
from typing import Any, Protocol
from uuid import uuid4

from evalkit.reference.native import GenerateFrames
from evalkit.reference.refusals import error_object
from evalkit.reference.usage import Work, dumps, text_logprobs, token_logprobs

DONE = b"data: [DONE]\n\n"
_NAME = re.compile(r'<tool_call>\n\{"name": "([^"]*)", "arguments": ')


class Frames(Protocol):
    """Builds the events of one stream. `start` and `end` are token counts of the choice's reply."""

    #: events are sent for denoising rounds that resolved nothing
    rounds: bool

    def opening(self, choice: int) -> bytes:
        """What precedes the first tokens of a choice, sent with them."""

    def step(self, choice: int, start: int, end: int) -> list[bytes]:
        """Events of the tokens from `start` to `end`."""

    def finish(self, choice: int) -> bytes:
        """What follows the last tokens of a choice."""

    def closing(self) -> bytes:
        """What precedes `[DONE]`."""


class ChatFrames:
    """`chat.completion.chunk` events."""

    rounds = False

    def __init__(self, work: Work) -> None:
        self._work = work
        self._head = _head(work, "chat.completion.chunk")
        self._tools = [ToolStream(work, n) if g.streams_calls else None for n, g in enumerate(work.generations)]

    def opening(self, choice: int) -> bytes:
        delta = '{"reasoning_content":null,"role":"assistant","content":""}'
        return self._event(choice, delta, "")

    def step(self, choice: int, start: int, end: int) -> list[bytes]:
        work = self._work
        tools = self._tools[choice]
        usage = f',"usage":{dumps(work.usage(end))}' if work.job.continuous_usage else ""
        if tools:
            return [self._event(choice, delta, usage or ',"usage":null') for delta in tools.deltas(end)]
        tokens = work.generations[choice].tokens[start:end]
        if not tokens:
            return []
        text = dumps("".join(tokens))
        thinks, says = (text, "null") if work.generations[choice].reasoning else ("null", text)
        delta = f'{{"reasoning_content":{thinks},"content":{says}}}'
        logprobs = "null"
        if work.job.top_logprobs is not None:
            logprobs = dumps({"content": token_logprobs(work, tokens, start)})
        return [self._event(choice, delta, usage, logprobs)]

    def finish(self, choice: int) -> bytes:
        generation = self._work.generations[choice]
        tools = self._tools[choice]
        reason = "tool_calls" if tools and generation.finish == "stop" else generation.finish
        end = f'"finish_reason":{dumps(self._work.end_word(reason))},"matched_stop":{dumps(generation.matched)}'
        return self._event(choice, '{"reasoning_content":null}', "", end=end)

    def closing(self) -> bytes:
        if not self._work.job.include_usage:
            return b""
        usage = dumps(self._work.usage(self._work.completion_tokens))
        return f'data: {self._head}[],"usage":{usage}}}\n\n'.encode()

    def _event(
        self,
        choice: int,
        delta: str,
        usage: str,
        logprobs: str = "null",
        end: str = '"finish_reason":null,"matched_stop":null',
    ) -> bytes:
        body = f'[{{"index":{choice},"delta":{delta},"logprobs":{logprobs},{end}}}]'
        return f"data: {self._head}{body}{usage}}}\n\n".encode()


class ToolStream:
    """The tool calls of one choice as deltas: each name once, then its arguments as they become known."""

    def __init__(self, work: Work, choice: int) -> None:
        self._generation = work.generations[choice]
        self._lossy = work.script.lose_streamed_arguments
        self._named = False
        self._sent = 0

    def deltas(self, end: int) -> list[str]:
        """Deltas of what became known with token number `end`."""
        text = "".join(self._generation.tokens[:end])
        name = _NAME.match(text)
        if not name:
            return []
        first = not self._named
        out = [self._delta(name.group(1), "", f"call_{uuid4().hex[:24]}")] if first else []
        self._named = True
        # The closing markers are known in advance, so they never show up as arguments.
        calls = self._generation.calls
        final = calls[0].arguments if calls else self._generation.text[name.end() :]
        known = final[: len(text) - name.end()]
        if first and self._lossy and calls and known == final:
            self._sent = len(final)
        if len(known) > self._sent:
            out.append(self._delta(None, known[self._sent :], None))
            self._sent = len(known)
        return out

    @staticmethod
    def _delta(name: str | None, arguments: str, ident: str | None) -> str:
        function = {"name": name, "arguments": arguments}
        call = {"id": ident, "index": 0, "type": "function", "function": function}
        return dumps({"role": None, "content": None, "reasoning_content": None, "tool_calls": [call]})


class CompletionFrames:
    """`text_completion` events: the finish reason rides on the last text."""

    rounds = True

    def __init__(self, work: Work) -> None:
        self._work = work
        self._head = _head(work, "text_completion")

    def opening(self, choice: int) -> bytes:  # noqa: ARG002  nothing precedes text here
        return b""

    def step(self, choice: int, start: int, end: int) -> list[bytes]:
        work = self._work
        generation = work.generations[choice]
        tokens = generation.tokens[start:end]
        last = end >= generation.total
        logprobs = None
        if work.job.top_logprobs is not None:
            logprobs = text_logprobs(work, tokens, start)
        body = {
            "index": choice,
            "text": "".join(tokens),
            "logprobs": logprobs,
            "finish_reason": work.end_word(generation.finish) if last else None,
            "matched_stop": generation.matched if last else None,
        }
        usage = compact_usage(work, end) if work.job.continuous_usage else None
        return [f'data: {self._head}[{dumps(body)}],"usage":{dumps(usage)}}}\n\n'.encode()]

    def finish(self, choice: int) -> bytes:  # noqa: ARG002  said with the last text
        return b""

    def closing(self) -> bytes:
        if not self._work.job.include_usage:
            return b""
        usage = dumps(compact_usage(self._work, self._work.completion_tokens))
        return f'data: {self._head}[],"usage":{usage}}}\n\n'.encode()


def compact_usage(work: Work, tokens: int) -> dict[str, Any]:
    """Usage without its null fields, as text completions stream it."""
    return {key: value for key, value in work.usage(tokens).items() if value is not None}


def frames_of(work: Work) -> Frames:
    """The events of the job's route."""
    if work.job.route == "chat":
        return ChatFrames(work)
    return CompletionFrames(work) if work.job.route == "completions" else GenerateFrames(work)


def late_error_events(work: Work, message: str) -> bytes:
    """The scheduler's refusal inside a stream."""
    if work.job.route == "generate":
        return GenerateFrames(work).aborted(message) + DONE
    return f"data: {dumps({'error': error_object(message)})}\n\n".encode() + DONE


def _head(work: Work, kind: str) -> str:
    fields = {"id": work.ident, "object": kind, "created": work.created, "model": work.model}
    return dumps(fields)[:-1] + ',"choices":'
