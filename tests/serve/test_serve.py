"""A model's own code behind a server, with a tiny model that has the three calls: over real sockets."""

from __future__ import annotations

import asyncio
import base64
import importlib.util
import inspect
import json
import socket
import struct
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.serve.engine import Limits, _Speech
from evalkit.serve.requests import Ask, RefusedError, read
from tests.serve.served import MODEL, MODES, ask, copied, running

#: the calls as the modeling code of Nemotron-Labs-Diffusion has them: required arguments, then those with a default
CALLS = {
    "ar_generate": (
        ["prompt_ids"],
        {"max_new_tokens": 128, "temperature": 0.0, "eos_token_id": None, "max_thinking_tokens": None,
         "end_think_token_id": None},
    ),
    "generate": (
        ["prompt_ids", "max_new_tokens", "block_length"],
        {"threshold": None, "causal_context": True, "temperature": 0.0, "eos_token_id": None,
         "max_thinking_tokens": None, "end_think_token_id": None},
    ),
    "linear_spec_generate": (
        ["prompt_ids"],
        {"max_new_tokens": 128, "block_length": 32, "temperature": 0.0, "mask_token_id": None, "eos_token_id": None,
         "max_thinking_tokens": None, "end_think_token_id": None, "threshold": 0.0},
    ),
}  # fmt: skip
#: forward passes of 25 tokens, as that code counts them
PASSES = {"autoregressive": 25, "diffusion": 4, "self-speculation": 11}
KEY = "sk-canary-serve-1"


@pytest.mark.parametrize("name", CALLS)
def test_our_model_has_the_calls_of_the_models_that_are_served(name):
    spec = importlib.util.spec_from_file_location("own", MODEL / "modeling_tiny.py")
    own = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(own)
    taken = inspect.signature(getattr(own.TinyDiffusionModel, name)).parameters.values()
    known = [one for one in taken if one.name not in ("self", "more")]
    needed, defaults = CALLS[name]
    assert [one.name for one in known if one.default is one.empty] == needed
    assert {one.name: one.default for one in known if one.default is not one.empty} == defaults


@pytest.fixture(scope="module", params=MODES)
def served(request, tmp_path_factory):
    stats = tmp_path_factory.mktemp("stats") / "forward.jsonl"
    with running(request.param, stats_file=stats) as (url, engine):
        yield request.param, url, engine, stats


@pytest.fixture(scope="module")
def one():
    with running("autoregressive", limits=Limits(300, 200)) as (url, _):
        yield url


def test_each_mode_answers_by_its_own_call_and_counts_its_forward_passes(served):
    mode, url, engine, stats = served
    facts, exchange = ask(url, max_tokens=40)
    assert (facts.engine, facts.declared_mode, facts.release) == ("remote-code", mode, "unknown")
    assert len(facts.provenance["remote code"]) == 64
    assert [w.id for w in facts.warnings if "not a serving speed" in w.summary] == ["modes.reference-implementation"]
    assert exchange.ok, exchange.error
    assert exchange.finish_reason == "stop"
    assert exchange.completion_tokens == 25  # 24 and the end token
    assert "<eos>" not in exchange.text
    assert exchange.server["forward_passes"] == PASSES[mode]
    row = json.loads(stats.read_text().splitlines()[-1])
    assert (row["forward_passes"], row["tokens"]) == (PASSES[mode], 25)
    assert engine.counts.unlike == 0  # as the watched module was called, the prompt's pass apart


@pytest.mark.parametrize(("mode", "events"), [("autoregressive", 79), ("diffusion", 3), ("self-speculation", 17)])
def test_a_reply_is_streamed_by_what_becomes_final(tmp_path, mode, events):
    with running(mode, copied(tmp_path, words=79)) as (url, _):
        facts, exchange = ask(url, max_tokens=120)
        _, whole = ask(url, max_tokens=120, stream=False)
    assert exchange.ok, exchange.error
    assert exchange.completion_tokens == whole.completion_tokens == 80
    assert exchange.text == whole.text
    counts = [tokens for _, tokens in exchange.chunks]
    assert len(counts) == events
    assert counts == sorted(counts)
    assert facts.observed_mode in (mode, None)
    if mode == "diffusion":
        assert counts == [32, 64, 80]


def test_a_reply_is_cut_at_max_tokens_although_whole_blocks_are_decoded(served):
    _, url, _, _ = served
    for stream in (True, False):
        _, exchange = ask(url, max_tokens=5, stream=stream)
        assert exchange.ok, exchange.error
        assert (exchange.completion_tokens, exchange.finish_reason) == (5, "length")


