"""Changes one operator, condition or number at a time and counts how many changes the tests notice (`make mutants`).

    python tools/mutants.py [--jobs 2] [--only evalkit/verdict/decide.py] [--sample 1.0]

Each mutant is a fork of a process that has the libraries loaded, in which an import hook hands out the changed source.
Not changed: texts, annotations, decorators, and names. Survivors are printed with their line; docs/reliability.md
explains those that stay. Nothing is written to the tree.
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib.abc
import importlib.machinery
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

TESTS = {
    "evalkit/verdict/decide.py": ["tests/verdict/test_verdict.py", "tests/verdict/test_verdict_table.py"],
    "evalkit/verdict/waivers.py": ["tests/verdict/test_waivers.py", "tests/verdict/test_verdict_table.py"],
    "evalkit/stats": ["tests/stats"],
}
#: seconds of processor time, so that a busy machine ends no mutant; `_TIMEOUT_S` is for one that waits
_CPU_S = 12
_TIMEOUT_S = 900
_COMPARE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult,
    ast.Pow: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
}  # fmt: skip


class Mutant(NamedTuple):
    path: Path
    line: int
    what: str
    source: str


def mutants(path: Path) -> Iterator[Mutant]:
    """Every change of a module, in the order of its lines."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for index, node in enumerate(_nodes(tree)):
        for what, change in _changes(node):
            changed = copy.deepcopy(tree)
            change(list(_nodes(changed))[index])
            line = node.iter.lineno if isinstance(node, ast.comprehension) else getattr(node, "lineno", 0)
            yield Mutant(path, line, what, ast.unparse(ast.fix_missing_locations(changed)))


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Nodes that run: no annotations, decorators, texts of messages, or imports."""
    for name, value in ast.iter_fields(tree):
        if name in ("annotation", "returns", "decorator_list", "type_params") or isinstance(tree, ast.JoinedStr):
            continue
        for node in value if isinstance(value, list) else [value]:
            if isinstance(node, ast.AST) and not isinstance(node, ast.Import | ast.ImportFrom | ast.AnnAssign):
                yield node
                yield from _nodes(node)
            elif isinstance(node, ast.AnnAssign) and node.value is not None:
                yield node.value
                yield from _nodes(node.value)


def _changes(node: ast.AST) -> Iterator[tuple[str, object]]:
    if isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            new = _COMPARE[type(operator)]
            yield f"{type(operator).__name__} -> {new.__name__}", _set_compare(place, new)
    elif isinstance(node, ast.BoolOp):
        yield "and <-> or", lambda n: setattr(n, "op", ast.Or() if isinstance(n.op, ast.And) else ast.And())
    elif isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        new_op = _ARITHMETIC[type(node.op)]
        yield f"{type(node.op).__name__} -> {new_op.__name__}", lambda n: setattr(n, "op", new_op())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "not dropped", _drop_not
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "minus dropped", lambda n: setattr(n, "op", ast.UAdd())
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield f"{node.value} -> {not node.value}", lambda n: setattr(n, "value", not n.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield f"{node.value} -> +1", lambda n: setattr(n, "value", n.value + 1)
    elif isinstance(node, ast.If | ast.IfExp):
        yield "condition always true", lambda n: setattr(n, "test", ast.Constant(value=True))
        yield "condition always false", lambda n: setattr(n, "test", ast.Constant(value=False))
    elif isinstance(node, ast.comprehension) and node.ifs:
        yield "filter dropped", lambda n: setattr(n, "ifs", [])
    elif isinstance(node, ast.Break | ast.Continue):
        pass
    elif isinstance(node, ast.Return) and node.value is not None and not isinstance(node.value, ast.Constant):
        yield "returns None", lambda n: setattr(n, "value", ast.Constant(value=None))


def _set_compare(place: int, new: type[ast.cmpop]) -> object:
    def change(node: ast.AST) -> None:
        node.ops[place] = new()  # type: ignore[attr-defined]

    return change


def _drop_not(node: ast.AST) -> None:
    """`not x` becomes `not not x`."""
    node.operand = ast.UnaryOp(op=ast.Not(), operand=node.operand)  # type: ignore[attr-defined]


class _Changed(importlib.abc.MetaPathFinder, importlib.abc.SourceLoader):
    """Hands out the mutant where its module is imported."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant
        self._name = str(mutant.path.with_suffix("")).replace("/", ".")

    def find_spec(self, fullname: str, _path: object, _target: object = None) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, origin=str(self._mutant.path.resolve()))

    def get_filename(self, _fullname: str) -> str:
        return str(self._mutant.path.resolve())

    def get_data(self, _path: str | bytes) -> bytes:
        return self._mutant.source.encode()

    def path_stats(self, _path: str) -> dict[str, int]:
        raise OSError  # no cache: the source is not the file's


