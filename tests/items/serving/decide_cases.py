"""What the tests of decide and decide_servers share."""

from __future__ import annotations

from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.serving.facts import (
    EndpointFacts,
    ServerContext,
)
from tests.support.start import START

MODEL = "nvidia/Nemotron-Labs-Diffusion-8B"


def checklist(*labels, launch=False, **more):
    modes = {label: {"endpoint": f"http://127.0.0.1:{30000 + n}"} for n, label in enumerate(labels)}
    return Checklist.model_validate({"candidate": {"model": MODEL}, "modes": modes, **more})


def served(label, declared="autoregressive", observed=None, **more):
    fields = {
        "endpoint": f"http://h/{label}",
        "reachable": True,
        "engine": "sglang",
        "engine_version": "0.5.23",
        "release": "release",
        "model_path": MODEL,
        "process": label,
        "settings": {"dtype": "bfloat16", "quantization": None, "kv_cache_dtype": "auto"},
        "context": ServerContext(max_model_len=4096),
        **more,
    }
    return EndpointFacts(label=label, declared_mode=declared, observed_mode=observed, **fields)


def facts(*endpoints, **more):
    return Facts(start=START, endpoints={e.label: e for e in endpoints}, **more)


def one(found, check, mode=None):
    return next(f for f in found if f.id == check and (mode is None or f.mode == mode))


AR, DIFF, SELF, SPEC = "autoregressive", "diffusion", "self-speculation", "speculative"