def test_a_stop_string_ends_a_reply_wherever_blocks_end(served):
    _, url, _, _ = served
    _, whole = ask(url, max_tokens=40)
    for stream in (True, False):
        _, exchange = ask(url, max_tokens=40, stop=("our\n<assi",), stream=stream)
        assert exchange.ok, exchange.error
        assert exchange.finish_reason == "stop"
        assert exchange.text == whole.text.partition("our\n<assi")[0]
        assert exchange.completion_tokens < whole.completion_tokens


def body(**more) -> bytes:
    return json.dumps({"messages": [{"role": "user", "content": "x"}], **more}).encode()


def post(url: str, data: bytes, **headers: str):
    request = urllib.request.Request(f"{url}/v1/chat/completions", data=data, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.mark.parametrize(
    ("data", "status", "says"),
    [
        (b"", 400, "not JSON"),
        (b"[]", 400, "JSON object"),
        (b"{" * 3000, 400, "not JSON"),
        (b'{"a": 1, "a": 2}', 400, "twice"),
        (b'{"messages": "hello"}', 400, "messages must be a list"),
        (b'{"messages": []}', 400, "messages must be a list"),
        (b'{"messages": [{"no": "role"}]}', 400, "messages[0] needs a role"),
        (b'{"messages": [{"role": "user"}]}', 400, "messages[0] needs content"),
        (body(model="other"), 404, "other is not served"),
        (body(max_tokens=-1), 400, "max_tokens must be a whole number"),
        (body(max_tokens=True), 400, "max_tokens must be a whole number"),
        (body(max_tokens=250), 400, "a reply may have 200 tokens"),
        (body(messages=[{"role": "user", "content": "x " * 200}], max_tokens=100), 400, "exceed the context of 300"),
        (body(temperature="hot"), 400, "temperature must be a number"),
        (body(temperature=9), 400, "temperature must be a number"),
        (body(tools=[{}]), 400, "tools is not supported"),
        (body(n=2), 400, "n is not supported"),
        (body(response_format={"type": "json_object"}), 400, "response_format is not supported"),
        (body(stream="yes"), 400, "stream must be true or false"),
        (body(stop=[""]), 400, "stop must be"),
        (body(messages=[{"role": "developer", "content": "x"}]), 400, "chat template refuses"),
        (
            body(
                messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://h/a.png"}}]}]
            ),
            400,
            "addresses are not fetched",
        ),
    ],
)
def test_a_bad_request_is_refused_with_the_reason_and_the_server_goes_on(one, data, status, says):
    got, told = post(one, data)
    assert got == status
    assert says in told["error"]["message"]
    assert post(one, body(max_tokens=3))[0] == 200


def test_parameters_that_change_nothing_are_taken(one):
    status, told = post(one, body(model="tiny", n=1, top_p=1, tools=None, response_format={"type": "text"}, user="u"))
    assert (status, told["choices"][0]["finish_reason"]) == (200, "stop")


@settings(max_examples=50)
@given(st.binary(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["messages", "role", "content", "type", "text", "image_url", "url", "max_tokens", "stop", "seed", "stream",
         "stream_options", "include_usage", "model", "temperature", "chat_template_kwargs"]), inner, max_size=4),
    max_leaves=12,
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_whatever_is_sent_is_a_request_or_is_refused(data):
    try:
        asked = read(data, names=("tiny",), images=True)
    except RefusedError as error:
        status = error.status
    else:
        status = 400 if asked.messages else 0
    assert 400 <= status < 500


def test_one_request_is_answered_at_a_time_and_few_wait(tmp_path):
    folder = copied(tmp_path, seconds_per_pass=0.01)
    with running("autoregressive", folder, limits=Limits(300, 200, waiting=1)) as (url, engine):
        with ThreadPoolExecutor(4) as pool:
            got = [status for status, _ in pool.map(lambda _: post(url, body(max_tokens=30)), range(4))]
        assert sorted(set(got)) == [200, 503]
        assert got.count(200) >= 2
        assert engine.counts.refused == got.count(503)
        with urllib.request.urlopen(f"{url}/health", timeout=5) as page:
            assert page.status == 200


@pytest.mark.parametrize("stream", [True, False])
def test_work_for_a_client_that_left_ends(tmp_path, stream):
    folder = copied(tmp_path, seconds_per_pass=0.01, words=5000)
    with running("autoregressive", folder, limits=Limits(9000, 9000)) as (url, engine):
        host, _, port = url.removeprefix("http://").partition(":")
        data = body(max_tokens=4000, stream=stream)
        with socket.create_connection((host, int(port))) as client:
            client.sendall(
                b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(data) + data
            )
            if stream:
                assert client.recv(100)
            else:
                until(lambda: engine._current is not None)
        until(lambda: engine.counts.left == 1)
        status, _ = post(url, body(max_tokens=3))  # not behind 40 seconds of work
        assert status == 200


def test_a_client_that_leaves_within_its_request_is_no_fault(one, caplog):
    host, _, port = one.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(b'POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 500\r\n\r\n{"mess')
    assert post(one, body(max_tokens=3))[0] == 200
    assert not [record for record in caplog.records if record.exc_info]


def until(true) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_reply_that_takes_too_long_is_an_error_and_not_a_short_answer(tmp_path):
    folder = copied(tmp_path, seconds_per_pass=0.01, words=500)
    with running("autoregressive", folder, limits=Limits(900, 900, seconds=0.1)) as (url, _):
        status, told = post(url, body(max_tokens=400))
        _, streamed = ask(url, max_tokens=400)
    assert (status, told["error"]["type"]) == (504, "server_error")
    assert not streamed.ok
    assert streamed.error.kind == "stream-error"


def test_an_error_of_the_models_code_is_told_and_makes_the_server_unwell(tmp_path, capsys):
    with running("diffusion", copied(tmp_path, fault="raises")) as (url, engine):
        for _ in range(3):
            status, told = post(url, body())
            assert (status, told["error"]["message"]) == (500, "the model's code raised RuntimeError")
        with pytest.raises(urllib.error.HTTPError, match="503"):
            urllib.request.urlopen(f"{url}/health", timeout=5)
    assert engine.counts.failed == 3
    assert "out of memory" in capsys.readouterr().err


def test_tokens_that_change_after_they_were_final_are_an_error(tmp_path):
    with running("autoregressive", copied(tmp_path, fault="changes")) as (url, _):
        _, exchange = ask(url, max_tokens=40)
    assert not exchange.ok
    assert "changed tokens that were final" in exchange.error.message


def test_a_key_is_asked_for_and_never_told(monkeypatch):
    monkeypatch.setenv("SERVE_KEY", KEY)
    with running("autoregressive", key=KEY) as (url, _):
        facts, exchange = ask(url, api_key_env="SERVE_KEY")
        refused, _ = ask(url)
        request = urllib.request.Request(f"{url}/server_info", headers={"authorization": f"Bearer {KEY}"})
        with urllib.request.urlopen(request) as page:
            told = page.read()
    assert exchange.ok
    assert refused.error_kind == "auth"
    assert KEY.encode() not in told + facts.model_dump_json().encode()


def test_a_vision_language_model_is_shown_its_images(tmp_path):
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 48, 32)  # all that our model looks at
    picture = base64.b64encode(head).decode()
    part = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture}"}}
    asked = body(messages=[{"role": "user", "content": [{"type": "text", "text": "see"}, part]}], max_tokens=9)
    broken = asked.replace(b"iVBOR", b"AAAAA")
    with running("diffusion", copied(tmp_path / "m", vision=True)) as (url, _):
        status, told = post(url, asked)
        assert status == 200, told
        assert "48x32" in told["choices"][0]["message"]["content"]
        status, told = post(url, broken)
        assert (status, "not PNG" in told["error"]["message"]) == (400, True)
    with running("autoregressive", copied(tmp_path / "m", vision=True)) as (url, _):
        status, told = post(url, asked)  # our autoregressive call has no argument for pixels
        assert (status, "no images in this mode" in told["error"]["message"]) == (400, True)


