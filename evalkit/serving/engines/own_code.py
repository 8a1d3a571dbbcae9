"""`evalkit serve`: a model's own remote code (`owned_by: remote-code`); /server_info has the decoding mode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evalkit.findings import KnownBy
from evalkit.modes import Mode
from evalkit.serving.engines.base import Declared, Engine, Release, Start
from evalkit.serving.facts import Capability
from evalkit.serving.pages import Answers, Pages
from evalkit.serving.redaction import flat, text_of

#: as /v1/models and records spell it, and what its figures are called wherever they are shown
NAME, LABEL = "remote-code", "reference implementation: not a serving speed"
#: decoding mode -> the call of the model's own code
CALLS = {
    Mode.AUTOREGRESSIVE.value: "ar_generate",
    Mode.DIFFUSION.value: "generate",
    Mode.SELF_SPECULATION.value: "linear_spec_generate",
}
KEPT = ("block_size", "threshold", "dtype", "quantization", "context_length", "max_running_requests", "call")
START = Start(
    ("python3", "-m", "evalkit", "serve", "{model}", "--port", "{port}", "--trust-remote-code"),
    context="--context",
    requests="",
    revision="--revision",
)


class OwnCode(Engine):
    name = NAME
    title = "the model's own code"
    package = "torch"  # what loads the model; evalkit itself is the server
    owners = (NAME,)
    start = START
    checks_model_name = True
    keeps_window = True
    timing_reference = False  # one request at a time, no graphs: any mode would look fast against it
    timing_label = LABEL

    async def detect(self, pages: Pages, answers: Answers) -> bool:
        if answers.owner not in self.owners:
            return False
        answers.info = (await pages.get_json("/server_info")).page
        answers.model_info = (await pages.get_json("/model_info")).page
        answers.version = text_of(answers.info.get("version"))
        return True

    def settings(self, answers: Answers) -> dict[str, Any]:
        return flat(answers.info, KEPT)

    def declared(self, answers: Answers, settings: Mapping[str, Any], counters: Mapping[str, float] | None) -> Declared:
        mode = answers.info.get("decoding_mode")
        if isinstance(mode, str) and mode in {known.value for known in Mode}:
            return Declared(mode, "the model's own code decodes in this mode")
        return Declared(None, "the server names no decoding mode that evalkit knows")

    def release(self, version: str | None, settings: Mapping[str, Any]) -> Release:
        """A model's own code is not an engine that is released."""
        return "unknown"

    def capabilities(self, settings: Mapping[str, Any], mode: str | None) -> tuple[Capability, ...]:
        none = "the model's own code parses none"
        found = [Capability(name="tool_calls", value=False, known_by=KnownBy.DECLARED, detail=none)]
        limit = settings.get("max_running_requests")
        if limit is not None:
            found.append(Capability(name="max_running_requests", value=limit, known_by=KnownBy.DECLARED))
        return tuple(found)


ENGINE = OwnCode()
