"""MLX servers (mlx-lm, mlx-vlm, rapid-mlx): known by the title of /openapi.json, or by /health.

Asked last: /health makes some other servers generate.
"""

from __future__ import annotations

from evalkit.serving.engines.base import Engine
from evalkit.serving.pages import Answers, Pages
from evalkit.serving.redaction import openapi_title


class MLX(Engine):
    name = "mlx"
    title = "MLX"

    async def detect(self, pages: Pages, answers: Answers) -> bool:
        title, version = openapi_title((await pages.get_json("/openapi.json")).page)
        if "mlx" in title.lower():
            answers.version = version
            return True
        page = (await pages.get_json("/health")).page
        if not {"loaded_model", "loaded_context_size"} & set(page):
            return False
        answers.info = page
        return True


ENGINE = MLX()
