"""llama.cpp's server and llama-cpp-python: known by /props, or by the title of /openapi.json."""

from __future__ import annotations

from evalkit.serving.engines.base import Engine
from evalkit.serving.pages import Answers, Pages
from evalkit.serving.redaction import openapi_title, text_of


class LlamaCpp(Engine):
    name = "llama.cpp"
    title = "llama.cpp"
    ports = (8080,)

    async def detect(self, pages: Pages, answers: Answers) -> bool:
        page = (await pages.get_json("/props")).page
        if "default_generation_settings" in page or "build_info" in page:
            answers.version, answers.info = text_of(page.get("build_info")), page
            return True
        api = (await pages.get_json("/openapi.json")).page
        title, version = openapi_title(api)
        if "llama.cpp" not in title:
            return False
        answers.version = version
        return True


ENGINE = LlamaCpp()
