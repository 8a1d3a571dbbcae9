"""Every fault does what it says, to the prompts it should strike, and nothing else."""

import json

import pytest

from evalkit.reference import Answers
from evalkit.reference.script import Script
from evalkit.reference.state import State
from tests.reference.wire import CLIENT, chat, chat_events, content_of, get, post, say

SUMS = [f"What is {a} + {a + 3}?" for a in range(40)]
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
]
CITIES = ["Paris", "Tokyo", "Rome", "Madrid", "Berlin", "London", "Vienna", "Lisbon", "Athens", "Oslo", "Cairo", "Lima"]


def right(server):
    return {p for p in SUMS if say(server, p).endswith(f"= {eval(p[8:-1])}")}


def test_error_rate_strikes_the_same_share_of_prompts_in_every_server(serve):
    assert right(serve()) == set(SUMS)
    some, same, more = (right(serve(error_rate=rate)) for rate in (0.3, 0.3, 0.6))
    assert some == same
    assert 18 <= len(some) <= 36
    assert more < some, "a higher rate adds prompts and spares none"
    assert right(serve(error_rate=0.3, seed=9)) != some


def test_wrong_answers_can_be_told_beforehand(serve, tmp_path):
    file = tmp_path / "replies.yaml"
    file.write_text('- {prompt: "Who wrote it?", reply: Ada, wrong: Bob}\n')
    assert say(serve(answers=Answers.load(file)), "Who wrote it?") == "Ada"
    assert say(serve(answers=Answers.load(file), error_rate=1), "Who wrote it?") == "Bob"


def test_wrong_json_and_wrong_calls_still_have_their_form(serve):
    server = serve(error_rate=1)
    record = json.loads(say(server, "Give the record of Rome as JSON."))
    assert set(record) == {"city", "country", "people"}
    assert record != {"city": "Rome", "country": "Italy", "people": 2873}
    (call,) = chat(server, "What is the weather in Rome?", tools=TOOLS)["choices"][0]["message"]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"city": "Atlantis"}


def test_every_kind_of_reply_can_be_wrong(serve):
    answers = Answers({"Flag?": '{"on": true}', "List?": "[1, 2]", "Word?": "a marvellous day", "None?": "[]"})
    right, wrong = serve(answers=answers), serve(answers=answers, error_rate=1)
    assert json.loads(say(wrong, "Flag?")) == {"on": False}
    assert json.loads(say(wrong, "List?"))[1] == 2
    assert say(wrong, "Word?") == "a something day"
    for prompt in ("List?", "Write a numbered list of 4 lines.", "Count from 3 to 9.", "Repeat exactly: some text"):
        assert say(wrong, prompt) != say(right, prompt)


def test_corrupt_json_does_not_parse_and_leaves_other_replies_alone(serve):
    server = serve(corrupt_json_rate=1)
    for city in CITIES:
        with pytest.raises(ValueError, match=r".+"):
            json.loads(say(server, f"Give the record of {city} as JSON."))
    assert right(server) == set(SUMS)


def test_long_replies_loop_to_the_token_limit(serve):
    server = serve(loop_on_long=1, long_tokens=60)
    reply = chat(server, "Write a numbered list of 50 lines.", max_tokens=300)
    text = reply["choices"][0]["message"]["content"]
    assert reply["choices"][0]["finish_reason"] == "length"
    assert reply["usage"]["completion_tokens"] == 300
    assert text[-60:] in text[:-20]
    assert say(server, "What is 1 + 1?") == "1 + 1 = 2"


def test_temperature_gives_other_draws_unless_ignored(serve):
    hot = {"temperature": 1.0}
    healthy, stuck = serve(), serve(ignore_temperature=True)
    assert len({say(healthy, "Tell me a story.", **hot) for _ in range(8)}) == 8
    assert len({say(healthy, "Tell me a story.", seed=s, **hot) for s in (1, 1, 2)}) == 2
    assert len({say(healthy, "Tell me a story.") for _ in range(4)}) == 1
    assert len({say(stuck, "Tell me a story.", seed=s, **hot) for s in range(4)}) == 1
    several = chat(healthy, "Tell me a story.", n=3, **hot)["choices"]
    assert len({c["message"]["content"] for c in several}) == 3


def test_hot_json_stays_json(serve):
    server = serve()
    texts = {say(server, "Give the record of Rome as JSON.", temperature=1.0, seed=s) for s in range(12)}
    assert len(texts) > 3
    assert all(json.loads(t)["city"] == "Rome" for t in texts)