def _child(mutant: Mutant | None, stages: list[list[str]]) -> None:
    """Runs the tests in this fork, a stage after the other, and exits as the first that fails."""
    import pytest

    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S))
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    sys.dont_write_bytecode = True
    if mutant is not None:
        sys.meta_path.insert(0, _Changed(mutant))
    options = ["-x", "-q", "-n0", "--assert=plain", "-p", "no:cacheprovider", "-p", "no:randomly", "-m", "not slow"]
    for tests in stages:
        status = pytest.main([*options, *tests])
        if status not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            os._exit(int(status))
    os._exit(0)


def _start(mutant: Mutant | None, stages: list[list[str]]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            _child(mutant, stages)
        except BaseException:  # noqa: BLE001  a fork never returns into its parent
            os._exit(70)
    return pid


def run(found: list[tuple[Mutant, list[list[str]]]], jobs: int) -> list[Mutant]:
    """The survivors."""
    survivors: list[Mutant] = []
    running: dict[int, tuple[Mutant, float]] = {}
    queue = list(reversed(found))
    while queue or running:
        while queue and len(running) < jobs:
            mutant, stages = queue.pop()
            running[_start(mutant, stages)] = (mutant, time.monotonic())
        for pid in list(running):
            mutant, began = running[pid]
            if time.monotonic() - began > _TIMEOUT_S:
                os.kill(pid, signal.SIGKILL)
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                del running[pid]
                if status == 0:
                    survivors.append(mutant)
                    print(f"survived  {mutant.path}:{mutant.line}  {mutant.what}", flush=True)
        time.sleep(0.01)
    return survivors


def _stages(path: Path, tests: list[str]) -> list[list[str]]:
    """The test files: those named after the module alone first, by hand before drawn; they notice soonest."""
    files = [f for test in map(Path, tests) for f in (sorted(test.glob("test_*.py")) if test.is_dir() else [test])]
    near = sorted((f for f in files if path.stem in f.stem), key=lambda f: "hand" not in f.stem)
    far = [str(f) for f in files if f not in near]
    return [[str(f)] for f in near] + ([far] if far else [])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="")
    parser.add_argument("--sample", type=float, default=1.0, help="share of the mutants, drawn by a fixed seed")
    options = parser.parse_args()
    os.environ["HYPOTHESIS_PROFILE"] = "mutants"
    _load()
    rng, began = random.Random(1), time.monotonic()
    found: list[tuple[Mutant, list[list[str]]]] = []
    for place, tests in TESTS.items():
        present = [test for test in tests if Path(test).exists()]
        paths = sorted(Path(place).glob("*.py")) if Path(place).is_dir() else [Path(place)]
        paths = [path for path in paths if options.only in str(path)]
        status = os.waitpid(_start(None, [present]), 0)[1] if paths else 0
        if status:
            print(f"the tests of {place} fail as it is: exit {os.waitstatus_to_exitcode(status)}")
            return 1
        for path in paths:
            stages = _stages(path, present)
            found += [(m, stages) for m in mutants(path) if rng.random() < options.sample]
    survivors = run(found, options.jobs)
    for path in sorted({m.path for m, _ in found}):
        total, left = sum(m.path == path for m, _ in found), sum(m.path == path for m in survivors)
        print(f"{path!s:34} {total - left:4} of {total:4} noticed: {1 - left / total:.1%}")
    killed = len(found) - len(survivors)
    print(f"{killed} of {len(found)} noticed: {killed / len(found):.1%}, {time.monotonic() - began:.0f} s")
    return 0


def _load() -> None:
    """What every mutant needs, once: libraries, and nothing of evalkit."""
    sys.path.insert(0, str(Path.cwd()))
    for name in (
        "pytest",
        "_pytest.assertion.rewrite",
        "hypothesis",
        "hypothesis.strategies",
        "pydantic",
        "yaml",
        "xdist",
    ):
        importlib.import_module(name)


if __name__ == "__main__":
    sys.exit(main())
