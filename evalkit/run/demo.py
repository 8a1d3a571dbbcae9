"""The demo: one embedded reference server a mode, a fictional model, and a story that teaches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from evalkit.checklist.schema import LoadedChecklist
from evalkit.run.setup import merged

MODEL = "acme-labs/Trident-8B"


@contextmanager
def serve(loaded: LoadedChecklist) -> Iterator[LoadedChecklist]:
    """The checklist pointed at servers that run as long as the block: diffusion is faster but corrupts JSON."""
    from evalkit.data import demo_path
    from evalkit.reference import ReferenceProcess, preset

    faults: dict[str, dict[str, Any]] = {"diffusion": {"corrupt_json_rate": 0.4}}
    with ExitStack() as stack:
        modes = {}
        for label in ("autoregressive", "diffusion", "self-speculation"):
            script = preset(label, speed=12.0, model=MODEL, **faults.get(label, {}))
            modes[label] = {"endpoint": stack.enter_context(ReferenceProcess(script)).base_url}
        candidate = {"model": str(demo_path("trident-8b")), "variants": [str(demo_path("trident-vlm-8b"))]}
        yield merged(loaded, {"modes": modes, "candidate": candidate})
