"""What the tests of hub and hub_keys share."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.hub_server import HubServer, Repo

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


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """One Hub with one repository for each case."""
    marker = str(tmp_path_factory.mktemp("trap") / "ran")
    traps = {name: trap(marker) for name in ("modeling_tri.py", "configuration_tri.py", "setup.py", "conftest.py")}
    faults = ("429", "500", "503", "401", "403", "404", "html", "no-json-object", "no-commit", "hang-up", "silence",
              "disabled", "bad-token")  # fmt: skip
    repos = {
        "acme/plain": plain(),
        "acme/trapped": plain(files={**traps, "LICENSE": b"terms", "model.pt": b"\x80\x04cos\nsystem\n"}),
        "acme/gated-closed": plain(gated="manual", card=GATED_CARD),
        "acme/old-name": Repo(renamed_to="acme/plain"),
        "acme/private": plain(private=True),
        "acme/crowded": plain(
            sha="7" * 40, files={"LICENSE": b"MIT License"},
            card={},
        ),
        "acme/absent-file": Repo(files={"config.json": json.dumps(CONFIG).encode()}, listed={"README.md": 100}),
        "acme/huge-card": Repo(files={"README.md": b"---\nlicense: mit\n---\n" + b"x" * (5 << 20)}),
        "acme/no-sizes": Repo(files={"README.md": CARD}, listed={"model.safetensors": None}),
        **{f"broken/{fault}": plain(fault=fault) for fault in faults},
    }  # fmt: skip
    repos["acme/crowded"].listed |= {f"shards/part-{i:06}.safetensors": 1000 for i in range(100_000)}
    with HubServer(repos) as server:
        server.marker = marker
        yield server
