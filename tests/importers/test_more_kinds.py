"""Traces, tasks of lm-eval, Parquet, and data sets of the Hub from its cache."""

from __future__ import annotations

import json
import sys
import types

import pytest

from evalkit.checklist.schema import Request
from evalkit.errors import EvalkitError, InputFileError
from evalkit.importers.base import Options
from evalkit.importers.direct import load_prompts
from evalkit.importers.write import import_files
from tests.importers.support import imported, jsonl


def test_a_mooncake_trace_keeps_times_lengths_and_shared_beginnings(tmp_path):
    rows = [{"timestamp": 100, "input_length": 1200, "output_length": 52, "hash_ids": [0, 1, 2]},
            {"timestamp": 205, "input_length": 1800, "output_length": 26, "hash_ids": [0, 3, 4, 5]},
            {"timestamp": 374, "input_length": 30, "output_length": 9}]  # fmt: skip
    found = imported(jsonl(tmp_path / "trace.jsonl", *rows))
    first, second, third = found.rows()
    assert [row["at_ms"] for row in found.rows()] == [0, 105, 274]
    assert [row["max_tokens"] for row in found.rows()] == [52, 26, 9]
    assert [len(row["prompt"].split()) for row in found.rows()] == [1200, 1800, 30]
    assert first["prompt"].split()[:512] == second["prompt"].split()[:512]
    assert first["prompt"].split()[512:600] != second["prompt"].split()[512:600]
    assert third["prompt"].split()[:20] != first["prompt"].split()[:20]
    assert found.rows() == imported(tmp_path / "trace.jsonl").rows()
    assert any("made up" in note for note in found.tally.notes)
    assert len(load_prompts([tmp_path / "trace.jsonl"], Request())[0].prompts) == 3


def test_an_aiperf_trace_carries_messages_tools_and_sessions(tmp_path):
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    rows = [{"session_id": "s", "timestamp": 0, "output_length": 5, "tools": [tool], "extra": {"nvext": 1},
             "messages": [{"role": "user", "content": "q"}]},
            {"session_id": "s", "delay": 50, "output_length": 5, "text_input": "more", "timestamp": None},
            {"session_id": "t", "message_mode": "delta", "messages": [{"role": "user", "content": "x"}], "timestamp": 9}]  # fmt: skip
    found = imported(jsonl(tmp_path / "t.jsonl", *rows))
    first, second = found.rows()
    assert (first["cluster"], first["tools"], first["extra_body"]) == ("s", [tool], {"nvext": 1})
    assert "at_ms" not in second
    assert found.count("left_out", "delta") == 1
    assert found.count("lost", "delay") == 1


def test_guidellm_counts_in_seconds(tmp_path):
    path = jsonl(tmp_path / "t.jsonl", *({"timestamp": at, "input_length": 9, "output_length": 2} for at in (1.0, 1.5)))
    assert [row["at_ms"] for row in imported(path, "guidellm").rows()] == [0, 500]


@pytest.mark.parametrize("row", [{"timestamp": -1}, {"timestamp": "x"}, {"timestamp": True}, {"timestamp": 5, "input_length": 0},
                                 {"timestamp": 5}, {"timestamp": float("nan")}, {"timestamp": 1}])  # fmt: skip
def test_a_bad_line_of_a_trace_is_named(tmp_path, row):
    path = jsonl(tmp_path / "t.jsonl", {"timestamp": 2, "input_length": 3, "output_length": 1}, {"input_length": 3, **row}
                 if row.get("timestamp") != 5 else row)  # fmt: skip
    with pytest.raises(InputFileError, match=r"t\.jsonl:2"):
        imported(path)


TASK = """task: t
dataset_path: json
dataset_kwargs: {data_files: {test: data.jsonl}}
test_split: test
doc_to_text: "Q: {{question}}"
doc_to_target: answer
generation_kwargs: {until: ["END"], max_gen_toks: 9, temperature: 0.0}
metric_list: [{metric: exact_match, ignore_case: true}, {metric: !function utils.score}]
"""


