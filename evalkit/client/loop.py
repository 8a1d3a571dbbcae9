"""The event loop that times replies: uvloop where it is installed, else asyncio's own, whose timing error is larger."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from evalkit import system

if TYPE_CHECKING:  # the emitter, a process of its own in each run, needs the loop alone
    from evalkit.client.types import Loop

_T = TypeVar("_T")

#: what brings uvloop
INSTALL = "in evalkit's checkout: pip install '.[fast]'"
#: what asyncio's loop costs: quiet machine, 16 to 200 streams, 800 to 36,000 events a second (benchmarks/README.md)
COST = (
    "timed on asyncio's own loop, without uvloop: evalkit's TTFT error is then 3 to 44 times as large, its end-to-end "
    "error 2 to 8 times, and its use of CPU 1.2 to 1.6 times"
)
#: the same as one line of a run
HINT = f"timing on asyncio's own loop: uvloop makes evalkit's own error smaller ({INSTALL})"


def run(main: Coroutine[Any, Any, _T]) -> _T:
    """Runs `main` on uvloop where it is installed, else on asyncio's own loop. Ctrl-C cancels it."""
    try:
        import uvloop
    except ImportError:
        factory = asyncio.new_event_loop
    else:
        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)


def name() -> Loop:
    """Which loop runs here."""
    return "uvloop" if type(asyncio.get_running_loop()).__module__.startswith("uvloop") else "asyncio"


def could_be_faster(loop: Loop | None) -> bool:
    """Whether what was timed on `loop` could have been timed on uvloop on this system."""
    return loop == "asyncio" and system.has_uvloop()
