"""Capabilities asked by name: what is sent, what is not, and what a reply means."""

from __future__ import annotations

import asyncio

import pytest

from evalkit.client.types import ChatRequest, Exchange, ExchangeError, Target, ToolCall
from evalkit.reference import ReferenceServer, Script
from evalkit.serving.capabilities import ask, merge, temperature
from evalkit.serving.engines import engine_of
from evalkit.serving.facts import EndpointFacts, ServerContext


class Client:
    """Keeps what was asked; answers each in the same way."""

    def __init__(self, **reply) -> None:
        self.sent: list[ChatRequest] = []
        self.reply = Exchange(**{"ok": True, "status": 200, "text": "ok", "completion_tokens": 64, **reply})

    async def chat(self, target: Target, request: ChatRequest, *, request_id: str | None = None) -> Exchange:
        self.sent.append(request)
        return self.reply

    async def aclose(self) -> None: ...


def facts(engine="sglang", mode="autoregressive", settings=None, limit=2048) -> EndpointFacts:
    return EndpointFacts(
        label="m", endpoint="http://h", reachable=True, engine=engine, declared_mode=mode, settings=settings or {},
        context=ServerContext(max_model_len=limit),
    )  # fmt: skip


def asked(client: Client, about: EndpointFacts):
    found = asyncio.run(ask(client, Target(label="m", base_url="http://h", model="m"), about))
    return {c.name: c for c in found}


def refused(status: int | None, message: str = "no") -> Client:
    return Client(ok=False, status=status, error=ExchangeError(kind="http", message=message))


def test_a_diffusion_server_is_never_sent_a_schema_which_it_would_hang_on():
    client = Client()
    found = asked(client, facts(mode="diffusion", settings={"dllm_algorithm": "LowConfidence"}))
    assert "json_schema" not in found
    assert not [request for request in client.sent if request.response_format]
    (known,) = [
        c
        for c in engine_of("sglang").capabilities({"dllm_algorithm": "LowConfidence"}, "diffusion")
        if c.name == "json_schema"
    ]
    assert known.value is None
    assert "not asked" in known.detail


ONLY_ONE = "diffusion requests must use temperature 1.0 and no seed"


def test_questions_are_asked_at_the_lowest_temperature_that_the_server_took():
    zero = temperature(refused(400, ONLY_ONE).reply, 0.0)
    client, picky = Client(), facts("vllm", "diffusion").model_copy(update={"capabilities": zero})
    target = Target(label="m", base_url="http://h", model="m", probe_temperature=picky.probe_temperature)
    asyncio.run(ask(client, target, picky))
    assert {request.temperature for request in client.sent} == {1.0}
    other = Client()
    asked(other, facts("vllm", "diffusion"))
    assert {request.temperature for request in other.sent} == {0.0}


@pytest.mark.parametrize(
    ("client", "value"),
    [
        (Client(), True),
        (refused(400, ONLY_ONE), False),
        (refused(422, "Temperature: 0 (greedy) or 1"), False),
        (refused(400, "the prompt is too long"), None),
        (refused(500, "temperature sensor on fire"), None),
        (
            Client(ok=False, status=200, error=ExchangeError(kind="stream-error", message="temperature must be 1.0")),
            False,
        ),
        (refused(None, "late"), None),
    ],
)
def test_a_refused_temperature_is_one_that_the_refusal_names(client, value):
    found = {c.name: c.value for c in temperature(client.reply, 0.7)}
    assert found == ({} if value is None else {"temperature_0.7": value})


def test_the_temperature_of_later_requests_and_a_seed_are_asked_once():
    client = Client()
    target = Target(label="m", base_url="http://h", model="m")
    found = {c.name: c.value for c in asyncio.run(ask(client, target, facts(), temperature=0.7))}
    assert [request.temperature for request in client.sent].count(0.7) == 1
    assert [request.seed for request in client.sent if request.seed is not None] == [1]
    assert found["temperature_0.7"] is True
    assert found["seed"] is True
    assert asked(refused(400, ONLY_ONE), facts())["seed"].value is False


def test_no_server_that_runs_on_for_ever_is_asked_for_more_than_its_window():
    client = Client()
    asked(client, facts("transformers"))
    assert max(request.max_tokens for request in client.sent) == 64
    known = Client()
    asked(known, facts())
    assert max(request.max_tokens for request in known.sent) == 2049


