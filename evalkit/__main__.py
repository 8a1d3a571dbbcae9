"""`python -m evalkit` and the `evalkit` command."""

from __future__ import annotations


def main() -> None:
    from evalkit.cli.root import main as root

    root()


if __name__ == "__main__":
    main()
