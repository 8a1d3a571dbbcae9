"""The reference server against what SGLang 0.5.23 really answered: statuses, keys, types, order of events, errors."""

import json
import re
from pathlib import Path

import pytest

from evalkit.reference import ReferenceServer, Script
from tests.reference.wire import CLIENT, deltas_of

FIXTURES = Path(__file__).parents[1] / "fixtures/captures/reference"
TRIMODE = {
    "model": "tiny-trimode",
    "block_size": 4,
    "forwards_per_block": 2,
    "context_length": 2048,
    "max_total_num_tokens": 16384,
    "max_running_requests": 8,
    "enable_cache_report": False,
    "ttft_ms": 0,
    "ms_per_forward": 0,
}
KEYED = {**TRIMODE, "model": "tiny", "api_key": "sk-test", "enable_cache_report": True}
SCRIPTS = {
    "sglang-0.5.23": KEYED,
    "sglang-0.5.23-smollm2": {**KEYED, "model": "smollm2-135m"},
    "sglang-0.5.23-trimode-ar": TRIMODE,
    "sglang-0.5.23-trimode-diffusion": {**TRIMODE, "mode": "diffusion"},
    "sglang-0.5.23-trimode-ngram": {**TRIMODE, "mode": "speculative", "accept_max": 6},
}
RECORDED = {name: json.loads((FIXTURES / f"{name}.json").read_text()) for name in SCRIPTS}
CASES = [(name, case) for name in RECORDED for case in RECORDED[name] if case != "get_server_info"]

#: null or not, by what the model happened to say
NULLABLE = {"matched_stop", "cached_tokens_details", "finish_reason"}


@pytest.fixture(scope="module")
def servers():
    running = {name: ReferenceServer(Script(**script)).start() for name, script in SCRIPTS.items()}
    yield running
    for server in running.values():
        server.stop()


def send(server, case):
    request = case["request"]
    headers = {}
    if request["key"]:
        wrong = case["status"] == 401
        headers["Authorization"] = "Bearer " + ("sk-wrong" if wrong else server.script.api_key or "sk-any")
    content = json.dumps(request["body"]) if "body" in request else request.get("raw", "")
    if "hello world" in content:
        content = overlong(request["path"], stream='"stream":true' in content)
    if content:
        headers["Content-Type"] = "application/json"
    url = server.base_url + request["path"]
    return CLIENT.request(request["method"], url, content=content.encode(), headers=headers, timeout=30)


def overlong(path, *, stream):
    text = "hello world and more words " * 3000
    body = {"prompt": text} if path == "/v1/completions" else {"messages": [{"role": "user", "content": text}]}
    return json.dumps({"model": "tiny", **body, "max_tokens": 4, "stream": stream})


def shape(value, key=""):
    """Keys and types: what a client relies on. Numbers are numbers; lists are what they hold."""
    if key in NULLABLE:
        return "any"
    if isinstance(value, dict):
        return {k: shape(v, k) for k, v in value.items()}
    if isinstance(value, list):
        unique = []
        for item in map(shape, value):
            if item not in unique:
                unique.append(item)
        return unique
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "number"
    return type(value).__name__


def kind(event):
    """What a stream event is for."""
    if event == "[DONE]":
        return "done"
    if "text" in event:
        last = event["meta_info"]["finish_reason"] is not None
        return "generate " + ("last" if last else "first" if "response_sent_to_client_ts" in event["meta_info"] else "")
    if not event["choices"]:
        return "usage"
    choice = event["choices"][0]
    if "delta" not in choice:
        return "text finish" if choice["finish_reason"] else "text" if choice["text"] else "text empty"
    delta = choice["delta"]
    if choice["finish_reason"]:
        return "finish"
    if delta.get("tool_calls"):
        return "tool name" if delta["tool_calls"][0]["function"]["name"] else "tool arguments"
    return "role" if delta.get("role") else "content"


