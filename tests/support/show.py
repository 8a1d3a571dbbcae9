"""How a run shows how far it is, in a test."""

from __future__ import annotations

from evalkit.run.show import Lines, to_stderr


class Plain(Lines):
    """Lines on stderr, without a heartbeat."""

    def __init__(self):
        super().__init__(to_stderr)
