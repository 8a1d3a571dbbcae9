"""Rules of the item rooms that a machine can hold: deciding makes values, words make sentences."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import get_args

import pytest

from evalkit.explain.catalogue import checks
from evalkit.findings import ITEM_IDS, Check, Values

ITEMS = Path(__file__).parents[2] / "evalkit" / "items"
#: modules that say things: words, metadata of checks, and the packet of the license's parts
SAYING = ("words", "checks", "parts", "registry")
DECIDING = sorted(
    path for path in ITEMS.rglob("*.py")
    if not any(word in path.stem for word in SAYING) and path.stem != "__init__"
)  # fmt: skip


def sentences(path: Path) -> list[str]:
    """String literals with a blank between words, without docstrings, patterns and what an assert or a raise says."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            skipped.add(node.value)
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("re."):
            skipped.update(ast.walk(node))
        if isinstance(node, ast.Assert | ast.Raise):
            skipped.update(ast.walk(node))
    found = [n for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str) and n not in skipped]
    return [f"{path.name}:{n.lineno}: {n.value}" for n in found if len(n.value.split()) > 1]


@pytest.mark.parametrize("path", DECIDING, ids=lambda path: "/".join(path.parts[-2:]))
def test_a_deciding_module_holds_no_sentence(path):
    assert sentences(path) == []


def test_the_lint_sees_a_sentence(tmp_path):
    module = tmp_path / "decide.py"
    module.write_text('"""Doc string here."""\nTEXT = f"{1} is too many"\n')
    assert len(sentences(module)) == 1


@pytest.mark.parametrize("check", checks().values(), ids=lambda check: check.id)
def test_every_check_declares_its_outcomes_as_words_joined_by_hyphens(check: Check):
    assert check.outcomes
    assert all(outcome == outcome.lower() and " " not in outcome for outcome in check.outcomes)


def said_outcomes(item: str) -> set[str]:
    """Every outcome that some values of the item carry."""

    def spelled(annotation: object) -> Iterator[str]:
        for one in get_args(annotation):
            yield from [one] if isinstance(one, str) else spelled(one)

    modules = [import_module(f"evalkit.items.{item}.{path.stem}") for path in (ITEMS / item).glob("*.py")]
    made = {
        one for module in modules for one in vars(module).values() if isinstance(one, type) and issubclass(one, Values)
    }
    return {outcome for values in made for outcome in spelled(values.model_fields["outcome"].annotation)}


@pytest.mark.parametrize("item", ITEM_IDS)
def test_every_check_declares_outcomes_and_none_that_no_values_carry(item):
    mine = [check for check in checks().values() if check.item == item and check.id != f"{item}.skipped"]
    assert [check.id for check in mine if not check.outcomes] == []
    assert {outcome for check in mine for outcome in check.outcomes} - said_outcomes(item) == set()


#: below the items, or before they are imported: they name what a finding of theirs becomes
MAY_SPELL = ("gpu/survey.py", "serving/probe.py", "cli/probe.py")


def test_the_id_of_a_check_is_spelled_in_its_checks_alone():
    package, known = ITEMS.parent, set(checks())
    found = [
        f"{path.relative_to(package)}:{node.lineno}: {node.value}"
        for path in package.rglob("*.py")
        if not path.stem.endswith("checks") and str(path.relative_to(package)) not in MAY_SPELL
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in known
    ]
    assert found == []


def test_no_module_has_more_than_400_lines():
    root = ITEMS.parent.parent
    modules = [path for room in ("evalkit", "tests", "benchmarks") for path in (root / room).rglob("*.py")]
    lengths = {str(path.relative_to(root)): len(path.read_text("utf-8").splitlines()) for path in modules}
    assert {name: lines for name, lines in lengths.items() if lines > 400} == {}
