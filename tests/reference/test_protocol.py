"""Limits, keys, caches, counters, and the routes beside generation."""

import re
import threading

import pytest

from evalkit.reference.script import Script
from tests.reference.wire import CLIENT, ask, chat, chat_events, events, get, post, say

BEARER = {"Authorization": "Bearer k"}
ADMIN = {"Authorization": "Bearer a"}


@pytest.mark.parametrize(
    ("keys", "plain", "user", "admin"),
    [
        ({}, (200, 200), (200, 200), (200, 200)),
        ({"api_key": "k"}, (401, 401), (200, 200), (401, 401)),
        ({"admin_key": "a"}, (200, 401), (200, 401), (200, 200)),
        ({"api_key": "k", "admin_key": "a"}, (401, 401), (200, 401), (401, 200)),
    ],
)
def test_keys_open_the_routes_of_their_level(serve, keys, plain, user, admin):
    server = serve(**keys)
    for headers, wanted in (({}, plain), (BEARER, user), (ADMIN, admin)):
        codes = get(server, "/server_info", **headers).status_code, get(server, "/flush_cache", **headers).status_code
        assert codes == wanted
    assert {get(server, path).status_code for path in ("/health", "/metrics", "/ready", "/health_generate")} == {200}


def test_server_info_leaks_keys_as_the_real_one_does(serve):
    info = get(serve(api_key="k", admin_key="a"), "/server_info", **BEARER).json()
    for place in (info, *info["internal_states"]):
        assert (place["api_key"], place["admin_api_key"]) == ("k", "a")
    assert "--api-key k" in info["launch_command"]


def test_root_models_and_unknown_models(serve):
    server = serve(model="org/some-model")
    assert get(server, "/").text == "SGLang is running"
    assert get(server, "/v1/models/org/some-model").json()["max_model_len"] == 32768
    missing = get(server, "/v1/models/none")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "model_not_found")


def test_routes_can_be_hidden(serve):
    server = serve(hide=["/server_info", "/metrics"])
    assert {get(server, p).status_code for p in ("/server_info", "/metrics", "/nothing")} == {404}
    assert get(server, "/model_info").status_code == 200
    assert get(serve(enable_metrics=False), "/metrics").status_code == 404


WORDS = "word "


def prompt_of(server, tokens):
    """A prompt that renders to exactly this many tokens."""
    base = chat(server, WORDS, max_tokens=1)["usage"]["prompt_tokens"]
    return WORDS * (tokens - base + 1)


def test_prompts_up_to_the_scheduler_limit_pass_and_longer_ones_are_refused(serve):
    server = serve(context_length=256)
    limit = server.script.max_req_input_len
    assert limit == 256 - 6
    chat(server, prompt_of(server, limit - 1), max_tokens=2)
    late = post(server, "/v1/chat/completions", ask(prompt_of(server, limit), max_tokens=2))
    assert (late.status_code, late.json()["type"]) == (400, "BadRequestError")
    assert f"Input length ({limit} tokens)" in late.json()["message"]
    over = post(server, "/v1/chat/completions", ask(prompt_of(server, 256), max_tokens=2))
    assert "The input (256 tokens) is longer than" in over.json()["message"]


def test_the_scheduler_refuses_inside_a_stream(serve):
    server = serve(context_length=256)
    prompt = prompt_of(server, 251)
    stream = events(server, "/v1/chat/completions", ask(prompt, stream=True, max_tokens=2))
    assert stream[0]["error"]["code"] == 400
    assert stream[-1] == "[DONE]"
    native = {"text": WORDS * 251, "sampling_params": {"max_new_tokens": 2}, "stream": True}
    assert events(server, "/generate", native)[0]["meta_info"]["finish_reason"]["type"] == "abort"


def test_a_stream_that_cannot_fit_is_refused_before_it_starts(serve):
    reply = post(serve(context_length=256), "/v1/chat/completions", ask("hi", stream=True, max_tokens=255))
    assert reply.status_code == 400
    assert "Requested token count exceeds" in reply.json()["message"]


def test_a_block_less_fits_on_a_diffusion_server(serve):
    ar, dllm = Script(context_length=256), Script(context_length=256, mode="diffusion", block_size=32)
    assert dllm.max_req_input_len == ar.max_req_input_len - 32
    server = serve(context_length=256, mode="diffusion", block_size=32)
    usage = chat(server, "x", ignore_eos=True)["usage"]
    assert usage["total_tokens"] == 256 - 32


