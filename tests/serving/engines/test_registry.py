"""One address for what is known of an engine: no other module compares an engine's name."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import evalkit
from evalkit.serving.engines import ENGINES, UNKNOWN, engine_of
from evalkit.serving.pages import Answers, Reply

ROOT = Path(evalkit.__file__).parent
#: modules that may spell an engine's name, each with its reason
ALLOWED = {
    "reference/script.py": "the reference server plays the part of one engine",
}


def spelled(source: str) -> list[tuple[int, str]]:
    """Lines with a string that is the name of an engine; docstrings do not count, nor do parts of longer texts."""
    tree = ast.parse(source)
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    strings = (n for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str))
    return [(n.lineno, n.value) for n in strings if n.value.lower() in ENGINES and id(n) not in docs]


def test_no_other_module_spells_the_name_of_an_engine():
    found = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in sorted(ROOT.rglob("*.py"))
        if "serving/engines/" not in path.as_posix() and path.relative_to(ROOT).as_posix() not in ALLOWED
        for line, name in spelled(path.read_text(encoding="utf-8"))
    ]
    assert not found, "put it behind a method or a mark of Engine:\n" + "\n".join(found)


@pytest.mark.parametrize(
    "source",
    [
        "x = served.engine == 'vllm'",
        "x = engine in ('SGLang', None)",
        "match e:\n    case 'ollama': pass",
        "d = {'tgi': 1}",
    ],
)
def test_the_lint_sees_a_name_however_it_is_compared(source):
    assert spelled(source)


def test_every_engine_is_complete_and_told_apart():
    owners = [owner for engine in ENGINES.values() for owner in engine.owners]
    assert len(owners) == len(set(owners))
    for name, engine in ENGINES.items():
        assert engine_of(name) is engine
        assert engine.name == name
        assert engine.title
        samples = engine.names.wanted
        assert len(samples) == len(set(samples))
        assert not samples or engine.metrics
        if engine.start:
            words = engine.start.command()
            assert {"{model}", "{port}", "{context}"} <= set(words)
            assert engine.start.context in words


@pytest.mark.parametrize("name", [None, "", "groq", "something new"])
def test_what_is_not_known_has_the_defaults_and_declares_nothing(name):
    engine = engine_of(name)
    assert engine is UNKNOWN
    answers = Answers(Reply(), engine=name)
    assert engine.settings(answers) == {}
    assert engine.declared(answers, {}, {}).mode is None
    assert engine.flush is None
    assert engine.timing_reference
