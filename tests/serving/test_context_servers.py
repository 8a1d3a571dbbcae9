"""The context probe against servers that keep, cut, lose, refuse or lie, over real sockets, each told from the others."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from evalkit.client.types import Target
from evalkit.client.wire import WireClient
from evalkit.serving.context_facts import ContextProbe
from evalkit.serving.context_probe import probe_context

_FACT = re.compile(r"The code of (\w+) is (\d+)\.")
_ASKED = re.compile(r"What is the code of (\w+)\?")


@dataclass(frozen=True)
class Server:
    """A word is a token. `window` is what it reads of a prompt; `over` says what it does with a longer one."""

    window: int = 2000
    over: str = "refuse"  # refuse | cut-front | cut-back | accept | error-500 | drop | stream-error
    counts: str = "read"  # read: the tokens that were read; sent: those that came, cut or not; none
    lose_middle: bool = False
    reads_nothing: bool = False
    longest_reply: int = 10_000
    knows_ignore_eos: bool = True


def reply(server: Server, body: dict[str, object]) -> tuple[int, str, int, int, str]:
    """(status, text, prompt tokens, completion tokens, finish reason)."""
    prompt = body["messages"][-1]["content"]
    words = prompt.split(" ") if "\n" not in prompt else re.findall(r"\S+\s*", prompt)
    read = words
    if len(words) > server.window and server.over != "accept":
        if server.over == "refuse":
            return (
                400,
                f"This model's maximum context length is {server.window} tokens, {len(words)} were given",
                0,
                0,
                "",
            )
        if server.over == "error-500":
            return 500, "internal error", 0, 0, ""
        read = words[-server.window :] if server.over == "cut-front" else [*words[: server.window - 12], *words[-12:]]
    text = "".join(word if word.endswith(("\n", " ")) else f"{word} " for word in read)
    if server.lose_middle and len(read) > 600:
        text = text[: len(text) // 3] + text[-len(text) // 3 :]
    counted = len(read) if server.counts == "read" else len(words)
    if prompt.startswith("Count from"):
        wanted = int(body.get("max_tokens", 16))
        made = min(wanted, server.longest_reply) if body.get("ignore_eos") else min(wanted, 40)
        return 200, "1 " * made, counted, made, "length" if made == wanted or made == server.longest_reply else "stop"
    asked = _ASKED.search(prompt)
    facts = dict(_FACT.findall(text))
    answer = facts.get(asked[1], "I do not know") if asked and not server.reads_nothing else "hello"
    return 200, answer, counted, len(answer.split()), "stop"


def handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: object) -> None:
            pass

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if not server.knows_ignore_eos and "ignore_eos" in body:
                return self._send(
                    400, json.dumps({"error": {"message": "unknown field ignore_eos"}}), "application/json"
                )
            status, text, prompt_tokens, made, finish = reply(server, body)
            if status != 200:
                return self._send(status, json.dumps({"error": {"message": text}}), "application/json")
            usage = {"prompt_tokens": prompt_tokens, "completion_tokens": made, "total_tokens": prompt_tokens + made}
            chunk = {"id": "x", "object": "chat.completion.chunk", "model": "m"}
            events = [
                {**chunk, "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]},
                {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]},
            ]
            if server.counts != "none":
                events.append({**chunk, "choices": [], "usage": usage})
            lines = [f"data: {json.dumps(event)}\n\n" for event in events] + ["data: [DONE]\n\n"]
            return self._send(200, "".join(lines), "text/event-stream")

        def _send(self, status: int, body: str, kind: str) -> None:
            raw = body.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

    return Handler


def probe(server: Server, *, need: int = 1800, limit: int | None = 2000, output: int | None = None) -> ContextProbe:
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler(server))
    http.daemon_threads = True
    threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    async def main() -> ContextProbe:
        client = WireClient()
        try:
            target = Target(label="diffusion", base_url=f"http://127.0.0.1:{http.server_address[1]}", model="m")
            return await probe_context(
                target, need_tokens=need, need_output_tokens=output, server_limit=limit, client=client, seed=3
            )
        finally:
            await client.aclose()

    try:
        return asyncio.run(main())
    finally:
        http.shutdown()
        http.server_close()


TOLD_APART = [
    ("keeps everything and refuses what is too long", Server(), "ok", "refused"),
    ("cuts the front and counts what it read", Server(window=700, over="cut-front"), "truncated", "truncated"),
    (
        "cuts the front and counts what was sent",
        Server(window=700, over="cut-front", counts="sent"),
        "truncated",
        "truncated",
    ),
    (
        "cuts the back and counts what was sent",
        Server(window=700, over="cut-back", counts="sent"),
        "truncated",
        "truncated",
    ),
    ("loses the middle", Server(lose_middle=True), "lost-middle", "refused"),
    ("refuses within the need", Server(window=700), "refused", "refused"),
    ("fails within the need", Server(window=700, over="error-500"), "unclear", "unclear"),
    ("takes more than it tells", Server(over="accept"), "ok", "accepted"),
    ("recalls nothing at any length", Server(reads_nothing=True), "no-recall", "refused"),
    ("counts nothing", Server(counts="none"), "unclear", "not-tried"),
]


@pytest.mark.parametrize(
    ("server", "outcome", "over"), [case[1:] for case in TOLD_APART], ids=[c[0] for c in TOLD_APART]
)
def test_servers_are_told_apart_by_what_comes_back(server, outcome, over):
    result = probe(server)
    assert result.outcome == outcome, result
    assert result.over_limit == over, result


def test_a_cut_that_starts_beyond_the_need_is_caught_by_the_over_long_request():
    result = probe(Server(window=1900, over="cut-front"), need=1500, limit=1900)
    assert (result.outcome, result.over_limit) == ("ok", "truncated")


@pytest.mark.parametrize(
    ("server", "reached", "finish"),
    [
        (Server(), 300, "length"),
        (Server(longest_reply=120), 120, "length"),
        (Server(knows_ignore_eos=False), 40, "stop"),
    ],
)
def test_a_long_reply_is_reached_cut_or_ended_by_the_model(server, reached, finish):
    result = probe(server, output=300)
    assert (result.output_asked, result.output_reached, result.output_finish) == (300, reached, finish)
    assert result.output_error is None
