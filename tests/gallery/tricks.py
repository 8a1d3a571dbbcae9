"""What servers of the gallery do beyond what their scripts say: each plays one turn."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from random import Random

from evalkit.modes import Mode
from evalkit.reference.script import Script
from tests.support.faults import Healthy, Turn
from tests.support.faults.protocol import Answer, json_answer
from tests.support.faults.turn import changed, events


async def waits(turn: Turn) -> None:
    """A server that is 200 ms away."""
    await asyncio.sleep(0.2)
    await turn.send(turn.answer)


async def flush_is_a_lie(turn: Turn) -> None:
    """200, and nothing is emptied."""
    await turn.send(json_answer({}))


async def other_mode_for_tasks(turn: Turn) -> None:
    """Timed prompts are decoded in blocks, tasks token by token and right."""
    script = turn.server.healthy.script
    slow = turn.memory.setdefault("slow", Healthy(Script(**{**script.model_dump(), "mode": Mode.AUTOREGRESSIVE})))
    await turn.send(slow.answer(turn.request))


def replica(every: int, after: int = 0) -> Callable[[Turn], Awaitable[None]]:
    """Some of the requests are answered by a server in another mode, which the description does not show."""

    async def play(turn: Turn) -> None:
        turn.memory["n"] = number = int(turn.memory.get("n", 0)) + 1
        if number <= after or number % every:
            await turn.send(turn.answer)
            return
        await other_mode_for_tasks(turn)

    return play


async def short_under_load(turn: Turn) -> None:
    """Two words as soon as two requests are in flight."""
    turn.memory["running"] = running = int(turn.memory.get("running", 0)) + 1
    try:
        if running > 1:
            script = turn.server.healthy.script
            short = turn.memory.setdefault("short", Healthy(Script(**{**script.model_dump(), "says": "Rivers flow."})))
            await turn.send(short.answer(turn.request))
        else:
            await turn.send(turn.answer)
    finally:
        turn.memory["running"] -= 1


async def quick_after_the_other(turn: Turn) -> None:
    """A mode that is 40% faster right after the other server was busy."""
    shared = turn.memory["shared"]
    me, last = turn.server.base_url, shared.get("last")
    shared["last"] = me
    if last in (None, me) or turn.server.healthy.script.mode is Mode.AUTOREGRESSIVE:
        await turn.send(turn.answer)
        return
    await turn.send(replace(turn.answer, pieces=tuple((0.6 * after, data) for after, data in turn.answer.pieces)))


def fingerprints(turn: Turn) -> bytes:
    turn.memory["n"] = number = int(turn.memory.get("n", 0)) + 1
    return b'"system_fingerprint":"fp_%d",' % (number % 2)


async def two_fingerprints(turn: Turn) -> None:
    """Every second reply is of another set-up."""
    mark = fingerprints(turn)
    await turn.send(changed(turn.answer, lambda e: e.replace(b'"object":', mark + b'"object":', 1)))


def rewritten(pattern: bytes, by: bytes, *, every: int = 1) -> Callable[[Turn], Awaitable[None]]:
    """Each event of every n-th reply with a pattern replaced."""

    async def play(turn: Turn) -> None:
        turn.memory["n"] = number = int(turn.memory.get("n", 0)) + 1
        hit = number % every == 0
        await turn.send(changed(turn.answer, lambda e: re.sub(pattern, by, e)) if hit else turn.answer)

    return play


async def cut_and_called_nothing(turn: Turn) -> None:
    """Every 4th stream breaks off at 40% without an end word: `finish_reason` is "" in each event."""
    turn.memory["n"] = number = int(turn.memory.get("n", 0)) + 1
    pieces = [p for p in turn.answer.pieces if b'"choices":[]' not in p[1]]
    kept = pieces[: max(2, len(pieces) * 2 // 5)] if number % 4 == 0 else pieces
    answer = replace(turn.answer, pieces=tuple(kept))
    await turn.send(changed(answer, lambda e: e.replace(b'"finish_reason":null', b'"finish_reason":""')))


async def indices_all_zero(turn: Turn) -> None:
    """Two calls, each whole in one event, both with index 0 and ids of their own."""
    calls = [
        {
            "index": 0,
            "id": f"call_{city}",
            "type": "function",
            "function": {"name": "get_weather", "arguments": json.dumps({"city": city})},
        }
        for city in ("Oslo", "Rome")
    ]
    await turn.send(replace(turn.answer, pieces=((50.0, calling(calls)),)))


async def zero_counts(turn: Turn) -> None:
    """Usage of zeros on each event, the truth at the end."""
    await turn.send(
        changed(turn.answer, lambda e: e if b'"choices":[]' in e else re.sub(rb'_tokens":\d+', b'_tokens":0', e))
    )


def saying(text_of: Callable[[str], str]) -> Callable[[Turn], Awaitable[None]]:
    """Another text for each prompt, at the speed of the script."""

    async def play(turn: Turn) -> None:
        text = text_of(json.loads(turn.request.body)["messages"][-1]["content"])
        script = turn.server.healthy.script
        server = turn.memory.setdefault(text, Healthy(Script(**{**script.model_dump(), "says": text})))
        await turn.send(server.answer(turn.request))

    return play


def stretched(by: float) -> Callable[[Turn], Awaitable[None]]:
    """The same reply in so many times the time."""

    async def play(turn: Turn) -> None:
        answer = turn.answer
        await turn.send(replace(answer, pieces=tuple((by * after, data) for after, data in answer.pieces)))

    return play


def late_end(ms: float) -> Callable[[Turn], Awaitable[None]]:
    """The stream ends so long after its last text."""

    async def play(turn: Turn) -> None:
        *pieces, (after, last) = turn.answer.pieces
        await turn.send(replace(turn.answer, pieces=(*pieces, (after + ms, last))))

    return play


async def blanks_at_the_end(turn: Turn) -> None:
    """40 blank lines behind the answer, 10 ms each."""
    *pieces, (after, data), closing = turn.answer.pieces
    said, ended = ([e for e in events(data) if (b'"finish_reason":"' in e) is ends] for ends in (False, True))
    line = {"choices": [{"index": 0, "delta": {"content": "\n"}, "finish_reason": None}]}
    blank = (10.0, b"data: " + json.dumps(line).encode() + b"\n\n")
    pieces += [(after, b"".join(said)), *[blank] * 40, (0.0, b"".join(ended)), closing]
    await turn.send(replace(turn.answer, pieces=tuple(pieces)))


def later(after: int, play: Callable[[Turn], Awaitable[None]]) -> Callable[[Turn], Awaitable[None]]:
    """Sound replies, and from so many requests on what `play` does."""

    async def wait(turn: Turn) -> None:
        turn.memory["asked"] = asked = int(turn.memory.get("asked", 0)) + 1
        await (play(turn) if asked > after else turn.send(turn.answer))

    return wait


async def of_a_third(turn: Turn) -> None:
    """A third of the reply."""
    await turn.send(_third(turn))


async def of_a_third_counted_whole(turn: Turn) -> None:
    """The same, with three times the tokens counted."""
    await turn.send(_third(turn, usage_factor=3))


async def of_a_third_uncounted(turn: Turn) -> None:
    """The same, and no tokens counted."""
    await turn.send(
        changed(_third(turn), lambda e: b"" if b'"choices":[]' in e else re.sub(rb',"usage":\{.*\}(?=\})', b"", e))
    )


def _third(turn: Turn, **more: float) -> Answer:
    script = turn.server.healthy.script
    short = turn.memory.setdefault("third", Healthy(Script(**{**script.model_dump(), "length_factor": 0.33, **more})))
    return short.answer(turn.request)


def turns_away(every: int) -> Callable[[Turn], Awaitable[None]]:
    """Every so many-th request is refused as too many."""

    async def play(turn: Turn) -> None:
        turn.memory["n"] = number = int(turn.memory.get("n", 0)) + 1
        busy = json_answer({"error": {"message": "busy"}}, status=429)
        await turn.send(turn.answer if number % every else busy)

    return play


def counts_of_prompts(tokens: int) -> Callable[[Turn], Awaitable[None]]:
    """Every prompt is counted as so many tokens."""
    return rewritten(rb'"prompt_tokens":\d+', b'"prompt_tokens":%d' % tokens)


def altered(change: Callable[[str, str], str]) -> Callable[[Turn], Awaitable[None]]:
    """What `change` makes of a prompt and its sound reply, at the speed of the script."""

    async def play(turn: Turn) -> None:
        said = re.findall(rb'"content":("(?:[^"\\]|\\.)*")', turn.answer.body)
        reply = "".join(json.loads(part) for part in said)
        await saying(lambda asked: change(asked, reply))(turn)

    return play


def noise(letters: str) -> Callable[[str, str], str]:
    """As many of `letters` as the reply has, others for each prompt."""
    return lambda asked, reply: "".join(Random(asked).choices(letters, k=len(reply)))


def in_another_script(asked: str, reply: str) -> str:
    """The first half of the reply, and as much in Chinese characters, of which none follows itself."""
    words = reply.split()
    han = [chr(0x4E00 + n) for n in Random(asked).sample(range(4000), len(reply) // 2)]
    return f"{' '.join(words[: len(words) // 2])} {''.join(han)}"


def half_of_it_the_prompt(asked: str, reply: str) -> str:
    words = reply.split()
    return f"{asked} {' '.join(words[: len(words) // 2])}"


def goes_on_as_the_user(asked: str, reply: str) -> str:
    words = reply.split()
    return f"{' '.join(words[: 2 * len(words) // 3])}\nUser: And part {number_of(asked)}0?"


async def all_so_far(turn: Turn) -> None:
    """Each event carries the whole text so far."""
    so_far = b""

    def cumulative(event: bytes) -> bytes:
        nonlocal so_far
        found = re.search(rb'"content":"((?:[^"\\]|\\.)+)"', event)
        if found is None:
            return event
        so_far += found[1]
        return event[: found.start(1)] + so_far + event[found.end(1) :]

    await turn.send(changed(turn.answer, cumulative))


def of_bytes(step: int, ms: float) -> Callable[[Turn], Awaitable[None]]:
    """A reply in a script of which each character is three tokens, so many characters an event."""

    async def play(turn: Turn) -> None:
        asked = json.loads(turn.request.body)["messages"][-1]["content"]
        text = "".join(chr(code) for code in Random(asked).choices(range(0x0C05, 0x0C39), k=40))
        pieces = []
        for at in range(0, len(text), step):
            usage = {"prompt_tokens": 20, "completion_tokens": 3 * min(at + step, len(text))}
            delta = {"choices": [{"index": 0, "delta": {"content": text[at : at + step]}, "finish_reason": None}]}
            pieces.append((ms, b"data: " + json.dumps({**delta, "usage": usage}).encode() + b"\n\n"))
        end = json.dumps({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}).encode()
        pieces.append((0.0, b"data: " + end + b"\n\ndata: [DONE]\n\n"))
        await turn.send(replace(turn.answer, pieces=tuple(pieces), stream=True))

    return play


def briefly(slower: float = 1.0) -> Callable[[Turn], Awaitable[None]]:
    """The right answer in a sentence, in so many times the time that it takes."""

    async def play(turn: Turn) -> None:
        script = turn.server.healthy.script
        server = turn.memory.setdefault("brief", Healthy(Script(**{**script.model_dump(), "says": "It is in Paris."})))
        answer = server.answer(turn.request)
        await turn.send(replace(answer, pieces=tuple((slower * after, data) for after, data in answer.pieces)))

    return play


def number_of(asked: str) -> str:
    """The number that tells one prompt of the gallery from another."""
    return asked.rpartition(" ")[2].strip(".")


async def calls_what_was_not_offered(turn: Turn) -> None:
    """A tool call, other arguments for each prompt, where the request has no tools."""
    asked = json.loads(turn.request.body)["messages"][-1]["content"]
    said = json.dumps({"question": asked, "detail": "as asked " * 6})
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "search", "arguments": said}}
    await turn.send(replace(turn.answer, pieces=((50.0, calling([call])),)))


def calling(calls: list[dict[str, object]]) -> bytes:
    """A stream of calls, each whole in one event."""
    events: list[dict[str, object]] = [
        {"choices": [{"index": 0, "delta": {"role": "assistant", "tool_calls": [call]}, "finish_reason": None}]}
        for call in calls
    ]
    events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    events.append({"choices": [], "usage": {"prompt_tokens": 20, "completion_tokens": 30, "total_tokens": 50}})
    data = b"".join(b"data: " + json.dumps({"model": "acme-labs/Trident-8B", **e}).encode() + b"\n\n" for e in events)
    return data + b"data: [DONE]\n\n"


async def another_question(turn: Turn) -> None:
    """The sound reply to a question that was not asked, as long as it should be."""
    body = re.sub(rb"why rivers bend, part (\d+)", lambda m: b"how bread rises, part 9%s" % m[1], turn.request.body)
    await turn.send(turn.server.healthy.answer(replace(turn.request, body=body)))


async def now_and_then_another(turn: Turn) -> None:
    """Every second reply is to a question that was not asked."""
    turn.memory["n"] = number = int(turn.memory.get("n", 0)) + 1
    await (another_question(turn) if number % 4 < 2 else turn.send(turn.answer))


async def thinks_instead(turn: Turn) -> None:
    """All but the last piece of the reply is reasoning, which no user reads."""
    pieces = list(turn.answer.pieces)
    said = [i for i, (_, data) in enumerate(pieces) if re.search(rb'"content":"[^"]', data)]
    for i in said[:-1]:
        after, data = pieces[i]
        pieces[i] = (after, data.replace(b'"content":"', b'"reasoning_content":"'))
    await turn.send(replace(turn.answer, pieces=tuple(pieces)))