@given(
    st.lists(st.integers(1, 6), max_size=30), st.lists(st.integers(0, 12), max_size=8), st.integers(1, 30),
    st.lists(st.sampled_from(["ab", "b", "é", "bca", "xx"]), max_size=2),
)  # fmt: skip
def test_text_in_pieces_is_the_text_in_one(ids, cuts, most, stop):
    words = {0: b"", 1: b"a", 2: b"b", 3: b"c ", 4: b"\xc3", 5: b"\xa9", 6: b"ab"}

    def decode(some):
        return b"".join(words[one] for one in some).decode("utf-8", "replace")

    asked = Ask((), max_tokens=most, stop=tuple(stop))
    whole, pieces = _Speech(decode, frozenset({0}), asked), _Speech(decode, frozenset({0}), asked)
    full = [*ids, 0]
    spoken = [pieces.more(full[:at]) for at in sorted(cuts) if at <= len(full)]
    spoken.append(pieces.end(full))
    whole.end(full)
    assert "".join(one.text for one in spoken if one) == pieces.text
    assert pieces.reason == whole.reason
    assert pieces.tokens == whole.tokens
    if "\N{REPLACEMENT CHARACTER}" not in whole.text:
        assert pieces.text == whole.text
        assert not any(one in pieces.text for one in stop)


def test_leaving_the_iterator_ends_the_work(tmp_path):
    with running("autoregressive", copied(tmp_path, seconds_per_pass=0.01, words=900)) as (_, engine):

        async def main():
            parts = engine.answer(Ask(({"role": "user", "content": "x y"},), max_tokens=900))
            await anext(parts)
            await parts.aclose()

        asyncio.run(main())
        until(lambda: engine.counts.left == 1)
