"""The probe against servers that keep, cut, lose or refuse long prompts."""

from __future__ import annotations

import asyncio
import re

import pytest

from evalkit.client.types import ChatRequest, Exchange, ExchangeError, Target
from evalkit.client.wire import WireClient
from evalkit.reference import ReferenceServer, Script
from evalkit.serving.context_facts import ContextStep
from evalkit.serving.context_probe import classify, lengths, probe_context


def probe(script: Script, need: int = 3000, *, limit: int | None = 4096, output: int | None = None):
    async def main(url: str):
        client = WireClient()
        try:
            target = Target(label="diffusion", base_url=url, model=script.model)
            return await probe_context(
                target, need_tokens=need, need_output_tokens=output, server_limit=limit, client=client, seed=1
            )
        finally:
            await client.aclose()

    with ReferenceServer(script) as server:
        return asyncio.run(main(server.base_url))


def script(**faults: object) -> Script:
    return Script(context_length=4096, ttft_ms=1, ms_per_forward=0.2, **faults)


def test_a_faithful_server_recalls_up_to_the_need_and_refuses_what_is_over_its_limit():
    result = probe(script(), output=256)
    assert result.outcome == "ok", result
    assert result.longest_ok == pytest.approx(3000 - 48, rel=0.05)
    assert all(all(step.recalled.values()) for step in result.steps)
    assert result.over_limit == "refused"
    assert "limit of 4096" in result.over_limit_detail
    assert result.output_reached is not None


def test_silent_truncation_is_seen():
    result = probe(script(truncate_silently=1000))
    assert result.outcome == "truncated", result
    assert result.over_limit != "refused"


def test_a_lost_middle_is_told_from_a_cut():
    result = probe(script(lose_middle=0.6, lose_middle_from=800))
    assert result.outcome == "lost-middle", result
    assert result.over_limit == "refused"


def test_a_window_below_the_need_is_a_refusal():
    result = probe(Script(context_length=1024, ttft_ms=1, ms_per_forward=0.2), need=3000, limit=1024)
    assert result.outcome == "refused"
    assert result.longest_ok is not None
    assert result.longest_ok < 1024
    assert "HTTP 400" in result.steps[-1].error


def test_an_unknown_limit_leaves_the_over_long_request_untried():
    assert probe(script(), limit=None).over_limit == "not-tried"


class FakeClient:
    """Counts words as tokens; `reply` gives the text, `window` cuts in front."""

    def __init__(self, *, text: str = "no idea", count: bool = True, dead: bool = False) -> None:
        self.text, self.count, self.dead = text, count, dead

    async def chat(self, target: Target, request: ChatRequest, *, request_id: str | None = None) -> Exchange:
        if self.dead:
            return Exchange(ok=False, error=ExchangeError(kind="refused", message="sk-secret1secret2 no connection"))
        words = len(request.messages[0]["content"].split())
        return Exchange(
            ok=True, status=200, text=self.text, prompt_tokens=words if self.count else None, finish_reason="stop"
        )

    async def aclose(self) -> None: ...


def fake(client: FakeClient, **more: object):
    target = Target(label="diffusion", base_url="http://127.0.0.1:1", model="m")
    values = {"need_tokens": 2000, "need_output_tokens": None, "server_limit": None, **more}
    return asyncio.run(probe_context(target, client=client, seed=1, **values))


def test_a_model_that_never_recalls_cannot_be_probed_by_recall_and_is_not_called_truncated():
    result = fake(FakeClient())
    assert result.outcome == "no-recall"
    assert result.longest_ok == pytest.approx(1950, rel=0.05)


def test_a_server_without_usage_is_unclear():
    result = fake(FakeClient(count=False))
    assert result.outcome == "unclear"
    assert "usage" in result.error


def test_a_dead_server_is_an_error_without_secrets():
    result = fake(FakeClient(dead=True))
    assert result.outcome == "unclear"
    assert "sk-secret" not in result.model_dump_json()


def test_an_over_long_prompt_that_is_taken_is_no_refusal():
    result = fake(FakeClient(), server_limit=1500)
    assert result.over_limit == "unclear"


def step(counted: int, lost: set[float], asked: int | None = None) -> ContextStep:
    depths = (0.02, 0.25, 0.5, 0.75, 0.98)
    return ContextStep(
        asked_tokens=asked or counted, counted_tokens=counted, ok=True, recalled={str(d): d not in lost for d in depths}
    )


@pytest.mark.parametrize(
    ("lost", "outcome"),
    [
        (set(), "ok"),
        ({0.02}, "truncated"),
        ({0.02, 0.25, 0.5}, "truncated"),
        ({0.75, 0.98}, "truncated"),
        ({0.5}, "lost-middle"),
        ({0.25, 0.5, 0.75}, "lost-middle"),
        ({0.02, 0.25, 0.5, 0.75, 0.98}, "lost"),
    ],
)
def test_the_pattern_of_lost_facts_names_the_fault(lost, outcome):
    assert classify((step(300, set()), step(4000, lost))) == outcome


def test_a_count_below_what_was_sent_is_truncation_even_when_facts_come_back():
    assert classify((step(300, set()), step(2000, set(), asked=4000))) == "truncated"


def test_lengths_end_at_the_need_less_the_reply():
    assert lengths(16384, 300)[-1] == 16384 - 48
    assert lengths(100, 300) == []


@pytest.mark.parametrize(
    ("kind", "status", "message", "outcome"),
    [
        ("http", 400, "longer than the context length", "refused"),
        ("stream-error", 200, "input exceeds the maximum length", "refused"),
        ("protocol", None, "the connection closed before an answer", "unclear"),
        ("timeout", None, "no first byte within 3 s", "unclear"),
        ("http", 503, "the request queue is full", "unclear"),
        ("http", 401, "Unauthorized", "unclear"),
        ("http", 429, "slow down", "unclear"),
        ("stream-error", 200, "the worker died", "unclear"),
    ],
)
def test_a_long_prompt_that_failed_for_another_reason_than_its_length_is_no_refusal(kind, status, message, outcome):
    class Client:
        async def chat(self, target, request, *, request_id=None):
            text = str(request.messages[0]["content"])
            if len(text) < 3000:
                name = text.rpartition("code of ")[2].partition("?")[0]
                code = re.search(rf"code of {name} is (\d+)", text)
                return Exchange(ok=True, text=code.group(1) if code else "", prompt_tokens=len(text) // 4, status=200)
            return Exchange(ok=False, status=status, error=ExchangeError(kind=kind, message=message, status=status))

        async def aclose(self):
            pass

    target = Target(label="diffusion", base_url="http://x", model="m")
    found = asyncio.run(
        probe_context(target, need_tokens=4096, need_output_tokens=None, server_limit=None, client=Client(), seed=1)
    )
    assert found.outcome == outcome