def test_mask_tokens_leak(serve):
    assert "<|mask|>" in say(serve(leak_mask_tokens=1), "Tell me a story.")
    assert "<|mask|>" not in say(serve(), "Tell me a story.")


def test_malformed_tool_calls_are_text_or_cut_or_empty(serve):
    server = serve(malformed_tool_calls=1)
    kinds = set()
    for city in CITIES:
        choice = chat(server, f"What is the weather in {city}?", tools=TOOLS)["choices"][0]
        calls = choice["message"].get("tool_calls")
        kinds.add("empty" if calls and not calls[0]["function"]["arguments"] else "cut" if calls else "text")
        if calls:
            with pytest.raises(ValueError, match=r".+"):
                json.loads(calls[0]["function"]["arguments"])
        else:
            assert "<tool_call>" in choice["message"]["content"]
            assert choice["finish_reason"] == "stop"
    assert kinds == {"empty", "cut", "text"}


def test_a_call_cut_by_the_token_limit_is_partial_in_a_stream_and_nothing_otherwise(serve):
    server = serve()
    prompt, limit = "What is the weather in Oslo?", {"tools": TOOLS, "max_tokens": 24}
    whole = chat(server, prompt, **limit)["choices"][0]
    assert (whole["message"]["content"], whole["finish_reason"]) == ("", "length")
    assert "tool_calls" not in whole["message"]
    stream = chat_events(server, prompt, **limit)
    names = [e["choices"][0]["delta"]["tool_calls"][0]["function"]["name"] for e in stream[1:-3]]
    assert names[0] == "get_weather"
    assert stream[-3]["choices"][0]["finish_reason"] == "length"


def arguments_streamed(server):
    stream = chat_events(server, "What is the weather in Oslo?", tools=TOOLS)
    calls = [
        c for e in stream if e != "[DONE]" and e["choices"] for c in e["choices"][0]["delta"].get("tool_calls", [])
    ]
    return "".join(c["function"]["arguments"] for c in calls)


