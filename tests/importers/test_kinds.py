"""Each kind: what is carried over, what is counted as lost, and that a run loads what was written."""

from __future__ import annotations

import json

import pytest

from evalkit.errors import InputFileError, UsageError
from evalkit.importers.base import Options
from evalkit.importers.write import import_files
from tests.importers.support import imported, jsonl

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def test_a_sharegpt_conversation_is_cut_before_the_last_answer_and_keeps_the_earlier_ones(tmp_path):
    path = tmp_path / "chats.json"
    turns = [("human", "a"), ("gpt", "b"), ("human", "c"), ("gpt", "d"), ("gpt", "e")]
    rows = [
        {"id": "one", "conversations": [{"from": who, "value": text} for who, text in turns], "lang": "en"},
        {"conversations": [{"from": "gpt", "value": "hello"}]},
        {"id": "one", "system": "Be brief.", "conversations": [{"from": "user", "value": "x"}]},
    ]
    path.write_text(json.dumps(rows, indent=2))
    found = imported(path)
    first, second = found.prompts().prompts
    assert [m["content"] for m in first.request.messages] == ["a", "b", "c"]
    assert [m["role"] for m in second.request.messages] == ["system", "user"]
    assert first.id == "one"
    assert second.id != "one"
    assert found.count("changed", "last turn") == 1
    assert found.count("left_out", "no turn of the user") == 1
    assert found.count("lost", "`lang`") == 1
    lines = path.read_text().splitlines()
    places = [int(row["source"].rpartition(":")[2]) for row in found.rows()]
    assert all(lines[place - 1].strip() == "{" for place in places)


def test_sharegpt_tool_calls_become_calls_and_their_results(tmp_path):
    turns = [
        ("human", "Weather?"), ("function_call", '{"name": "f", "arguments": {"city": "Oslo"}}'), ("observation", "rain"),
    ]  # fmt: skip
    row = {"conversations": [{"from": w, "value": t} for w, t in turns], "tools": json.dumps([{"name": "f"}])}
    (prompt,) = imported(jsonl(tmp_path / "t.jsonl", row)).prompts().prompts
    call, result = prompt.request.messages[1:]
    assert json.loads(call["tool_calls"][0]["function"]["arguments"]) == {"city": "Oslo"}
    assert result["tool_call_id"] == call["tool_calls"][0]["id"]
    assert prompt.request.tools[0]["function"]["name"] == "f"


def test_a_logged_openai_request_is_timed_as_it_was_sent(tmp_path):
    body = {
        "model": "gpt", "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}],
        "tools": [TOOL], "tool_choice": "required", "response_format": {"type": "json_object"}, "temperature": 0.4,
        "top_p": 0.9, "max_completion_tokens": 7, "stop": "END", "seed": 3, "metadata": {"team": "x"}, "n": 2,
    }  # fmt: skip
    found = imported(jsonl(tmp_path / "log.jsonl", body))
    (prompt,) = found.prompts().prompts
    sent = prompt.request.body("served")
    assert [m["content"] for m in sent["messages"]] == ["q"]
    expected = {key: body[key] for key in ("tools", "tool_choice", "response_format", "temperature", "top_p", "seed")}
    assert {key: sent[key] for key in expected} == expected
    assert (sent["max_tokens"], sent["stop"], prompt.tags) == (7, ["END"], ("team=x",))
    assert set(found.tally.lost) == {"field `model` of the request", "field `n` of the request"}


@pytest.mark.parametrize(
    "row",
    [
        {"custom_id": "r", "method": "POST", "url": "/v1/chat/completions",
         "body": {"messages": [{"role": "user", "content": "q"}]}},
        {"id": "r", "request": {"messages": [{"role": "user", "content": "q"}]}, "response": {"choices": []}},
        {"id": "r", "request": json.dumps({"messages": [{"role": "user", "content": "q"}]})},
        {"id": "r", "input": {"messages": [{"role": "user", "content": "q"}]}, "preferred_output": []},
        {"id": "r", "input": [{"role": "user", "content": "q"}], "model": "m"},
        {"id": "r", "model": "m", "input": "q"},
        {"custom_id": "r", "url": "/v1/responses", "body": {"model": "m", "input": "q", "max_output_tokens": 5}},
    ],
)  # fmt: skip
def test_batch_files_and_logs_hold_the_request_in_a_field(tmp_path, row):
    found = imported(jsonl(tmp_path / "x.jsonl", row))
    (prompt,) = found.prompts().prompts
    assert [m["content"] for m in prompt.request.messages] == ["q"]
    assert prompt.id == "r"