def test_native_errors_have_their_own_envelope(serve):
    server = serve(context_length=256)
    for body in ({}, {"text": WORDS * 400}, {"text": "x", "sampling_params": {"temperature": -1}}):
        reply = post(server, "/generate", body)
        assert reply.status_code == 400
        assert list(reply.json()["error"]) == ["message"]


ODD_N = b'{"messages": [{"role": "user", "content": "x"}], "n": "many"}'
ODD_STOP = b'{"messages": [{"role": "user", "content": "x"}], "stop": 5}'
ODD_TOOLS = b'{"messages": [{"role": "user", "content": "x"}], "tools": [7]}'


@pytest.mark.parametrize(
    "raw", [b"[1]", b"nope", b"\xff\xfe", b'{"messages": 3}', b'{"messages": ["x"]}', b"", ODD_N, ODD_STOP, ODD_TOOLS]
)
def test_any_body_gets_an_answer(serve, raw):
    url = serve().base_url + "/v1/chat/completions"
    reply = CLIENT.post(url, content=raw, headers={"Content-Type": "application/json"})
    assert (reply.status_code, reply.json()["object"]) == (400, "error")


def test_stop_strings_end_the_reply_and_are_named(serve):
    server = serve()
    choice = chat(server, "Count from 1 to 20.", stop=[" 7"])["choices"][0]
    assert (choice["message"]["content"], choice["matched_stop"]) == ("1 2 3 4 5 6", " 7")
    empty = chat(server, "Count from 1 to 20.", stop="1")["choices"][0]
    assert (empty["message"]["content"], empty["finish_reason"]) == ("", "stop")
    assert chat_events(server, "Count from 1 to 20.", stop="1")[-3]["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("mode", ["autoregressive", "diffusion", "self-speculation"])
def test_ignore_eos_runs_to_the_limit(serve, mode):
    stream = chat_events(serve(mode=mode), "What is 1 + 1?", ignore_eos=True, max_tokens=77)
    assert stream[-2]["usage"]["completion_tokens"] == 77
    assert stream[-3]["choices"][0]["finish_reason"] == "length"


def test_token_counts_agree_between_routes(serve):
    server = serve()
    counts = set()
    for stream in (True, False):
        counts.add(chat_events(server, "Explain rain.")[-2]["usage"]["completion_tokens"] if stream else
                   chat(server, "Explain rain.")["usage"]["completion_tokens"])  # fmt: skip
    native = {"text": "Explain rain.", "sampling_params": {"temperature": 0, "max_new_tokens": 500}}
    reply = post(server, "/generate", native).json()
    counts.add(reply["meta_info"]["completion_tokens"])
    counts.add(len(reply["output_ids"]))
    assert len(counts) == 1


def test_ids_and_batches_of_prompts_are_answered(serve):
    server = serve()
    sampling = {"temperature": 0, "max_new_tokens": 40}
    many = post(server, "/generate", {"text": ["What is 1 + 1?", "What is 2 + 2?"], "sampling_params": sampling}).json()
    assert [r["text"] for r in many] == ["1 + 1 = 2", "2 + 2 = 4"]
    stream = events(
        server, "/v1/completions", {"prompt": ["What is 1 + 1?", "What is 2 + 2?"], "temperature": 0, "stream": True}
    )
    said = {0: "", 1: ""}
    for event in stream[:-1]:
        said[event["choices"][0]["index"]] += event["choices"][0]["text"]
    assert said == {0: "1 + 1 = 2", 1: "2 + 2 = 4"}
    ids = post(server, "/generate", {"text": "Repeat exactly: abc", "sampling_params": sampling}).json()["output_ids"]
    assert post(server, "/v1/completions", {"prompt": ids, "max_tokens": 4}).json()["usage"]["prompt_tokens"] == len(
        ids
    )


def test_cached_tokens_follow_the_common_prefix_in_whole_pages(serve):
    def cached(server, prompt):
        return chat(server, prompt, max_tokens=1)["usage"]["prompt_tokens_details"]["cached_tokens"]

    ar, blocks = serve(), serve(mode="diffusion", block_size=8)
    shared = WORDS * 50
    assert cached(ar, shared + "first") == 0
    assert 50 <= cached(ar, shared + "second") <= 54
    assert cached(blocks, shared + "first") == 0
    assert cached(blocks, shared + "second") % 8 == 0
    assert get(ar, "/flush_cache").text.startswith("Cache flushed.")
    assert cached(ar, shared + "first") == 0
    off = serve(disable_radix_cache=True)
    assert [cached(off, shared) for _ in range(2)] == [0, 0]


def test_a_full_cache_forgets(serve):
    server = serve(context_length=128, max_total_num_tokens=128)
    for letter in "abca":
        usage = chat(server, f"{letter} " * 60, max_tokens=1)["usage"]
    assert usage["prompt_tokens_details"]["cached_tokens"] < 10


def test_flushing_a_busy_server_is_refused(serve):
    server = serve(ttft_ms=400)
    busy = threading.Thread(target=say, args=(server, "y"))
    busy.start()
    while not get(server, "/v1/loads").json()["loads"][0]["num_running_reqs"]:
        assert busy.is_alive()
    assert get(server, "/flush_cache").status_code == 400
    busy.join()
    assert get(server, "/flush_cache").status_code == 200


def metric(server, name):
    """The sum of a metric over its labels; null when it has no sample."""
    found = re.findall(rf"^sglang:{name}(?:\{{[^}}]*\}})? (\S+)$", get(server, "/metrics").text, re.MULTILINE)
    return sum(map(float, found)) if found else None


def test_counters_count_what_was_generated(serve):
    server = serve(mode="speculative", accept_max=4)
    usage = chat_events(server, "Explain snow.")[-2]["usage"]["completion_tokens"]
    usage += chat(server, "Explain ice.")["usage"]["completion_tokens"]
    assert metric(server, "generation_tokens_total") == usage
    assert metric(server, "num_requests_total") == 2
    assert metric(server, "context_len") == 32768
    assert 0 < metric(server, "spec_verify_calls_total") < usage
    accepted = get(server, "/server_info").json()["internal_states"][0]["avg_spec_accept_length"]
    assert accepted == pytest.approx(usage / metric(server, "spec_verify_calls_total"))


def test_diffusion_counts_its_passes_as_prefill_and_has_no_throughput(serve):
    server = serve(mode="diffusion", block_size=16, forwards_per_block=5, disable_radix_cache=True)
    stream = chat_events(server, "Explain fog.")
    blocks = sum(1 for e in stream if e != "[DONE]" and e["choices"] and e["choices"][0]["delta"].get("content"))
    prefill = stream[-2]["usage"]["prompt_tokens"] // 16
    assert metric(server, "cuda_graph_passes_total") == blocks * 5 + prefill
    assert metric(server, "gen_throughput") == 0
    assert server.emissions()[0].forwards == blocks * 5 + prefill
    ar = serve()
    chat(ar, "Explain fog.")
    assert metric(ar, "gen_throughput") > 0


def test_logprobs_come_with_tokens_except_in_diffusion(serve):
    want = {"logprobs": True, "top_logprobs": 3}
    reply = chat(serve(), "What is 1 + 1?", **want)["choices"][0]["logprobs"]["content"]
    assert "".join(t["token"] for t in reply) == "1 + 1 = 2"
    assert {len(t["top_logprobs"]) for t in reply} == {3}
    assert chat(serve(mode="diffusion"), "What is 1 + 1?", **want)["choices"][0]["logprobs"] == {"content": []}
    streamed = [e["choices"][0]["logprobs"] for e in chat_events(serve(), "What is 1 + 1?", **want)[1:-3]]
    assert [e["content"][0]["token"] for e in streamed] == [t["token"] for t in reply]
    body = {"prompt": "What is 1 + 1?", "temperature": 0, "logprobs": 2}
    text = post(serve(), "/v1/completions", body).json()["choices"][0]["logprobs"]
    assert text["tokens"] == [t["token"] for t in reply]
    assert text["token_logprobs"] == [t["logprob"] for t in reply]
    assert {len(t) for t in text["top_logprobs"]} == {2}
    assert {
        len(e["choices"][0]["logprobs"]["tokens"])
        for e in events(serve(), "/v1/completions", body | {"stream": True})[:-2]
    } == {1}


def test_several_choices_stream_side_by_side(serve):
    server = serve(ms_per_forward=1)
    stream = chat_events(server, "Tell me a story.", n=2, seed=3) if False else chat_events(server, "Tell me.", n=2)
    said = {0: "", 1: ""}
    for event in stream[:-2]:
        choice = event["choices"][0]
        said[choice["index"]] += choice["delta"].get("content") or ""
    assert said[0] == said[1] != ""
    assert [e["choices"][0]["finish_reason"] for e in stream[:-2]].count("stop") == 2
