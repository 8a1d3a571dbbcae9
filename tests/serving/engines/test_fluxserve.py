"""FluxServe, by exchanges made after its source at 34baf5d3: no real server was recorded."""

from __future__ import annotations

import asyncio
import json

import pytest

from evalkit.checklist.schema import Endpoint
from evalkit.client import open_client
from evalkit.client.types import ChatRequest
from evalkit.serving.probe import probe, target_for
from tests.serving.replay import serving

ROUTES = ("/health", "/metrics", "/v1/completions", "/v1/chat/completions")
OPENAPI = {"info": {"title": "FastAPI", "version": "0.1.0"}, "paths": {path: {} for path in ROUTES}}
STARTED = ["fluxserve", "launch", "--model", "m", "--parallel-decoding"]


def page(body):
    return 200, "application/json", json.dumps(body).encode()


def payload(text, finish=None):
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
    return {"id": "r", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}


def stream(*texts):
    events = [payload(text, "stop" if text is texts[-1] else None) for text in texts]
    events.append({"object": "fluxserve.metrics", "server_e2e_latency_s": 0.5})
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
    return 200, "text/event-stream", body.encode()


def server(chat, **more):
    return {"/openapi.json": page(OPENAPI), "/health": page({"status": "ok"}), "/metrics": page({"requests": 3}),
            "POST /v1/chat/completions": chat, **more}  # fmt: skip


def asked(routes, *, chat=False, **endpoint):
    async def main():
        async with serving(routes) as running:
            client = open_client([running.url])
            try:
                configured = Endpoint(endpoint=running.url, **endpoint)
                facts = await probe("m", configured, client=client)
                if not chat:
                    return facts
                request = ChatRequest(messages=({"role": "user", "content": "x"},))
                return await client.chat(target_for("m", configured, facts), request)
            finally:
                await client.aclose()

    return asyncio.run(main())


def test_a_server_without_models_is_known_by_its_routes():
    facts = asked(server(stream("Once ", "upon ", "a time.")))
    assert facts.reachable
    assert facts.engine == "fluxserve"
    assert facts.declared_mode is None
    assert facts.capability("usage").value is False
    assert facts.capability("tool_calls").value is False


@pytest.mark.parametrize(
    ("way", "mode"), [("threshold", "diffusion"), ("self_speculation", "self-speculation"), ("something-new", None)]
)
def test_its_start_arguments_declare_the_mode_where_evalkit_starts_it(way, mode):
    assert asked(server(stream("a", "b")), launch=[*STARTED, way]).declared_mode == mode
    assert asked(server(stream("a", "b")), launch=[*STARTED[:-1], f"--parallel-decoding={way}"]).declared_mode == mode


def test_messages_with_what_is_new_are_read_as_one_reply():
    exchange = asked(server(stream("Once upon ", "a time, ", "once more.")), chat=True)
    assert exchange.ok
    assert exchange.text == "Once upon a time, once more."
    assert exchange.finish_reason == "stop"
    assert len(exchange.chunks) == 3
    assert exchange.completion_tokens is None  # it counts none


@pytest.mark.parametrize("texts", [("Once", "Once upon", "Once upon a time"), ("Once upon", "Once upon a time.")])
def test_a_stream_that_repeats_the_text_so_far_is_refused_in_words(texts):
    exchange = asked(server(stream(*texts)), chat=True)
    assert not exchange.ok
    assert "whole text so far" in exchange.error.message


@pytest.mark.parametrize("texts", [("ha", "haha", "haha!"), ("a", "and", "b"), ("whole at once",), ("x", "")])
def test_what_only_happens_to_begin_alike_is_read(texts):
    exchange = asked(server(stream(*texts)), chat=True)
    assert exchange.ok
    assert exchange.text == "".join(texts)


def test_an_unknown_server_without_models_is_used_where_a_model_is_named():
    other = {**OPENAPI, "paths": {"/v1/chat/completions": {}, "/something": {}}}
    routes = server(stream("a", "b"), **{"/openapi.json": page(other)})
    assert asked(routes, model="m").reachable
    nameless = asked(routes)
    assert not nameless.reachable
    assert nameless.error_kind == "not-found"
