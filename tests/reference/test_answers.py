"""What the simulated model knows, and where its replies come from."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.errors import InputFileError
from evalkit.reference import Answers, Question, Reply, call_reply
from evalkit.reference.tokenizer import VOCABULARY, count, pieces
from tests.reference.test_faults import TOOLS
from tests.reference.wire import ask, chat, post, say


@pytest.mark.parametrize(
    ("prompt", "reply"),
    [
        ("What is 17 + 25?", "17 + 25 = 42"),
        ("What is 6 * 7?", "6 * 7 = 42"),
        ("What is the capital of France?", "The capital of France is Paris."),
        ("Give the record of Oslo as JSON.", '{"city": "Oslo", "country": "Norway", "people": 697}'),
        ("Write a numbered list of 3 lines using: pear, fig.", "1. pear\n2. fig\n3. pear"),
        ("Count from 7 to 11.", "7 8 9 10 11"),
        ("Repeat exactly: a  b\n c!", "a  b\n c!"),
        ("Copy this sentence: the red dog sees the sun.", "the red dog sees the sun."),
        ("Reverse the list: a, b, c.", "c, b, a"),
        ("Sort the digits: 3 1 2.", "1 2 3"),
        ("The code of box is 77. What is the code of box?", "The code of box is 77."),
        ("code of box: 77. What is the code of box? Answer with the code only.", "77"),
        ("What is 2 + 2? Answer with the number only.", "4"),
        ("What is the code of nobody?", "I do not know the code of nobody."),
    ],
)
def test_closed_questions_have_their_one_answer(serve, prompt, reply):
    assert say(serve(), prompt) == reply


def test_long_copies_come_back_whole(serve):
    text = " ".join(f"item {n};" for n in range(800))
    assert say(serve(), f"Repeat exactly: {text}", max_tokens=8000) == text


def test_open_prompts_get_stable_prose_of_different_lengths(serve):
    one, other = serve(), serve()
    lengths = [chat(one, f"Explain topic {n}.")["usage"]["completion_tokens"] for n in range(12)]
    assert len(set(lengths)) > 6
    assert all(20 < n <= 201 for n in lengths)
    assert say(one, "Explain tides.") == say(other, "Explain tides.")


def test_prose_has_as_many_words_as_asked(serve):
    assert len(say(serve(), "Write 300 words about trees.", max_tokens=2000).split()) == 300


def test_told_prompts_are_found_behind_a_salt_and_rules_come_before_skills(serve):
    answers = Answers({"What is 1 + 1?": "a told answer"})
    answers.add_rule(lambda q: Reply("by rule") if "rule" in q.text else None)
    server = serve(answers=answers)
    assert say(server, "What is 1 + 1?") == "a told answer"
    assert say(server, "[salt 8f3a] What is 1 + 1?") == "a told answer"
    assert say(server, "Is there a rule?") == "by rule"
    assert say(server, "What is 2 + 1?") == "2 + 1 = 3"


def test_replies_load_from_yaml_and_json(tmp_path, serve):
    pairs = tmp_path / "a.json"
    pairs.write_text(json.dumps({"Hi.": "Hello.", "Data?": '{"a": 1}'}))
    entries = tmp_path / "b.yaml"
    entries.write_text(
        "- {prompt: Go, tool_call: {name: go, arguments: {far: true}}}\n- {prompt: Obj, reply: {b: 2}}\n"
    )
    assert Answers.load(pairs).reply(Question("Hi.")) == Reply("Hello.", "prose")
    assert Answers.load(pairs).reply(Question("Data?")).kind == "json"
    loaded = Answers.load(entries)
    assert loaded.reply(Question("Go")) == call_reply("go", {"far": True})
    assert json.loads(loaded.reply(Question("Obj")).text) == {"b": 2}


@pytest.mark.parametrize("text", ["- {prompt: only}", "- 3", "just text", "a: [", "- {prompt: x, tool_call: {}}"])
def test_bad_reply_files_are_input_errors(tmp_path, text):
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(InputFileError, match=r"bad\.yaml"):
        Answers.load(file)


def test_a_missing_reply_file_is_an_input_error(tmp_path):
    with pytest.raises(InputFileError, match="cannot be read"):
        Answers.load(tmp_path / "none.yaml")


def test_tools_are_called_when_they_fit_and_required_ones_always(serve):
    server = serve()

    def message(prompt, **more):
        return chat(server, prompt, tools=TOOLS, **more)["choices"][0]["message"]

    weather = message("What is the weather in Oslo?")["tool_calls"][0]["function"]
    assert weather == {"name": "get_weather", "arguments": '{"city": "Oslo"}'}
    assert "tool_calls" not in message("What is 1 + 1?")
    assert "tool_calls" not in message("What is the weather in Oslo?", tool_choice="none")
    assert message("What is 1 + 1?", tool_choice="required")["tool_calls"]
    named = {"type": "function", "function": {"name": "get_weather"}}
    assert message("Say hello to Rome.", tool_choice=named)["tool_calls"][0]["function"]["name"] == "get_weather"


def test_without_a_tool_parser_there_are_no_calls(serve):
    choice = chat(serve(tool_call_parser=None), "What is the weather in Oslo?", tools=TOOLS)["choices"][0]
    assert choice["finish_reason"] == "stop"
    assert "tool_calls" not in choice["message"]


def test_a_tool_result_is_told(serve):
    turns = [
        {"role": "user", "content": "What is the weather in Oslo?"},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Oslo"}'}}]},
        {"role": "tool", "tool_call_id": "c", "content": "4 degrees"},
    ]  # fmt: skip
    reply = post(serve(), "/v1/chat/completions", {"messages": turns, "tools": TOOLS, "temperature": 0}).json()
    assert "4 degrees" in reply["choices"][0]["message"]["content"]


def test_a_schema_is_met(serve):
    schema = {"type": "object", "required": ["n", "who"], "properties": {
        "n": {"type": "integer"}, "who": {"enum": ["Paris", "Rome"]}, "more": {"type": "array"}}}  # fmt: skip
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    assert json.loads(say(serve(), "Take 3 to Rome", response_format=form)) == {"n": 3, "who": "Rome"}


def test_parts_of_a_message_are_read_together(serve):
    parts = [{"type": "text", "text": "What is 2"}, {"type": "text", "text": " + 2?"}]
    body = ask("", temperature=0) | {"messages": [{"role": "user", "content": parts}]}
    assert post(serve(), "/v1/chat/completions", body).json()["choices"][0]["message"]["content"] == "2 + 2 = 4"


@given(st.text(max_size=200))
def test_tokens_join_to_the_text_and_ids_decode_to_it(text):
    assert "".join(pieces(text)) == text
    assert VOCABULARY.decode(VOCABULARY.encode(pieces(text))) == text


def test_a_token_is_about_four_characters():
    text = "The quick brown fox jumps over the lazy dog, and nobody was surprised at all. " * 20
    assert 3 < len(text) / count(text) < 5
