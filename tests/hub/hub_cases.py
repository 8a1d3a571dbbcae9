"""What the tests of hub and hub_keys share."""

from __future__ import annotations

import json
from typing import Any

from tests.support.hub_server import Repo

CARD = (
    b"---\nlicense: other\nlicense_name: nvidia-nemotron-open-model-license\npipeline_tag: text-generation\n---\n# M\n"
)


CONFIG = {
    "model_type": "tri", "architectures": ["TriModel"], "num_hidden_layers": 2, "hidden_size": 64,
    "num_attention_heads": 4, "vocab_size": 512, "max_position_embeddings": 4096,
    "auto_map": {"AutoModel": "modeling_tri.TriModel", "AutoConfig": "configuration_tri.TriConfig"},
}  # fmt: skip


GATED_CARD = {"license": "other", "license_name": "nscl-v1"}


def plain(**more: Any) -> Repo:
    files = {"README.md": CARD, "config.json": json.dumps(CONFIG).encode()}
    return Repo(files={**files, **more.pop("files", {})}, listed={"model.safetensors": 16_979_120_000}, **more)


def trap(marker: str) -> bytes:
    """A module that leaves a file and ends the process when anything runs or imports it."""
    return f"open({marker!r}, 'w').close()\nraise SystemExit('remote code was run')\n".encode()
