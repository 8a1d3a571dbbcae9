"""Text Generation Inference: known by its /info."""

from __future__ import annotations

from evalkit.serving.engines.base import Engine
from evalkit.serving.pages import Answers, Pages
from evalkit.serving.redaction import text_of


class TGI(Engine):
    name = "tgi"
    title = "Text Generation Inference"

    async def detect(self, pages: Pages, answers: Answers) -> bool:
        page = (await pages.get_json("/info")).page
        if "model_id" not in page or not ({"max_total_tokens", "max_input_tokens", "max_input_length"} & set(page)):
            return False
        answers.version, answers.info = text_of(page.get("version")), page
        return True


ENGINE = TGI()
