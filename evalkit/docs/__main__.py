"""`python -m evalkit.docs [--check] [FOLDER]`: write the generated pages, or say which of them are out of date."""

from __future__ import annotations

import sys
from pathlib import Path

from evalkit.docs.pages import pages


def main(arguments: list[str]) -> int:
    """0; with --check 1 when a page differs."""
    check = "--check" in arguments
    folder = Path(next((one for one in arguments if not one.startswith("-")), "docs"))
    stale = []
    for name, text in pages().items():
        path = folder / name
        if check and (not path.is_file() or path.read_text(encoding="utf-8") != text):
            stale.append(name)
        elif not check:
            path.write_text(text, encoding="utf-8")
    if stale:
        sys.stderr.write(f"out of date: {', '.join(stale)}; run `make docs`\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
