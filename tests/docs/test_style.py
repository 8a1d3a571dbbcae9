"""The worst habits of docs/style.md stay out of what a user can meet. Each file's allowance only shrinks."""

from __future__ import annotations

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
_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


def user_facing() -> list[Path]:
    """Sources of sentences: the package and its templates, the pages and the README."""
    package = [p for ending in ("*.py", "*.j2") for p in (ROOT / "evalkit").rglob(ending)]
    pages = [p for p in (ROOT / "docs").glob("*.md") if p.name != "style.md"]
    return sorted([*package, *pages, ROOT / "README.md"])


def counts() -> dict[str, int]:
    found = {}
    for path in user_facing():
        text = path.read_text(encoding="utf-8")
        hits = len(WORST.findall(_CODE.sub("", text) if path.suffix == ".md" else text))
        if hits:
            found[str(path.relative_to(ROOT))] = hits
    return found


def test_the_worst_patterns_only_become_fewer():
    allowed = json.loads(ALLOWED.read_text(encoding="utf-8"))
    more = {name: (n, allowed.get(name, 0)) for name, n in counts().items() if n > allowed.get(name, 0)}
    assert not more, f"docs/style.md: found, allowed: {more}"


def test_the_pattern_knows_the_examples_of_the_guide():
    assert WORST.search("open: the interval holds the threshold")
    assert WORST.search("by its own fault")
    assert not WORST.search("Undecided: the interval includes the threshold.")


if __name__ == "__main__":
    before = json.loads(ALLOWED.read_text(encoding="utf-8")) if ALLOWED.exists() else None
    smaller = {name: min(n, before.get(name, 0)) if before is not None else n for name, n in counts().items()}
    ALLOWED.write_text(json.dumps({k: v for k, v in sorted(smaller.items()) if v}, indent=2) + "\n", encoding="utf-8")
