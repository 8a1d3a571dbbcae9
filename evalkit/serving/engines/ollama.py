"""Ollama: known by /api/version, which holds little else."""

from __future__ import annotations

from evalkit.serving.engines.base import Engine
from evalkit.serving.pages import Answers, Pages
from evalkit.serving.redaction import text_of


class Ollama(Engine):
    name = "ollama"
    title = "Ollama"
    ports = (11434,)

    async def detect(self, pages: Pages, answers: Answers) -> bool:
        page = (await pages.get_json("/api/version")).page
        if "version" not in page or len(page) > 3:
            return False
        answers.version = text_of(page["version"])
        return True


ENGINE = Ollama()
