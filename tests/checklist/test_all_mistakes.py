"""All mistakes of a file are told at once: on the command line, and as a list in --json."""

from __future__ import annotations

import json

import pytest

from evalkit.checklist.loader import find_checklist, load_checklist
from evalkit.checklist.schema import Request
from evalkit.errors import InputFileError
from evalkit.quality.suite import load_suite
from evalkit.timing.prompts import load_prompts
from tests.cli.command import evalkit


def places(call):
    with pytest.raises(InputFileError) as caught:
        call()
    return [int(one.where.rpartition(":")[2]) for one in caught.value.every]


CHECKLIST = """\
nmae: x
name: 12
use: {commercial: perhaps, colour: red}
modes:
  ar: {endpoint: "127.0.0.1"}
  diffusion: {endpoint: "http://127.0.0.1:2", api_key: x}
items:
  modes: {concurrency: [0]}
  modes: {speedup: 010}
waivers: [{finding: context.x}]
"""


def test_a_checklist(tmp_path, capsys):
    path = tmp_path / "c.yaml"
    path.write_text(CHECKLIST)
    found = places(lambda: load_checklist(path))
    assert found == sorted(found)
    assert {1, 2, 3, 5, 6, 9, 10} <= set(found)
    assert found.count(3) == 2
    done = evalkit(capsys, "validate", path)
    assert done.code == 2
    assert sum(line.startswith("error: ") for line in done.err.splitlines()) == len(found)
    done = evalkit(capsys, "validate", path, "--json")
    said = json.loads(done.out)
    assert len(said["errors"]) == len(found)
    assert said["error"] == said["errors"][0]["error"]
    assert any(one["hint"] == 'did you mean "name"?' for one in said["errors"])


def test_a_suite(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text(
        "suite: {name: s, kind: shouting}\n"
        "cases:\n"
        "  - {id: a, prompt: q, expect: [{contians: x}, {number: no}]}\n"
        "  - {id: b, promt: q, expect: [{contains: x}]}\n"
        "  - {id: c, prompt: q, expect: [{contains: x}]}\n"
        "  - {id: d, prompt: q, max: 1, expect: [{regex: '('}]}\n"
    )
    assert {1, 3, 4, 6} <= set(places(lambda: load_suite(path, Request())))
    path.write_text(path.read_text().replace("shouting", "chat"))
    found = places(lambda: load_suite(path, Request()))
    assert found.count(3) == 2
    assert {3, 4, 6} == set(found)


def test_a_suite_of_lines(tmp_path):
    path = tmp_path / "s.jsonl"
    good = {"id": "a", "prompt": "q", "expect": [{"contains": "x"}]}
    lines = [good, "{", {**good, "id": "b", "x": 1}, good]
    path.write_text("\n".join(one if isinstance(one, str) else json.dumps(one) for one in lines))
    assert places(lambda: load_suite(path, Request())) == [2, 3, 4]


def test_prompts(tmp_path):
    path, other = tmp_path / "p.jsonl", tmp_path / "q.jsonl"
    path.write_text(
        '{"id": "a", "prompt": "x"}\n{"id": "", "prompt": "", "max_tokens": 0, "tag": 1}\nno\n{"id": "a", "prompt": "y"}\n'
    )
    other.write_text('{"id": "b"}\n')
    assert places(lambda: load_prompts([path, other], Request())) == [2, 2, 2, 2, 3, 4, 1]


def test_prompts_and_suites_of_one_checklist(tmp_path, capsys):
    (tmp_path / "p.jsonl").write_text("no\nno\n")
    (tmp_path / "t.yaml").write_text("suite: {name: t, kind: x}\ncases: []\n")
    path = tmp_path / "c.yaml"
    path.write_text("modes: {ar: {endpoint: 'http://127.0.0.1:1'}}\nprompts: [p.jsonl]\ntasks: [t.yaml, gone.yaml]\n")
    errors = json.loads(evalkit(capsys, "validate", path, "--json").out)["errors"]
    assert [sum(name in one["error"] for one in errors) for name in ("p.jsonl", "t.yaml", "gone.yaml")] == [2, 1, 1]


def test_very_many_mistakes_are_bounded(tmp_path, capsys):
    path = tmp_path / "p.jsonl"
    path.write_text("no\n" * 5000)
    (tmp_path / "c.yaml").write_text("prompts: [p.jsonl]\n")
    assert len(places(lambda: load_prompts([path], Request()))) == 200
    done = evalkit(capsys, "validate", tmp_path / "c.yaml")
    assert len(done.err.splitlines()) < 100


def test_a_folder_named_like_a_shipped_checklist_does_not_shadow_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("demo", "hosted"):
        (tmp_path / name).mkdir()
    assert find_checklist("hosted").is_file()
    assert evalkit(capsys, "validate", "hosted").code in (0, 3)
    assert evalkit(capsys, "run", "--demo", "--dry-run").code == 0
    (tmp_path / "demo").rmdir()
    (tmp_path / "demo").write_text("no: checklist\n")
    assert evalkit(capsys, "run", "--demo", "--dry-run").code == 0  # it never looks at the working folder
    (tmp_path / "mine").mkdir()
    assert "is a folder" in evalkit(capsys, "validate", "mine").err
