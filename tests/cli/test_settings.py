"""A setting is a flag, else EVALKIT_*, else the checklist's, else the default."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from evalkit.docs.commands import commands
from tests.cli.command import evalkit

CHECKLIST = """
modes: {autoregressive: {endpoint: "http://127.0.0.1:1"}, diffusion: {endpoint: "http://127.0.0.1:2"}}
prompts: [prompts.jsonl]
tasks: []
"""
ENVIRONMENT = {
    "EVALKIT_CHECKLIST": ("checklist", "hosted", "hosted"),
    "EVALKIT_MODEL": ("model", "org/model", "org/model"),
    "EVALKIT_REVISION": ("revision", "abc", "abc"),
    "EVALKIT_MODES": ("modes", "ar=http://h:1 dlm=http://h:2", ("ar=http://h:1", "dlm=http://h:2")),
    "EVALKIT_INCUMBENT": ("incumbent", "http://h:3", "http://h:3"),
    "EVALKIT_PROMPTS": ("prompts", "a.jsonl:b.jsonl", (Path("a.jsonl"), Path("b.jsonl"))),
    "EVALKIT_TASKS": ("tasks", "t.yaml", (Path("t.yaml"),)),
    "EVALKIT_ONLY": ("only", "license hardware", ("license", "hardware")),
    "EVALKIT_OUTPUT_DIR": ("output_dir", "out", Path("out")),
    "EVALKIT_REPORT_ONLY": ("report_only", "1", True),
    "EVALKIT_STRICT": ("strict", "true", True),
    "EVALKIT_KEEP_GOING": ("keep_going", "yes", True),
    "EVALKIT_NO_WAIT": ("waits", "1", False),
}


@pytest.fixture
def seen(monkeypatch):
    """The flags that a run would have got."""
    flags = []

    def run(given, *_):
        flags.append(given)
        return {"exit_code": 0}

    monkeypatch.setattr("evalkit.run.start.run", run)
    monkeypatch.setattr(sys, "argv", ["evalkit", "run"])
    return flags


def test_every_variable_of_the_command_page_is_tested_here():
    (run,) = [command for name, command in commands().items() if name == "run"]
    named = {parameter.envvar for parameter in run.params if getattr(parameter, "envvar", None)}
    assert named == set(ENVIRONMENT)


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_a_variable_sets_what_its_flag_sets(seen, capsys, monkeypatch, name):
    field, text, value = ENVIRONMENT[name]
    monkeypatch.setenv(name, text)
    assert evalkit(capsys, "run").code == 0
    assert getattr(seen[0], field) == value


def test_a_flag_wins_over_a_variable(seen, capsys, monkeypatch):
    monkeypatch.setenv("EVALKIT_MODEL", "org/environment")
    monkeypatch.setenv("EVALKIT_MODES", "ar=http://environment:1")
    evalkit(capsys, "run", "--model", "org/flag", "--mode", "dlm=http://flag:1")
    assert (seen[0].model, seen[0].modes) == ("org/flag", ("dlm=http://flag:1",))


@pytest.mark.parametrize(
    ("variables", "arguments", "modes"),
    [
        ({}, (), ["autoregressive", "diffusion"]),
        (
            {"EVALKIT_MODES": "ar=http://e:1 linear_spec=http://e:2"},
            (),
            ["autoregressive", "diffusion", "self-speculation"],
        ),
        ({"EVALKIT_MODES": "linear_spec=http://e:2"}, ("--mode", "ar=http://f:1"), ["autoregressive", "diffusion"]),
    ],
)
def test_a_variable_wins_over_the_checklist(tmp_path, capsys, monkeypatch, variables, arguments, modes):
    (tmp_path / "prompts.jsonl").write_text('{"id": "a", "prompt": "Hello."}')
    (tmp_path / "checklist.yaml").write_text(CHECKLIST)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    done = evalkit(capsys, "run", tmp_path / "checklist.yaml", "--dry-run", "--json", *arguments)
    assert done.code == 0, done.err
    assert json.loads(done.out)["modes"] == modes


def test_a_variable_that_is_no_good_is_exit_2(capsys, monkeypatch):
    monkeypatch.setenv("EVALKIT_STRICT", "perhaps")
    done = evalkit(capsys, "run", "--dry-run")
    assert done.code == 2
    assert "EVALKIT_STRICT" in done.err or "--strict" in done.err


def test_what_the_environment_set_is_part_of_the_recorded_command(seen, capsys, monkeypatch):
    monkeypatch.setenv("EVALKIT_STRICT", "1")
    monkeypatch.setenv("EVALKIT_ONLY", "license hardware")
    evalkit(capsys, "run", "--model", "org/flag")
    assert sys.argv == ["evalkit", "run", "--only", "license", "--only", "hardware", "--strict"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--incumbent", "localhost:1"), "not an http(s) address"),
        (("--mode", "ar=http://a b"), "not an http(s) address"),
        (("--mode", "ar=http://user:canary@h:1"), "must not contain a user name"),
        (("--mode", "fast=http://h:1"), "unknown mode"),
        (("--revision", "abc"), "--revision needs a model"),
        (("--only", "speed"), "no such item"),
        (("--skip", "quality"), "ITEM=REASON"),
    ],
)
def test_a_flag_that_is_no_good_is_exit_2_with_a_clear_error(tmp_path, capsys, arguments, says):
    path = tmp_path / "checklist.yaml"
    path.write_text("name: nothing yet\n")
    done = evalkit(capsys, "run", path, "--dry-run", *arguments)
    assert (done.code, says in done.err) == (2, True), done
    assert "canary" not in done.err


def test_a_revision_alone_is_one_of_the_checklists_model(tmp_path, capsys, monkeypatch):
    prepared = []
    monkeypatch.setattr("evalkit.run.start.prepare", lambda loaded, **_: prepared.append(loaded) or 1 / 0)
    evalkit(capsys, "run", "nemotron-labs-diffusion-8b", "--revision", "abc", "--dry-run")
    candidate = prepared[0].checklist.candidate
    assert (candidate.model, candidate.revision) == ("nvidia/Nemotron-Labs-Diffusion-8B", "abc")
    assert candidate.variants
