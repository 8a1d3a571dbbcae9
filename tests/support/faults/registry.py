"""Every fault, one entry each: what it does to a reply, and what becomes of the evidence that the reply was to be."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from evalkit.modes import Mode
from tests.support.faults.protocol import Answer, json_answer
from tests.support.faults.turn import Dropped, Turn, bomb, changed, chunk, event, events, one_token, open_head, swap

Play = Callable[[Turn], Awaitable[None]]
GENERATION, CONTROL = "generation", "control"


@dataclass(frozen=True)
class Fault:
    """`where`: kinds of request it can strike. `lasting`: once begun it stays for the rest of the run.

    `keeps`: places, or place:stage, at which the evidence stands all the same ("*": everywhere). Anywhere else the fault
    takes it, and the mode must not qualify.
    """

    name: str
    text: str
    play: Play
    where: frozenset[str] = frozenset({GENERATION, CONTROL})
    lasting: bool = False
    #: the server is another one afterwards
    alters: bool = False
    keeps: frozenset[str] = frozenset()
    #: the caps must hold: what evalkit keeps in memory may not grow with what is sent
    large: bool = False

    def loses_at(self, place: str, stage: str) -> bool:
        return not {"*", place, f"{place}:{stage}"} & self.keeps


FAULTS: dict[str, Fault] = {}


def fault(text: str, *where: str, keeps: str = "", **more: Any) -> Callable[[Play], Play]:
    """Registers a fault under its function's name. `keeps`: names separated by spaces."""

    def add(play: Play) -> Play:
        name = play.__name__.strip("_").replace("_", "-")
        kinds = frozenset(where or (GENERATION, CONTROL))
        FAULTS[name] = Fault(name, text, play, where=kinds, keeps=frozenset(keeps.split()), **more)
        return play

    return add


# -- the connection --------------------------------------------------------------------------------------------------


@fault("the server dies: this connection is cut, every later one refused", lasting=True)
async def refuse(turn: Turn) -> None:
    turn.server.close()
    raise Dropped


@fault("the connection is reset at another byte of the reply each time")
async def reset_at_a_byte(turn: Turn) -> None:
    answer = turn.answer
    whole = answer.head() + answer.body
    turn.memory["at"] = at = (int(turn.memory.get("at", 0)) + 977) % max(2, len(whole) - 1)
    await turn.raw(whole[:at] if not answer.stream else answer.head() + chunk(answer.body[:at]))
    await asyncio.sleep(0.001)
    turn.reset()


@fault("one header byte at a time, slower than any deadline")
async def slow_headers(turn: Turn) -> None:
    for byte in turn.answer.head():
        await turn.raw(bytes([byte]), 400)
    await turn.until_left()


@fault("one byte of the body at a time: never silent, never done")
async def drip(turn: Turn) -> None:
    answer = turn.answer
    await turn.raw(answer.head())
    for byte in answer.body:
        await turn.raw(chunk(bytes([byte])) if answer.stream else bytes([byte]), 300)
    await turn.until_left()


@fault("the request is read and nothing is ever answered")
async def silence(turn: Turn) -> None:
    await turn.until_left()


