"""LMDeploy, which serves SDAR by its PyTorch engine. From its source (2026-08); no server was seen.

It names no decoding mode: the stream has to show it.
"""

from __future__ import annotations

from evalkit.serving.engines.base import Engine, Names, Start
from evalkit.serving.pages import Answers, Pages


class LMDeploy(Engine):
    name = "lmdeploy"
    title = "LMDeploy"
    package = "lmdeploy"
    owners = ("lmdeploy",)
    ports = (23333,)
    metrics = "/metrics"  # with --enable-metrics
    names = Names(
        tokens="lmdeploy:generation_tokens_total",
        verify="lmdeploy:spec_decode_num_drafts_total",
        kv_use="lmdeploy:gpu_cache_usage_perc",
        others=("lmdeploy:request_success_total",),
        prefixes=("lmdeploy:spec_decode_",),
    )
    start = Start(
        ("lmdeploy", "serve", "api_server", "{model}", "--server-port", "{port}", "--backend", "pytorch"),
        context="--session-len",
        requests="--max-batch-size",
        revision="--revision",
        tools="--tool-call-parser NAME",
    )

    async def detect(self, pages: Pages, answers: Answers) -> bool:
        """By the owner of the model card; no page tells the version."""
        del pages
        return answers.owner in self.owners


ENGINE = LMDeploy()
