"""LMDeploy, which serves SDAR by its PyTorch engine. From its source (2026-08); no server was seen.

It names no decoding mode over HTTP: the stream has to show it, or the arguments by which evalkit starts it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evalkit.modes import Mode
from evalkit.serving.engines.base import Declared, Engine, Knob, Names, Start
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

    def knobs(self, words: Sequence[str]) -> dict[str, Knob]:
        """Flags of its command line, as it was read."""
        return super().knobs(words) | {
            "threshold": Knob("--dllm-confidence-threshold"), "block_size": Knob("--dllm-block-length"),
            "steps": Knob("--dllm-denoising-steps"),
        }  # fmt: skip

    async def detect(self, pages: Pages, answers: Answers) -> bool:
        """By the owner of the model card; no page reports the version."""
        return answers.owner in self.owners

    def declared(self, answers: Answers, settings: Mapping[str, Any], counters: Mapping[str, float] | None) -> Declared:
        """By the start arguments, where evalkit has them: no page names the mode."""
        if any(word.startswith("--dllm-block-length") for word in answers.argv):
            return Declared(Mode.DIFFUSION.value, "started with --dllm-block-length")
        return super().declared(answers, settings, counters)


ENGINE = LMDeploy()
