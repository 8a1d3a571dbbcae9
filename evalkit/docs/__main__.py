"""`python -m evalkit.docs [--check] [FOLDER]`: write the generated pages and schemas, or say which are out of date.

Pages go to docs/ and schemas next to the packaged data, or both to FOLDER.
"""

from __future__ import annotations

import sys
from importlib import resources
from pathlib import Path

from evalkit.docs.pages import pages
from evalkit.docs.schemas import schemas

DATA = Path(str(resources.files("evalkit"))) / "data"


def main(arguments: list[str]) -> int:
    """0; with --check 1 when a page differs."""
    check = "--check" in arguments
    given = next((Path(one) for one in arguments if not one.startswith("-")), None)
    texts = {(given or Path("docs")) / name: text for name, text in pages().items()}
    texts |= {(given or DATA) / name: text for name, text in schemas().items()}
    stale = []
    for path, text in texts.items():
        if check and (not path.is_file() or path.read_text(encoding="utf-8") != text):
            stale.append(path.name)
        elif not check:
            path.write_text(text, encoding="utf-8")
    if stale:
        sys.stderr.write(f"out of date: {', '.join(stale)}; run `make docs`\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
