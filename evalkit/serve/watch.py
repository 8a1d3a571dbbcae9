"""What a model's own code does while one of its calls runs: forward passes, and tokens that are final.

The calls return when a reply is whole. A hook before each forward pass sees the tokens that go in and how many are in
the cache, which shows what is decided already: in autoregressive mode every token that is fed back, in diffusion the
block that is fed to the cache when it is done, in self-speculation what the cache kept of a verified block and the
first token of the next (modeling code of Nemotron-Labs-Diffusion, read 2026-11). The hook is also where a call ends
whose client has left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from evalkit.modes import Mode


class HaltedError(Exception):
    """Raised inside a call of the model's code to end it."""


class Watch:
    """One call. `report` gets every token of the reply that is final so far, whenever there are more of them."""

    def __init__(self, mode: str, report: Callable[[list[int]], None], halted: Callable[[], bool]) -> None:
        self._mode, self._report, self._halted = mode, report, halted
        #: forward passes that were seen, the prompt's included
        self.passes = 0
        self._row: list[int] = []
        self._prompt: int | None = None
        self._final = 0

    @contextmanager
    def on(self, module: Any) -> Iterator[None]:
        """Watches a torch module, or what has its `register_forward_pre_hook`; anything else goes unseen."""
        hook = getattr(module, "register_forward_pre_hook", None)
        handle = hook(self._before, with_kwargs=True) if hook is not None else None
        try:
            yield
        finally:
            if handle is not None:
                handle.remove()

    def _before(self, module: Any, args: tuple[Any, ...], given: dict[str, Any]) -> None:
        del module
        if self._halted():
            raise HaltedError
        self.passes += 1
        ids = _row(given.get("input_ids", args[0] if args else None))
        if ids is not None:
            self._saw(ids, _length(given.get("past_key_values")), keeps=bool(given.get("use_cache")))

    def _saw(self, ids: list[int], start: int, *, keeps: bool) -> None:
        if self._prompt is None:
            self._row, self._prompt, self._final = ids, len(ids), len(ids)
            return
        if start < self._prompt or start > len(self._row) or not ids:
            return  # not the way of decoding that is known: the reply comes whole
        if self._mode == Mode.DIFFUSION.value and not keeps:
            return  # a block that is still open
        self._row[start:] = ids
        final = start + (1 if self._mode == Mode.SELF_SPECULATION.value else len(ids))
        if final > self._final:
            self._final = final
            self._report(self._row[self._prompt : final])


def _row(ids: Any) -> list[int] | None:
    """The first row of a batch; None where the pass got embeddings instead of ids."""
    rows = ids.tolist() if hasattr(ids, "tolist") else ids
    if not isinstance(rows, list) or not rows or not isinstance(rows[0], list):
        return None
    return [one for one in rows[0] if isinstance(one, int)]


def _length(cache: Any) -> int:
    """Tokens in the cache before the pass."""
    length = getattr(cache, "get_seq_length", None)
    return int(length()) if callable(length) else 0