@fault("the reply begins well and then nothing more comes")
async def stall(turn: Turn) -> None:
    answer = turn.answer
    half = answer.body[: len(answer.body) // 2]
    await turn.raw(answer.head() + (chunk(half) if answer.stream else half))
    await turn.until_left()


@fault("the process is gone for a while, and its successor knows nothing of before", alters=True)
async def restart(turn: Turn) -> None:
    server = turn.server
    if not turn.memory.get("down"):
        turn.memory["down"] = True
        script = server.healthy.script
        server.healthy.restart(script.model_copy(update={"seed": script.seed + 1}))
    turn.reset()


# -- the reply's form ------------------------------------------------------------------------------------------------


@fault("a stream without an end", large=True)
async def endless(turn: Turn) -> None:
    await turn.raw(open_head(turn.answer))
    one = event(turn, "more ") if turn.request.generates else b'{"data": [' + b"1, " * 2000
    block = chunk(one * (max(1, 65_536 // len(one))))
    while True:
        await turn.raw(block, 0.01)


@fault("half of the JSON, and the end of the body")
async def half_json(turn: Turn) -> None:
    answer = turn.answer
    if not answer.stream:
        await turn.send(answer.with_body(answer.body[: len(answer.body) // 2]))
        return
    first, second, *_ = answer.body.split(b"\n\n")
    broken = first + b"\n\n" + second[: len(second) // 2] + b"\n\n"
    await turn.send(replace(answer, pieces=((5.0, broken),)))


@fault("the right body under a wrong content type", keeps="control")
async def wrong_content_type(turn: Turn) -> None:
    await turn.send(replace(turn.answer, kind="image/png"))


@fault("a web page with status 200, as a captive portal sends it")
async def html_page(turn: Turn) -> None:
    page = b"<!DOCTYPE html><html><body><h1>Sign in</h1><script>alert(1)</script></body></html>"
    await turn.send(turn.answer.with_body(page, kind="text/html"))


@fault("status 200 with an error in the body")
async def error_with_200(turn: Turn) -> None:
    body = json.dumps({"object": "error", "message": "CUDA out of memory", "type": "Internal", "code": 500})
    await turn.send(turn.answer.with_body(body.encode(), kind="application/json"))


@fault("an error event inside the stream", GENERATION)
async def error_in_stream(turn: Turn) -> None:
    error = b'data: {"error": {"message": "the worker died", "code": 500}}\n\n'
    pieces = (*turn.answer.pieces[:1], (1.0, error), (0.0, b"data: [DONE]\n\n"))
    await turn.send(replace(turn.answer, pieces=pieces))


@fault("the server aborts its own request (finish_reason abort)", GENERATION)
async def abort(turn: Turn) -> None:
    await turn.send(changed(turn.answer, lambda e: e.replace(b'"finish_reason":"', b'"finish_reason":"abort","was":"')))


@fault("an answer without a single word", GENERATION, keeps="probe:early context incumbent")
async def empty_answer(turn: Turn) -> None:
    await turn.send(changed(turn.answer, lambda e: re.sub(rb'"content":"(?:[^"\\]|\\.)*"', b'"content":""', e)))


# -- the reply's truth -----------------------------------------------------------------------------------------------


@fault("the stream ends without [DONE], whole otherwise", GENERATION, keeps="*")
async def missing_done(turn: Turn) -> None:
    await turn.send(changed(turn.answer, lambda e: b"" if e.strip() == b"data: [DONE]" else e))


@fault("no usage anywhere", GENERATION, keeps="probe:early context:late timing quality incumbent baseline")
async def no_usage(turn: Turn) -> None:
    await turn.send(changed(turn.answer, lambda e: re.sub(rb',"usage":\{.*\}\}\n', b"}\n", e)))


@fault("a usage that contradicts the chunks", GENERATION, keeps="*")
async def wrong_usage(turn: Turn) -> None:
    await turn.send(changed(turn.answer, lambda e: one_token(e, b"completion")))


@fault(
    "a usage that counts one token of the prompt",
    GENERATION,
    keeps="probe quality context:late incumbent baseline:early baseline:middle",
)
async def prompt_of_one(turn: Turn) -> None:
    await turn.send(changed(turn.answer, lambda e: one_token(e, b"prompt")))


@fault("every chunk twice", GENERATION)
async def duplicate_chunks(turn: Turn) -> None:
    await turn.send(changed(turn.answer, lambda e: e * 2 if b'"content":"' in e else e))


@fault("two chunks in the wrong order", GENERATION, keeps="context")
async def out_of_order(turn: Turn) -> None:
    found = [e for _, piece in turn.answer.pieces for e in events(piece)]
    spoken = [n for n, e in enumerate(found) if re.search(rb'"content":"[^"]', e)]
    if len(spoken) > 1:
        one, other = spoken[0], spoken[-1]
        found[one], found[other] = found[other], found[one]
    await turn.send(replace(turn.answer, pieces=((5.0, b"".join(found)),)))


@fault("no end word: every reply ends with [DONE] and a finish_reason of null", GENERATION)
async def no_end_word(turn: Turn) -> None:
    await turn.send(changed(turn.answer, lambda e: re.sub(rb'"finish_reason": ?"[a-z_]+"', b'"finish_reason":null', e)))


@fault("an end word that no protocol has", GENERATION)
async def strange_end_word(turn: Turn) -> None:
    word = b'"finish_reason":"error_finish"'
    await turn.send(changed(turn.answer, lambda e: re.sub(rb'"finish_reason": ?"[a-z_]+"', word, e)))


@fault("an empty end word, and the stream cut behind it without [DONE]", GENERATION)
async def empty_end(turn: Turn) -> None:
    def cut(event: bytes) -> bytes:
        if event.strip() == b"data: [DONE]" or b'"choices":[]' in event:
            return b""
        return re.sub(rb'"finish_reason": ?"[a-z_]+"', b'"finish_reason":""', event)

    await turn.send(changed(turn.answer, cut))


@fault("an error inside the choice, behind the first words, and a regular end", GENERATION)
async def error_in_choice(turn: Turn) -> None:
    choice = {"index": 0, "delta": {}, "finish_reason": "error", "error": {"message": "the worker died", "code": 502}}
    if not turn.answer.stream:
        body = json.loads(turn.answer.body)
        for one in body.get("choices", []):
            one.update(finish_reason="error", error=choice["error"])
        await turn.send(turn.answer.with_body(json.dumps(body).encode()))
        return
    said = b"data: " + json.dumps({"object": "chat.completion.chunk", "choices": [choice]}).encode() + b"\n\n"
    pieces = (*turn.answer.pieces[:1], (1.0, said), (0.0, b"data: [DONE]\n\n"))
    await turn.send(replace(turn.answer, pieces=pieces))


@fault("replies that bear another model's name", GENERATION, keeps="probe:early context incumbent")
async def other_models_name(turn: Turn) -> None:
    name = b'"model":"acme-labs/Other-70B"'
    await turn.send(changed(turn.answer, lambda e: re.sub(rb'"model": ?"[^"]*"', name, e)))


#: what made a redactor that looks back from every character slow: keywords' characters without a keyword
BAIT = "-" * 6000 + "ha-" * 2000 + "api-" * 1000 + "=" * 500


@fault("a reply that a slow redactor would take minutes for", keeps="control probe:early context incumbent")
async def redaction_bait(turn: Turn) -> None:
    bait = BAIT.encode()
    if turn.request.generates:
        await turn.send(changed(turn.answer, lambda e: e.replace(b'"content":"', b'"content":"' + bait, 1)))
        return
    answer = turn.answer
    await turn.send(replace(answer, headers={**answer.headers, "x-note": BAIT[:4000]}))


@fault("an error whose text a slow redactor would take minutes for")
async def redaction_bait_in_error(turn: Turn) -> None:
    await turn.send(json_answer({"error": {"message": BAIT * 4, "code": 500}}, 500))


# -- refusals --------------------------------------------------------------------------------------------------------


@fault("429 with Retry-After")
async def too_many_requests(turn: Turn) -> None:
    await turn.send(json_answer({"error": {"message": "slow down"}}, 429, **{"retry-after": "7"}))


@fault("bursts of 503: three of four requests")
async def bursts_of_503(turn: Turn) -> None:
    turn.memory["n"] = number = int(turn.memory.get("n", 0)) + 1
    if number % 4 == 0:
        await turn.send(turn.answer)
        return
    await turn.send(json_answer({"object": "error", "message": "The request queue is full.", "code": 503}, 503))


@fault("the key is no longer taken from some request on", lasting=True)
async def key_revoked(turn: Turn) -> None:
    await turn.send(json_answer({"error": "Unauthorized"}, 401))


@fault("a redirect to another origin, which must not get a request, let alone a key")
async def redirect(turn: Turn) -> None:
    where = str(turn.memory.get("to", "http://127.0.0.1:9/v1/chat/completions"))
    await turn.send(Answer(302, "text/plain", ((0.0, b"moved"),), {"location": where}))


@fault("the request's key comes back in every text that the server sends")
async def key_echoed(turn: Turn) -> None:
    said = turn.request.headers.get("authorization", "no key")
    if turn.request.generates:
        error = {"error": {"message": "x" * 290 + f" refused: {said}", "authorization": said}}
        await turn.send(json_answer(error, 400, **{"x-ratelimit-limit-requests": said}))
        return
    card = {"id": f"model {said}", "owned_by": said, "max_model_len": 1024}
    about = {"data": [card], "model_path": said, "version": said, "tp_size": 1, "dtype": said, "api_key": said}
    await turn.send(json_answer(about, **{"x-request-id": said, "x-ratelimit-limit-requests": said}))


# -- size and text ---------------------------------------------------------------------------------------------------


@fault("a megabyte of headers", large=True)
async def huge_headers(turn: Turn) -> None:
    await turn.raw(b"HTTP/1.1 200 OK\r\n")
    for number in range(256):
        await turn.raw(b"x-filler-%d: %s\r\n" % (number, b"a" * 4096))
    await turn.raw(b"content-length: 2\r\n\r\n{}")


@fault("a header that never ends, in one line and fast", large=True)
async def header_without_end(turn: Turn) -> None:
    await turn.raw(b"HTTP/1.1 200 OK\r\nx-filler: ")
    while True:
        await turn.raw(b"a" * 65_536, 0.01)


@fault("one line of 100 MB", large=True)
async def line_of_100_mb(turn: Turn) -> None:
    await turn.raw(open_head(turn.answer))
    await turn.raw(chunk(b"data: "))
    block = chunk(b"a" * 1_000_000)
    for _ in range(100):
        await turn.raw(block, 0.01)
    await turn.raw(b"0\r\n\r\n")


@fault("a gzip bomb, compressed although identity was asked for", large=True)
async def gzip_bomb(turn: Turn) -> None:
    await turn.send(replace(turn.answer.with_body(bomb()), headers={"content-encoding": "gzip"}))


@fault("bytes that are no UTF-8")
async def invalid_utf8(turn: Turn) -> None:
    if turn.request.generates:
        await turn.send(changed(turn.answer, lambda e: e.replace(b'"content":"', b'"content":"\xff\xfe\xc0')))
        return
    await turn.send(turn.answer.with_body(b'{"data": "\xff\xfe\xc0"}'))


#: colours, a title, a link, a bell, C1, bidi overrides, zero width
HOSTILE = "\x1b[31m\x1b]0;owned\x07\x1b]8;;http://evil\x1b\\\x9b2J\u202e\u2066\u200b\ufeff\x7f"


@fault(
    "terminal escapes, bidi overrides and invisible characters in every text",
    keeps="probe timing context incumbent",
)
async def hostile_text(turn: Turn) -> None:
    hostile = json.dumps(HOSTILE)[1:-1].encode()
    if turn.request.generates:
        await turn.send(changed(turn.answer, lambda e: e.replace(b'"content":"', b'"content":"' + hostile)))
        return
    await turn.send(
        changed(
            turn.answer,
            lambda e: re.sub(rb'("(?:id|model_path|version)": ")', rb"\1" + hostile.replace(b"\\", rb"\\"), e),
        )
    )


# -- half-way --------------------------------------------------------------------------------------------------------


@fault("the model behind the address is another one from some request on", lasting=True)
async def model_swapped(turn: Turn) -> None:
    swap(turn, model="acme-labs/Other-70B", model_type="llama", architectures=("LlamaForCausalLM",))
    await turn.send(turn.answer)


@fault("the server decodes in another mode from some request on", lasting=True)
async def mode_swapped(turn: Turn) -> None:
    was = turn.server.healthy.script.mode
    mode = Mode.DIFFUSION if was is Mode.AUTOREGRESSIVE else Mode.AUTOREGRESSIVE
    swap(turn, mode=mode, dllm_algorithm=None)
    await turn.send(turn.answer)


@fault("the wall clock jumps by hours, back and forth", keeps="*")
async def clock_jumps(turn: Turn) -> None:
    turn.memory["n"] = number = int(turn.memory.get("n", 0)) + 1
    jump = turn.memory.get("jump")
    if callable(jump):
        jump(7200.0 if number % 2 else -10_800.0)
    await turn.send(turn.answer)