def test_a_task_of_lm_eval_with_local_data_becomes_a_suite(tmp_path):
    jsonl(tmp_path / "data.jsonl", {"question": "2+2?", "answer": "4"}, {"question": "3?", "answer": "3"})
    (tmp_path / "t.yaml").write_text(TASK)
    found = imported(tmp_path / "t.yaml")
    case = found.suite().cases[0]
    assert case.request.messages[0]["content"] == "Q: 2+2?"
    assert (case.request.max_tokens, case.request.stop) == (9, ("END",))
    assert found.cases[0]["expect"] == [{"equals": {"ignore_case": True, "any": ["4"]}}]
    assert found.count("lost", "utils.score") == 1


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [("test_split: test", "output_type: multiple_choice", "generate_until"), ('"Q: {{question}}"', "!function utils.text", "not run"),
     ("dataset_path: json", "dataset_path: openai/gsm8k", "Hub"), ("{test: data.jsonl}", '"https://x/y.json"', "local"),
     ("{test: data.jsonl}", "{test: none.jsonl}", "no such file")],
)  # fmt: skip
def test_a_task_of_lm_eval_that_cannot_be_imported_says_why(tmp_path, old, new, words):
    jsonl(tmp_path / "data.jsonl", {"question": "2+2?", "answer": "4"})
    (tmp_path / "t.yaml").write_text(TASK.replace(old, new))
    with pytest.raises(InputFileError, match=words):
        imported(tmp_path / "t.yaml")


def test_a_filter_that_picks_a_part_makes_prompts(tmp_path):
    jsonl(tmp_path / "data.jsonl", {"question": "2+2?", "answer": "4"})
    (tmp_path / "t.yaml").write_text(
        TASK + "filter_list: [{name: x, filter: [{function: regex}, {function: take_first}]}]\n"
    )
    found = imported(tmp_path / "t.yaml")
    assert not found.cases
    assert len(found.rows()) == 1
    assert found.count("lost", "filter regex") == 1


def test_parquet_without_pyarrow_is_said_with_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = tmp_path / "x.parquet"
    path.write_bytes(b"PAR1....PAR1")
    with pytest.raises(EvalkitError, match="pyarrow") as caught:
        imported(path)
    assert "pip install" in (caught.value.hint or "")


def test_parquet_with_pyarrow_is_read_row_by_row(tmp_path, monkeypatch):
    """A stand-in for pyarrow's reader: the real one is an extra."""

    class File:
        def __init__(self, path):
            self.path = path

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def iter_batches(self, batch_size):
            rows = [{"question": f"q{i}", "answer": str(i)} for i in range(3)]
            yield types.SimpleNamespace(to_pylist=lambda: rows)

    module = types.ModuleType("pyarrow")
    module.ArrowException = ValueError
    module.parquet = types.SimpleNamespace(ParquetFile=File)
    monkeypatch.setitem(sys.modules, "pyarrow", module)
    path = tmp_path / "x.parquet"
    path.write_bytes(b"PAR1....PAR1")
    assert [case["prompt"] for case in imported(path).cases] == ["q0", "q1", "q2"]


COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_a_data_set_is_taken_from_the_cache_at_its_commit_where_there_is_no_network(tmp_path, monkeypatch):
    cache = tmp_path / "hub" / "datasets--acme--questions"
    folder = cache / "snapshots" / COMMIT / "data"
    folder.mkdir(parents=True)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text(COMMIT)
    jsonl(folder / "test.jsonl", {"question": "q", "answer": "a"})
    jsonl(folder / "train.jsonl", {"question": "t", "answer": "a"})
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)
    from pathlib import Path

    (one,) = import_files([Path("acme/questions")], tmp_path / "out", Options(split="test"))
    assert one.source.cases == 1
    assert COMMIT in json.dumps(json.loads((tmp_path / "out" / "import.json").read_text()))
    with pytest.raises(EvalkitError, match="no data file"):
        import_files([Path("acme/questions")], tmp_path / "out2", Options(split="nothing"))
    with pytest.raises(EvalkitError, match="cannot be read"):
        import_files([Path("acme/others")], tmp_path / "out3", Options())
    with pytest.raises(InputFileError, match="no such file"):
        import_files([Path("acme/others.jsonl")], tmp_path / "out4", Options())
