"""The worst habits of docs/style.md stay out of what a user can meet. Each file's allowance only shrinks."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: how often each file may still contain one of the patterns; `python -m tests.docs.test_style` writes it smaller
ALLOWED = Path(__file__).parent / "style_allowed.json"
WORST = re.compile(
    r"(?i)\b(?:is told|are told|was told|told (?:by|of|apart)|by its own (?:word|fault)|own word|holds the threshold|of kind \w+"
    r"|for want of|harm list|sittings?|at 1 at once|speaks? of|the exit code says nothing|not to be trusted"
    r"|no more than the margin|is no (?:\w+ )?(?:evidence|age|loss|baseline|pack))\b"
)
#: words of docs/style.md to leave, in what the program itself says
LEAVE = re.compile(
    r"(?i)\b(?:told|stands?|beside|held against|go(?:es|ne)? on with|no good|own fault|whole answer|time to first text"
    r"|harm list|(?<!there )(?:is|are) no (?!longer|more)\w+)\b"
)
#: texts that a model reads, and the servers that play one
_NOT_OURS = ("evalkit/quality/judge_prompt.py", "evalkit/reference/", "evalkit/serving/observe.py")
_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


def user_facing() -> list[Path]:
    """Sources of sentences: the package and its templates, the pages and the README."""
    package = [p for ending in ("*.py", "*.j2") for p in (ROOT / "evalkit").rglob(ending)]
    pages = [p for p in (ROOT / "docs").glob("*.md") if p.name != "style.md"]
    return sorted([*package, *pages, ROOT / "README.md"])


def sentences(source: str) -> list[str]:
    """Strings of a module that are no docstrings: what it says to a user, as far as there is a blank in it."""
    tree = ast.parse(source)
    bodies = [
        node.body
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    docs = {id(one.value) for body in bodies for one in body if isinstance(one, ast.Expr)}
    strings = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in docs)
    return [one.value for one in strings if isinstance(one.value, str) and " " in one.value.strip()]


def counts() -> dict[str, int]:
    found = {}
    for path in user_facing():
        text, name = path.read_text(encoding="utf-8"), str(path.relative_to(ROOT))
        hits = len(WORST.findall(_CODE.sub("", text) if path.suffix == ".md" else text))
        if path.suffix == ".py" and not name.startswith(_NOT_OURS):
            hits += sum(len(LEAVE.findall(one)) for one in sentences(text))
        if hits:
            found[name] = hits
    return found


def test_the_worst_patterns_only_become_fewer():
    allowed = json.loads(ALLOWED.read_text(encoding="utf-8"))
    more = {name: (n, allowed.get(name, 0)) for name, n in counts().items() if n > allowed.get(name, 0)}
    assert not more, f"docs/style.md: found, allowed: {more}"


def test_the_pattern_knows_the_examples_of_the_guide():
    assert WORST.search("open: the interval holds the threshold")
    assert WORST.search("by its own fault")
    assert LEAVE.search("it is no date")
    assert not LEAVE.search("it is no longer there; there is none")
    assert sentences('"""A page is no file."""\nX = "this is told"\n') == ["this is told"]
    assert not WORST.search("Undecided: the interval includes the threshold.")


if __name__ == "__main__":
    before = json.loads(ALLOWED.read_text(encoding="utf-8")) if ALLOWED.exists() else None
    smaller = {name: min(n, before.get(name, 0)) if before is not None else n for name, n in counts().items()}
    ALLOWED.write_text(json.dumps({k: v for k, v in sorted(smaller.items()) if v}, indent=2) + "\n", encoding="utf-8")