@pytest.mark.parametrize("system", ["Be brief.", [{"type": "text", "text": "Be "}, {"type": "text", "text": "brief."}]])
def test_a_system_text_next_to_the_messages_is_carried_over(tmp_path, system):
    row = {"model": "m", "system": system, "max_tokens": 9, "messages": [{"role": "user", "content": "q"}]}
    (line,) = imported(jsonl(tmp_path / "a.jsonl", row)).rows()
    assert line["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "q"}]


def test_a_request_of_the_responses_api_with_an_image_is_left_out_and_not_asked_without_it(tmp_path):
    parts = [{"type": "input_text", "text": "What is this?"}, {"type": "input_image", "image_url": "data:x"}]
    rows = [{"model": "m", "input": "Say hi"}, {"model": "m", "input": [{"role": "user", "content": parts}]}]
    found = imported(jsonl(tmp_path / "a.jsonl", *rows))
    assert len(found.rows()) == 1
    assert found.count("left_out", "not a conversation of texts") == 1


def test_requests_to_other_endpoints_are_left_out_and_counted(tmp_path):
    rows = [{"custom_id": "e", "url": "/v1/embeddings", "body": {"model": "m", "input": "q"}},
            {"custom_id": "c", "url": "/v1/chat/completions", "body": {"messages": [{"role": "user", "content": "q"}]}}]  # fmt: skip
    found = imported(jsonl(tmp_path / "b.jsonl", *rows), "openai")
    assert len(found.prompts().prompts) == 1
    assert found.count("left_out", "/v1/embeddings") == 1


def test_a_table_becomes_a_suite_whose_gold_answers_are_contained(tmp_path):
    path = tmp_path / "qa.csv"
    path.write_bytes('\ufeffquestion;expected;note\r\n"Two; and\r\ntwo?";4;x\r\nThree?;;y\r\n'.encode())
    found = imported(path)
    suite = found.suite()
    assert [case.request.messages[0]["content"] for case in suite.cases] == ["Two; and\r\ntwo?"]
    assert found.cases[0]["expect"] == [{"contains": "4"}]
    assert [row["prompt"] for row in found.rows()] == ["Three?"]
    assert [row["source"] for row in (*found.cases, *found.rows())] == ["qa.csv:2", "qa.csv:4"]
    assert any("note" in note for note in found.tally.notes)
    assert found.count("changed", "no gold answer") == 1


@pytest.mark.parametrize(
    ("grader", "answer", "expect"),
    [
        ("equals", "Paris", [{"equals": "Paris"}]),
        ("number", "1,234", [{"number": 1234.0}]),
        ("number", "two steps\n#### 12", [{"number": 12.0}]),
        ("regex", "^a+$", [{"regex": "^a+$"}]),
        ("json_match", '{"a": 1}', [{"json_match": {"a": 1}}]),
        ("contains", ["a", "b"], [{"contains": {"any": ["a", "b"]}}]),
    ],
)
def test_the_grader_of_gold_answers_is_the_users_choice(tmp_path, grader, answer, expect):
    path = jsonl(tmp_path / "q.jsonl", {"question": "q", "answer": answer})
    found = imported(path, grader=grader)
    assert found.cases[0]["expect"] == expect
    assert found.suite().cases


def test_json_of_any_shape_is_mapped_by_columns_and_paths(tmp_path):
    rows = [
        {"data": {"q": "Hi?"}, "labels": [{"v": "yes"}], "k": 1},
        {"data": {"q": "Yo?"}, "labels": [{"v": "no"}], "k": 2},
    ]
    path = tmp_path / "x.json"
    path.write_text(json.dumps(rows))
    with pytest.raises(InputFileError, match=r"x\.json:1: no column .*data, labels, k"):
        imported(path)
    found = imported(path, columns={"prompt": "data.q", "answer": "labels.0.v", "id": "k"})
    assert [(case["id"], case["prompt"], case["expect"]) for case in found.cases] == [
        ("1", "Hi?", [{"contains": "yes"}]), ("2", "Yo?", [{"contains": "no"}]),
    ]  # fmt: skip


def test_prompts_of_one_template_are_pointed_at_with_the_line_that_declares_them(tmp_path):
    rows = [{"question": f"Give the capital of country {i} as JSON with key city"} for i in range(5)]
    rows += [{"question": "Write a poem about rain in the mountains of Norway"}]
    found = imported(jsonl(tmp_path / "x.jsonl", *rows))
    (template,) = found.document["templates"]
    assert template["prompts"] == 5
    assert f'"cluster": "{template["cluster"]}"' in "".join(found.one.text())


def test_nothing_is_overwritten_and_a_failed_import_leaves_nothing(tmp_path):
    path = jsonl(tmp_path / "x.jsonl", {"question": "q"}, {"question": 3})
    out = tmp_path / "out"
    with pytest.raises(InputFileError, match=r"x\.jsonl:2"):
        import_files([path], out, Options())
    assert list(out.iterdir()) == []
    import_files([path], out, Options(skip_bad=True))
    before = (out / "x.jsonl").read_bytes()
    with pytest.raises(UsageError, match="exists already"):
        import_files([path], out, Options(skip_bad=True))
    assert (out / "x.jsonl").read_bytes() == before


def test_a_sample_is_drawn_over_the_whole_file_and_always_the_same(tmp_path):
    path = jsonl(tmp_path / "x.jsonl", *({"question": f"question {i}"} for i in range(200)))
    one, again = imported(path, sample=20), imported(path, sample=20)
    assert one.rows() == again.rows()
    assert len(one.rows()) == 20
    assert len(imported(path, limit=20).rows()) == 20
    assert one.rows() != imported(path, limit=20).rows()


@pytest.mark.parametrize(
    ("row", "prompt"),
    [
        ({"instruction": "Do it.", "input": "with this", "output": "r"}, "Do it.\n\nwith this"),
        ({"instruction": "Do it.", "input": "", "output": "r"}, "Do it."),
        ({"instruction": "Do it.", "context": "about that", "response": "r"}, "about that\n\nDo it."),
        ({"context": "about that", "question": "Who?", "answers": {"text": ["r"]}}, "about that\n\nWho?"),
    ],
)
def test_what_belongs_to_a_question_is_asked_with_it(tmp_path, row, prompt):
    found = imported(jsonl(tmp_path / "x.jsonl", row))
    assert [case["prompt"] for case in found.cases] == [prompt]
    assert not any("not used" in note for note in found.tally.notes)


def test_a_suite_of_evalkits_own_is_said_to_be_one(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("suite: {name: x, kind: chat}\ncases: []\n")
    with pytest.raises(InputFileError, match="own format"):
        imported(path)
