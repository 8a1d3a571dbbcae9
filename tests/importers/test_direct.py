"""A checklist takes files of other tools as they are."""

from __future__ import annotations

import json

import pytest

from evalkit.checklist.loader import load_checklist
from evalkit.checklist.schema import Request
from evalkit.errors import InputFileError
from evalkit.importers.direct import load_prompts, load_suites
from evalkit.run.setup import prepare
from evalkit.run.sizing import sizing
from evalkit.stored.folder import RunFolder
from tests.importers.support import jsonl


def openai(path, count=3):
    rows = [
        {"messages": [{"role": "user", "content": f"q{i}"}, {"role": "assistant", "content": "a"}]}
        for i in range(count)
    ]
    return jsonl(path, *rows)


def checklist(folder, text):
    (folder / "c.yaml").write_text(text)
    return load_checklist(folder / "c.yaml")


def test_logs_and_a_promptfoo_config_are_named_as_they_are_and_the_converted_text_is_kept(tmp_path):
    (tmp_path / "logs").mkdir()
    openai(tmp_path / "logs" / "openai.jsonl")
    (tmp_path / "promptfooconfig.yaml").write_text(
        "prompts: ['{{q}}']\nproviders: [x]\ntests: [{vars: {q: a}, assert: [{type: contains, value: b}, {type: cost}]}]\n"
    )
    loaded = checklist(tmp_path, "prompts: [logs/openai.jsonl]\ntasks: [promptfooconfig.yaml]\n")
    setup = prepare(loaded)
    assert [len(prompt.request.messages) for prompt in setup.prompts.prompts] == [1, 1, 1]
    assert [len(suite.cases) for suite in setup.suites] == [1]
    notes = "\n".join(sizing(setup, __import__("datetime").date(2026, 1, 1))["notes"])
    assert "cost" in notes
    assert "last turn: 3" in notes
    folder = RunFolder.create(tmp_path / "run", loaded, setup.document())
    folder.keep_imports({one.name: (one.text, one.document()) for one in setup.imports})
    from hashlib import sha256

    kept = {sha256(path.read_bytes()).hexdigest() for path in (tmp_path / "run/evidence/imports").glob("*.jsonl")}
    assert kept == {setup.prompts.facts[0].sha256, setup.suites[0].sha256}
    assert setup.prompts.facts[0].imported == "openai"
    assert setup.prompts.facts[0].source_sha256 == sha256((tmp_path / "logs/openai.jsonl").read_bytes()).hexdigest()


def test_two_files_of_one_name_are_both_kept(tmp_path):
    for name, count in (("a", 2), ("b", 3)):
        (tmp_path / name).mkdir()
        rows = [
            {"messages": [{"role": "user", "content": f"{name}{i}"}], "id": f"{name}{i}", "model": "m"}
            for i in range(count)
        ]
        jsonl(tmp_path / name / "x.jsonl", *rows)
    found, imports = load_prompts([tmp_path / "a/x.jsonl", tmp_path / "b/x.jsonl"], Request())
    assert len(found.prompts) == 5
    assert len({one.name for one in imports}) == 2


@pytest.mark.parametrize(
    "row",
    [{"id": "a", "prompt": "x"}, {"id": "a", "messages": [{"role": "user", "content": "x"}]},
     {"id": "a", "messages": [{"role": "user", "content": "x"}], "tools": [], "temperature": 0.2}],
)  # fmt: skip
def test_evalkits_own_files_stay_evalkits_own(tmp_path, row):
    found, imports = load_prompts([jsonl(tmp_path / "p.jsonl", row)], Request())
    assert found.prompts[0].id == "a"
    assert not imports


@pytest.mark.parametrize(
    ("row", "words"),
    [({"id": "a", "prompt": "x", "promt": 1}, "promt"), ({"id": "a"}, "either"),
     ({"id": "a", "messages": [{"role": "user", "content": "x"}], "max_token": 3}, "max_token"),
     ({"id": "a", "prompt": "x", "tool_choice": "auto"}, "needs `tools`"), ({"id": "a", "prompt": "x", "tools": [{}]}, "tools"),
     ({"id": "a", "prompt": "x", "temperature": 3}, "temperature"), ({"id": "a", "prompt": "x", "stop": [1]}, "stop"),
     ({"id": "a", "prompt": "x", "seed": "1"}, "seed"), ({"id": "a", "prompt": "x", "response_format": "json"}, "response_format")],
)  # fmt: skip
def test_a_slip_in_an_own_file_is_an_error_and_no_other_kind(tmp_path, row, words):
    with pytest.raises(InputFileError, match=words):
        load_prompts([jsonl(tmp_path / "p.jsonl", row)], Request())


def test_own_cases_stay_own_and_rows_with_answers_become_cases(tmp_path):
    own = jsonl(tmp_path / "own.jsonl", {"id": "a", "prompt": "x", "expect": [{"contains": "y"}]})
    rows = jsonl(tmp_path / "rows.jsonl", {"question": "x?", "answer": "y"})
    suites, imports = load_suites([own, rows], Request())
    assert [suite.imported for suite in suites] == [None, "jsonl"]
    assert len(imports) == 1


def test_prompts_without_answers_are_no_tasks(tmp_path):
    with pytest.raises(InputFileError, match="no entry has an expected answer"):
        load_suites([openai(tmp_path / "log.jsonl")], Request())


def test_timed_prompts_carry_tools_and_sampling_as_they_are_sent(tmp_path):
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    row = {"id": "a", "prompt": "x", "tools": [tool], "tool_choice": "auto", "response_format": {"type": "text"},
           "temperature": 0.5, "top_p": 0.8, "seed": 1, "stop": ["x"], "extra_body": {"top_k": 3}}  # fmt: skip
    found, _ = load_prompts([jsonl(tmp_path / "p.jsonl", row)], Request(temperature=0.0, extra_body={"min_p": 0.1}))
    body = found.prompts[0].request.body("m")
    sent = {key: body[key] for key in ("tools", "tool_choice", "response_format", "temperature", "seed", "stop")}
    assert sent == {key: row[key] for key in sent}
    assert (body["top_p"], body["top_k"], body["min_p"]) == (0.8, 3, 0.1)


def test_a_text_that_ends_with_the_assistant_in_an_own_file_is_said(tmp_path):
    jsonl(
        tmp_path / "p.jsonl",
        {"id": "a", "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]},
    )
    setup = prepare(checklist(tmp_path, "prompts: [p.jsonl]\n"))
    assert any(
        "end with a turn of the assistant" in note
        for note in sizing(setup, __import__("datetime").date(2026, 1, 1))["notes"]
    )


def test_a_file_with_more_than_a_checklist_takes_stops_early(tmp_path):
    path = tmp_path / "big.json"
    row = json.dumps({"conversations": [{"from": "human", "value": "hello there"}]})
    path.write_text("[" + ",".join([row] * 20_001) + "]")
    with pytest.raises(InputFileError, match="more than 20,000") as caught:
        load_prompts([path], Request())
    assert "--sample" in (caught.value.hint or "")
