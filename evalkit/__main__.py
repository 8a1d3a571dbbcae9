"""`python -m evalkit` and the `evalkit` command."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point: the help page at once, everything else through the root of the command line."""
    if sys.argv[1:] == ["--help"]:
        from evalkit.cli.output import show_help

        show_help()
        return
    try:
        from evalkit.cli.root import main as root

        root()
    except KeyboardInterrupt:  # before the command line's own handler is there
        sys.exit(130)


if __name__ == "__main__":
    main()
