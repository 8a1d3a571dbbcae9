"""`transformers serve`: known by its /load_model route."""

from __future__ import annotations

from evalkit.serving.engines.base import Engine
from evalkit.serving.pages import Answers, Pages


class Transformers(Engine):
    name = "transformers"
    title = "transformers serve"

    async def detect(self, pages: Pages, answers: Answers) -> bool:
        paths = (await pages.get_json("/openapi.json")).page.get("paths")
        return isinstance(paths, dict) and "/load_model" in paths and "/v1/chat/completions" in paths


ENGINE = Transformers()