def test_whole_calls_in_one_chunk_can_lose_their_arguments_in_streams_only(serve):
    broken = {"mode": "diffusion", "block_size": 64, "align_blocks": False, "lose_streamed_arguments": True}
    assert arguments_streamed(serve(**broken)) == ""
    assert arguments_streamed(serve(**{**broken, "block_size": 4})) == '{"city": "Oslo"}'
    whole = chat(serve(**broken), "What is the weather in Oslo?", tools=TOOLS)
    assert whole["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == '{"city": "Oslo"}'


@pytest.mark.parametrize("factor", [0.5, 1.7])
def test_length_factor_scales_prose_and_spares_facts(serve, factor):
    plain, scaled = serve(), serve(length_factor=factor)
    tokens = [chat(s, "Explain rivers.")["usage"]["completion_tokens"] - 1 for s in (plain, scaled)]
    assert tokens[1] == round(tokens[0] * factor)
    prompt = "Give the record of Rome as JSON."
    assert say(scaled, prompt) == say(plain, prompt)


def haystack(depth, lines=60):
    text = [f"Line {n} has nothing to say." for n in range(lines)]
    text.insert(int(depth * lines), "The code of parcel 17 is K4712.")
    return "\n".join(text) + "\nWhat is the code of parcel 17?"


def test_facts_are_recalled_from_any_depth(serve):
    server = serve()
    assert all("K4712" in say(server, haystack(depth)) for depth in (0, 0.25, 0.5, 0.75, 1))


def test_facts_in_the_middle_are_lost_when_told_so(serve):
    server = serve(lose_middle=0.5, lose_middle_from=100)
    found = {depth: "K4712" in say(server, haystack(depth)) for depth in (0, 0.1, 0.4, 0.6, 0.9)}
    assert found == {0: True, 0.1: True, 0.4: False, 0.6: False, 0.9: True}
    assert "K4712" in say(server, haystack(0.5, lines=2)), "short prompts lose nothing"


def test_silent_truncation_cuts_the_front_without_an_error(serve):
    server = serve(truncate_silently=200, context_length=400)
    early, late = chat(server, haystack(0.0, 200)), chat(server, haystack(0.99, 200))
    assert "K4712" not in early["choices"][0]["message"]["content"]
    assert "K4712" in late["choices"][0]["message"]["content"]
    assert early["usage"]["prompt_tokens"] == 200


def test_faults_do_not_depend_on_the_mode(serve):
    faults = {"error_rate": 0.3, "leak_mask_tokens": 0.2, "seed": 4}
    ar, spec = serve(**faults), serve(mode="self-speculation", **faults)
    assert [say(ar, p) for p in SUMS[:15]] == [say(spec, p) for p in SUMS[:15]]


def test_streams_and_whole_replies_agree_under_faults(serve):
    server = serve(mode="diffusion", error_rate=0.5, leak_mask_tokens=0.5, corrupt_json_rate=0.5)
    for prompt in [*SUMS[:6], "Give the record of Rome as JSON.", "Tell me more."]:
        assert content_of(chat_events(server, prompt)) == say(server, prompt)


def test_a_request_with_a_schema_can_hang_while_others_go_on(serve):
    import httpx2

    server = serve(mode="diffusion", hang_on_schema=True)
    schema = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
    body = {"messages": [{"role": "user", "content": "x"}], "response_format": schema}
    with pytest.raises(httpx2.TimeoutException):
        CLIENT.post(server.base_url + "/v1/chat/completions", json=body, timeout=0.3)
    assert say(server, "What is 1 + 1?") == "1 + 1 = 2"


def test_a_server_dies_in_the_middle_of_a_request(serve):
    import httpx2

    server = serve(die_after_requests=2, ms_per_forward=1)
    assert [say(server, f"What is {n} + 1?") for n in (1, 2)] == ["1 + 1 = 2", "2 + 1 = 3"]
    get(server, "/v1/models")
    with pytest.raises(httpx2.RemoteProtocolError):
        chat_events(server, "What is 3 + 1?")
    with pytest.raises(httpx2.ConnectError):
        post(server, "/v1/chat/completions", {})
    server._thread.join(5)
    assert not server.alive
    assert server.emissions()[-1].aborted


# -- servers that look better than they are -------------------------------------------------------------------------


def test_replies_of_no_worth_are_ordered_by_name(serve):
    assert say(serve(says="OK"), "Tell me about rivers.") == "OK"
    assert json.loads(say(serve(says="OK"), "Give the record of Rome as JSON."))["city"] == "Rome"
    choice = chat(serve(cut_short=1), "Tell me about rivers.")["choices"][0]
    whole = say(serve(), "Tell me about rivers.")
    assert (choice["finish_reason"], whole.startswith(choice["message"]["content"])) == ("length", True)
    message = chat(serve(reasoning_only=1), "Tell me about rivers.")["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"]) == ("", whole)
    streamed = chat_events(serve(reasoning_only=1), "Tell me about rivers.")
    assert content_of(streamed) == ""


def test_counts_ends_and_names_may_be_wrong(serve):
    right = chat(serve(), "Tell me about rivers.")["usage"]["completion_tokens"]
    reply = chat(serve(usage_factor=3, end_word="null", answers_as="vendor/other"), "Tell me about rivers.")
    assert reply["usage"]["completion_tokens"] == 3 * right
    assert (reply["choices"][0]["finish_reason"], reply["model"]) == ("null", "vendor/other")
    server = serve(answers_as="vendor/other", answers_as_every=2)
    assert [chat(server, "Hello?")["model"] == "vendor/other" for _ in range(4)] == [False, True, False, True]


def paces(prompts, **changes):
    """By what the times of each reply are multiplied."""
    state = State(Script(**changes))
    ask = lambda text: json.dumps({"messages": [{"role": "user", "content": text}]}).encode()  # noqa: E731
    works = [state.plan(state.desk.accept("chat", ask(text))) for text in prompts]
    return [round(work.ticks[0][0].after_ms / state.script.ttft_ms, 3) for work in works]


def test_speed_may_be_a_memory_s_or_not_last():
    one, salted, other = "Why do rivers bend at all?", "[3f]\nWhy do rivers bend at all?", "Why is the sea salt?"
    assert paces([one, other, one, salted], remembers=0.5) == [1, 1, 0.5, 1]
    assert paces([one, other, salted], remembers=0.5, remembers_by="meaning") == [1, 1, 0.5]
    assert paces([one, salted, other], remembers=0.5, remembers_words=("Why do",)) == [0.5, 1, 1]
    assert paces([one, other, one], fades=0.1) == [1, 1.1, 1.21]
    assert paces([one, other, one], slow_after=2, slower=3) == [1, 1, 3]