def wording(text):
    """An error's text without its numbers and file names."""
    return re.sub(r'File \\"[^"]*"', "File", re.sub(r"\d+", "N", text))


@pytest.mark.parametrize(("name", "case"), CASES, ids=[f"{n}/{c}" for n, c in CASES])
def test_answers_have_the_recorded_status_and_shape(servers, name, case):
    recorded = RECORDED[name][case]
    reply = send(servers[name], recorded)

    assert reply.status_code == recorded["status"]
    assert reply.headers.get("content-type") == recorded.get("content_type")
    assert reply.headers.get("allow") == recorded.get("allow")
    if "events" in recorded:
        compare_streams(parse(reply.text), recorded["events"])
    elif "json" in recorded:
        wanted = recorded["json"]
        wanted.pop("cache", None)
        assert shape(reply.json()) == shape(wanted)
        if recorded["status"] >= 400:
            assert wording(reply.text) == wording(json.dumps(wanted, separators=(",", ":")))
        else:
            assert list(reply.json()) == list(wanted), "keys in SGLang's order"
    else:
        assert reply.content == b""


def parse(text):
    blocks = text.strip().split("\n\n")
    return [b[6:] if b == "data: [DONE]" else json.loads(b[6:]) for b in blocks]


def compare_streams(ours, recorded):
    kinds, wanted = [kind(e) for e in ours], [kind(e) for e in recorded]
    assert list(dict.fromkeys(kinds)) == list(dict.fromkeys(wanted)), "kinds in order of appearance"
    assert kinds[-3:] == wanted[-3:]
    for name in dict.fromkeys(wanted):
        mine = [shape(e) for e, k in zip(ours, kinds, strict=True) if k == name]
        theirs = [shape(e) for e, k in zip(recorded, wanted, strict=True) if k == name]
        assert all(m in theirs for m in mine), name


@pytest.mark.parametrize("name", [n for n in RECORDED if "get_server_info" in RECORDED[n]])
def test_server_info_has_the_recorded_fields_and_types(servers, name):
    recorded = RECORDED[name]["get_server_info"]["json"]
    ours = CLIENT.get(servers[name].base_url + "/server_info").json()

    assert set(recorded) <= set(ours)
    for key, value in recorded.items():
        if value is not None and ours[key] is not None:
            assert shape(ours[key]) == shape(value), key
    told = ("dllm_algorithm", "page_size", "speculative_algorithm", "speculative_num_draft_tokens", "context_length")
    told += ("max_req_input_len", "json_model_override_args", "max_total_num_tokens", "disable_overlap_schedule")
    same = {key: recorded[key] for key in told if key in recorded and key != "disable_overlap_schedule"}
    assert {key: ours[key] for key in same} == same
    assert ours["internal_states"][0]["dllm_algorithm"] == recorded["dllm_algorithm"]
    assert CLIENT.get(servers[name].base_url + "/get_server_info").json()["version"] == "0.5.23"


@pytest.mark.parametrize("name", [n for n in RECORDED if "trimode" in n])
def test_the_same_question_streams_in_the_recorded_rhythm(servers, name):
    recorded = RECORDED[name]["chat_stream_continuous_usage_record"]
    wanted = deltas_of(recorded["events"])
    stream = parse(send(servers[name], recorded).text)
    ours = deltas_of(stream)

    if name.endswith("-ar"):
        assert set(wanted) == set(ours) == {1}
    elif name.endswith("-diffusion"):
        prompt = stream[-2]["usage"]["prompt_tokens"]
        assert (wanted[0], set(wanted[1:-1])) == (4 - 21 % 4, {4})
        assert (ours[0], set(ours[1:-1])) == (4 - prompt % 4, {4})
        assert ours[-1] <= 4
    else:
        assert wanted[0] == ours[0] == 1
        assert max(wanted) == 6
        assert max(ours) <= 6
        assert len(set(ours)) > 2
