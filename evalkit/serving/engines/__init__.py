"""The serving engines that evalkit knows, one file each behind `Engine`, and which of them answers.

To add one: a file here, a line in `ENGINES`, a test with what its pages answer, and a record of what it serves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from evalkit.serving.engines import (
    fluxserve,
    hosted,
    llama_cpp,
    lmdeploy,
    mlx,
    ollama,
    own_code,
    sglang,
    tgi,
    transformers,
    vllm,
)
from evalkit.serving.engines.base import Engine, Names
from evalkit.serving.pages import Answers, Pages, Reply

__all__ = ["ENGINES", "UNKNOWN", "Engine", "ask", "engine_of", "names"]

#: in the order in which a server is asked that does not say what it is: the cheapest and most telling pages first,
#: MLX last for its /health
ENGINES: dict[str, Engine] = {
    engine.name: engine
    for engine in (
        sglang.ENGINE,
        vllm.ENGINE,
        own_code.ENGINE,
        lmdeploy.ENGINE,
        fluxserve.ENGINE,
        ollama.ENGINE,
        tgi.ENGINE,
        llama_cpp.ENGINE,
        transformers.ENGINE,
        mlx.ENGINE,
    )
}
UNKNOWN = Engine()
#: a server that leaves this many pages unanswered is not asked for more
_LATE = 3
#: without an answer of these kinds to the first question there is nothing to learn
_SILENT = ("refused", "timeout", "auth", "protocol")


def engine_of(name: str | None) -> Engine:
    """The engine that facts call `name`; what is unknown or hosted has the defaults."""
    return ENGINES.get(name or "", UNKNOWN)


def names() -> Iterable[Names]:
    """The samples of every engine that counts."""
    return (engine.names for engine in ENGINES.values() if engine.names.wanted)


class _Once:
    """Pages, each asked once, and how many came late."""

    def __init__(self, pages: Pages) -> None:
        self.base, self._pages, self.late = pages.base, pages, 0
        self._seen: dict[str, Reply] = {}

    async def get_json(self, path: str) -> Reply:
        if path not in self._seen:
            self._seen[path] = await self._pages.get_json(path)
            self.late += self._seen[path].late
        return self._seen[path]

    async def get_text(self, path: str) -> Reply:
        return await self._pages.get_text(path)


async def ask(control: Pages, argv: Sequence[str] = ()) -> Answers:
    """Asks in the order that costs a server least, and stops when it has the engine or the server stops answering."""
    pages = _Once(control)
    models = await pages.get_json("/v1/models")
    answers = Answers(models, gateway=hosted.gateway_of(models), argv=tuple(argv))
    service, router = hosted.suffix(pages.base, hosted.HOSTED), hosted.suffix(pages.base, hosted.ROUTERS)
    if service or router:
        answers.engine, answers.gateway = service, router or answers.gateway
        return answers
    if models.error and models.error.kind in _SILENT:
        return answers
    for engine in sorted(ENGINES.values(), key=lambda one: answers.owner not in one.owners):
        if await engine.detect(pages, answers):
            answers.engine = engine.name
            break
        if pages.late >= _LATE:
            return answers
    if answers.engine is None:
        answers.gateway = await hosted.gateway_page(pages) or answers.gateway
        paths = (await pages.get_json("/openapi.json")).page.get("paths")
        answers.chat = isinstance(paths, dict) and "/v1/chat/completions" in paths
    elif route := ENGINES[answers.engine].metrics:
        page = await control.get_text(route)
        answers.metrics = page.text if page.ok else None
    return answers
