"""FluxServe, by its HTTP server at 34baf5d3 (2026-08); no server was recorded.

It has no /v1/models and counts no tokens; events of a stream are whole messages with what is new. It names no decoding
mode over HTTP: where evalkit starts it, its arguments do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evalkit.findings import KnownBy
from evalkit.modes import Mode
from evalkit.serving.engines.base import Declared, Engine, Knob, Start, argument
from evalkit.serving.facts import Capability
from evalkit.serving.pages import Answers, Pages

#: every route that it has
_ROUTES = frozenset({"/health", "/metrics", "/v1/completions", "/v1/chat/completions"})
_MODES = {"threshold": Mode.DIFFUSION.value, "self_speculation": Mode.SELF_SPECULATION.value}


class FluxServe(Engine):
    name = "fluxserve"
    title = "FluxServe"
    package = "fluxserve"
    start = Start(
        ("fluxserve", "launch", "--model", "{model}", "--host", "127.0.0.1", "--port", "{port}"),
        context="--max-model-len",
        requests="--max-num-seqs",
    )

    def knobs(self, words: Sequence[str]) -> dict[str, Knob]:
        """Flags of the guide pages; a page of the cache holds one block."""
        return super().knobs(words) | {
            "threshold": Knob("--threshold"), "block_size": Knob("--block-length", also=("--page-size",)),
        }  # fmt: skip

    async def detect(self, pages: Pages, answers: Answers) -> bool:
        """By its routes, which are few and none of another engine's."""
        if answers.models.ok:
            return False
        paths = (await pages.get_json("/openapi.json")).page.get("paths")
        return isinstance(paths, dict) and set(paths) == _ROUTES

    def declared(self, answers: Answers, settings: Mapping[str, Any], counters: Mapping[str, float] | None) -> Declared:
        way = argument(answers.argv, "--parallel-decoding")
        if way in _MODES:
            return Declared(_MODES[way], f"started with --parallel-decoding {way}")
        return Declared(None, "FluxServe does not say over HTTP how it decodes")

    def capabilities(self, settings: Mapping[str, Any], mode: str | None) -> tuple[Capability, ...]:
        detail = "the server that was read takes neither tools nor a response format"
        return tuple(
            Capability(name=name, value=False, known_by=KnownBy.INFERRED, detail=detail)
            for name in ("tool_calls", "json_schema")
        )


ENGINE = FluxServe()
