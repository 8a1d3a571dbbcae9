"""One address for what is known of an engine: no other module compares an engine's name."""

from __future__ import annotations

import ast
import asyncio
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import evalkit
from evalkit.serving.engines import ENGINES, UNKNOWN, ask, engine_of, own_code, sglang
from evalkit.serving.facts import Capability
from evalkit.serving.pages import Answers, Reply

ROOT = Path(evalkit.__file__).parent
#: modules that may spell an engine's name, each with its reason
ALLOWED = {
    "reference/script.py": "the reference server plays the part of one engine",
    "secrets.py": "what documentations of engines give where no key is asked for stands for no key",
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


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
KEYS = st.sampled_from(
    [
        *sglang.KEPT, *sglang.PATHS, *own_code.KEPT, "vllm_config", "model_config", "speculative_config", "method", "data",
        "diffusion_config", "internal_states", "memory_usage", "weight", "lora_paths", "json_model_override_args", "paths",
        "decoding_mode", "loads", "token_usage", "owned_by", "info", "title", "parallel_config", "scheduler_config",
    ]
)  # fmt: skip
PAGE = st.dictionaries(KEYS, JSON | st.dictionaries(KEYS, JSON, max_size=3), max_size=6)


class Foreign:
    """A server that answers every page with the same foreign JSON."""

    base = "http://127.0.0.1:1"

    def __init__(self, page) -> None:
        self.page = page

    async def get_json(self, path: str) -> Reply:
        return Reply(status=200, json=self.page)

    async def get_text(self, path: str) -> Reply:
        return Reply(status=200, text=json.dumps(self.page))


@given(PAGE | JSON, st.dictionaries(st.text(max_size=8), st.floats(), max_size=3) | st.none())
def test_whatever_a_server_answers_every_engine_reads_without_an_error(page, counters):
    info = page if isinstance(page, dict) else {}
    answers = asyncio.run(ask(Foreign(page), ["x", "--parallel-decoding"]))
    for engine in (*ENGINES.values(), UNKNOWN):
        read = Answers(Reply(json=page), info=info, model_info=info, metrics=json.dumps(page), argv=answers.argv)
        settings = engine.settings(read)
        json.dumps(settings)
        assert all(value is None or isinstance(value, str | int | float | bool) for value in settings.values())
        said = engine.declared(read, settings, counters)
        assert said.why
        assert all(isinstance(c, Capability) for c in engine.capabilities(settings, said.mode))
        assert engine.block_size(settings, ()) is None or engine.block_size(settings, ()) > 1
        engine.release(str(page)[:20], settings)
        engine.memory_gib(info)
        share = engine.kv_use(page)
        assert share is None or 0 <= share <= 1


@given(st.lists(st.text(max_size=12), max_size=5))
def test_start_arguments_are_read_without_an_error(argv):
    for engine in ENGINES.values():
        assert engine.declared(Answers(Reply(), argv=tuple(argv)), {}, None).why