@pytest.mark.parametrize(
    ("client", "values"),
    [
        (refused(400), {"tool_calls": False, "ignore_eos": False, "json_schema": False, "context_enforced": True}),
        (refused(500), {"tool_calls": None, "ignore_eos": None, "json_schema": None, "context_enforced": None}),
        (refused(None, "late"), {"tool_calls": None, "context_enforced": None}),
        (Client(), {"tool_calls": None, "ignore_eos": True, "json_schema": False, "context_enforced": False}),
        (Client(completion_tokens=3), {"ignore_eos": False}),
        (Client(text='{"n": 3}'), {"json_schema": True}),
        (Client(text="[" * 100_000), {"json_schema": False}),
        (Client(server={"logprob_tokens": 4}), {"logprobs": True}),
        (Client(server={"logprob_tokens": 0}), {"logprobs": False}),
        (Client(tool_calls=(ToolCall(name="get_weather", arguments="{}"),)), {"tool_calls": True}),
    ],
)
def test_a_reply_is_read_for_what_it_shows_and_no_more(client, values):
    found = asked(client, facts())
    assert {name: found[name].value for name in values} == values
    assert all(c.known_by == "observed" for c in found.values())


BLOCKS = {"mask_text", "stop_inside_block", "odd_max_tokens"}


def test_probes_of_blocks_are_sent_to_servers_that_decode_several_tokens_at_a_time():
    for mode, sent in (("diffusion", BLOCKS), ("self-speculation", BLOCKS), ("autoregressive", set()), (None, set())):
        assert set(asked(Client(), facts(mode=mode))) & BLOCKS == sent


@pytest.mark.parametrize(
    ("client", "name", "value"),
    [
        (Client(text="1, 2, 3, 4, 5, 6, ", finish_reason="stop"), "stop_inside_block", True),
        (Client(text="1, 2, 3, 4, 5, 6, 7, 8", finish_reason="stop"), "stop_inside_block", False),
        (Client(text="one, two", finish_reason="length"), "stop_inside_block", None),
        (Client(text="", finish_reason="stop"), "stop_inside_block", None),
        (refused(400), "stop_inside_block", False),
        (refused(500), "stop_inside_block", None),
        (Client(completion_tokens=49), "odd_max_tokens", True),
        (Client(completion_tokens=64), "odd_max_tokens", False),
        (Client(completion_tokens=None), "odd_max_tokens", None),
        (refused(422), "odd_max_tokens", False),
        (Client(text="ok"), "mask_text", True),
        (Client(text="  "), "mask_text", False),
        (refused(500), "mask_text", False),
        (refused(None, "late"), "mask_text", False),
    ],
)
def test_what_breaks_inside_a_block_is_told(client, name, value):
    assert asked(client, facts(mode="diffusion"))[name].value is value


@pytest.mark.parametrize(("around", "value"), [(0, False), (1, False), (2, 2), (9, 9), (None, None)])
def test_tokens_around_a_message_show_whether_a_template_is_applied(around, value):
    class Counting(Client):
        async def chat(self, target, request, *, request_id=None):
            words = len(request.messages[0]["content"].split())
            return self.reply.model_copy(update={"prompt_tokens": None if around is None else 2 * words + around})

    found = asked(Counting(), facts())["template_tokens"]
    assert found.value == value
    assert (found.value is value) or isinstance(value, int)


def test_what_could_not_be_told_does_not_replace_what_was_declared():
    said = engine_of("sglang").capabilities({"tool_call_parser": "qwen"}, None)
    found = asked(Client(), facts())
    both = {c.name: c for c in merge(said, tuple(found.values()))}
    assert both["tool_calls"].value is True
    assert both["tool_calls"].known_by == "declared"


@pytest.mark.slow
def test_a_hang_on_a_schema_ends_at_its_deadline_and_the_rest_stands(monkeypatch):
    from dataclasses import replace

    from evalkit.client.wire import WireClient
    from evalkit.serving import capabilities

    monkeypatch.setattr(
        capabilities, "CAPABILITY", replace(capabilities.CAPABILITY, first_byte_s=1.0, idle_s=1.0, total_s=2.0)
    )

    async def main(url: str):
        client = WireClient()
        try:
            return await ask(client, Target(label="m", base_url=url, model="m"), facts())
        finally:
            await client.aclose()

    with ReferenceServer(Script(hang_on_schema=True, ttft_ms=1, ms_per_forward=0.2)) as server:
        found = {c.name: c for c in asyncio.run(main(server.base_url))}
    assert found["json_schema"].value is None
    assert found["ignore_eos"].value is True
