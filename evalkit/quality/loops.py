"""Tool calls that fail: the result is fed back, and the next reply is read for the same calls again."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from evalkit.client.types import ChatClient, ChatRequest, Exchange, Target, ToolCall
from evalkit.quality.case import Case, Suite
from evalkit.quality.facts import Answer, ToolLoop


@dataclass(frozen=True)
class OpenLoop:
    """A second step that is still to be asked."""

    answer: Answer
    case: Case

    @property
    def key(self) -> str:
        return f"{self.answer.mode}|{self.answer.suite}|{self.answer.case_id}"


def looping(suites: Iterable[Suite]) -> int:
    """How many cases have a second step."""
    return sum(case.tool_result is not None for suite in suites for case in suite.cases)


def open_loops(answers: Iterable[Answer], suites: Sequence[Suite], done: Iterable[str]) -> list[OpenLoop]:
    """Second steps of first streamed replies with calls that are not `done`."""
    by_name, known = {suite.name: suite for suite in suites}, set(done)
    found: dict[str, OpenLoop] = {}
    for one in answers:
        suite = by_name.get(one.suite)
        case = suite.by_id.get(one.case_id) if suite else None
        if case is None or case.tool_result is None or one.repeat or not one.streamed:
            continue
        loop = OpenLoop(one, case)
        if one.exchange.ok and one.exchange.tool_calls and loop.key not in known:
            found[loop.key] = loop
    return list(found.values())


def second(case: Case, first: Exchange) -> ChatRequest:
    """The request of the second step: each call of the first reply with its result."""
    calls = [
        {"id": f"call_{n}", "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for n, call in enumerate(first.tool_calls)
    ]
    results = [{"role": "tool", "tool_call_id": call["id"], "content": case.tool_result} for call in calls]
    said = {"role": "assistant", "content": first.text, "tool_calls": calls}
    return replace(case.request, messages=(*case.request.messages, said, *results))


def same_calls(first: Sequence[ToolCall], again: Sequence[ToolCall]) -> int:
    """How many of the second calls are, with their arguments, calls of the first reply; each is matched once."""
    left, found = Counter(map(_meant, first)), 0
    for call in map(_meant, again):
        if left[call]:
            left[call] -= 1
            found += 1
    return found


def _meant(call: ToolCall) -> tuple[str, str]:
    """A call whatever the order of its arguments and its blanks."""
    try:
        return call.name, json.dumps(json.loads(call.arguments), sort_keys=True)
    except (ValueError, RecursionError):
        return call.name, call.arguments.strip()


async def run_loops(  # noqa: PLR0917  called once
    loops: Iterable[OpenLoop],
    targets: Mapping[str, Target],
    client: ChatClient,
    keep: Callable[[ToolLoop], None],
    concurrency: int,
    late: Callable[[], bool],
) -> None:
    """Asks the second steps, at most `concurrency` at once, until it is `late`."""
    queue = iter([loop for loop in loops if loop.answer.mode in targets])

    async def worker() -> None:
        for loop in queue:
            if late():
                return
            first, ident = loop.answer.exchange, hashlib.sha256(f"loop|{loop.key}".encode()).hexdigest()[:24]
            target = targets[loop.answer.mode]
            reply = await client.chat(target, second(loop.case, first), request_id=f"evalkit-{ident}")
            keep(ToolLoop(
                mode=loop.answer.mode, suite=loop.answer.suite, case_id=loop.answer.case_id, exchange=reply,
                asked=len(first.tool_calls), calls=len(reply.tool_calls),
                same=same_calls(first.tool_calls, reply.tool_calls),
            ))  # fmt: skip

    async with asyncio.TaskGroup() as group:
        for _ in range(max(1, concurrency)):
            group.create_task(worker())
