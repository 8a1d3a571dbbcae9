"""The example server's transformers loader, with the torch and transformers of the real set-up."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.examples.test_remote_code_server import ask, running
from tests.real import servers

HERE = Path(__file__).parent.parent / "examples" / "tiny_torch_model"
SAVE = """
import json, sys
from pathlib import Path
from safetensors.torch import save_file
import torch
save_file({"table.weight": torch.zeros(int(sys.argv[2]), 4)}, Path(sys.argv[1]) / "model.safetensors", metadata={"format": "pt"})
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    reason = servers.available("ar")
    if reason:
        pytest.skip(reason)
    where = tmp_path_factory.mktemp("model")
    for file in HERE.glob("*.py"):
        shutil.copy(file, where)
    for file in servers.model_folder("ar").iterdir():
        if file.name.startswith(("tokenizer", "chat_template", "vocab", "merges", "special", "added")):
            shutil.copy(file, where)
    vocabulary = json.loads((servers.model_folder("ar") / "config.json").read_text())["vocab_size"]
    config = {
        "architectures": ["TinyTorchModel"],
        "auto_map": {"AutoConfig": "configuration_tiny.TinyConfig", "AutoModel": "modeling_tiny.TinyTorchModel"},
        "eos_token_id": vocabulary - 1, "max_position_embeddings": 2048, "model_type": "tiny_torch_diffusion",
        "vocab_size": vocabulary,
    }  # fmt: skip
    (where / "config.json").write_text(json.dumps(config))
    subprocess.run([python(), "-c", SAVE, str(where), str(vocabulary)], check=True, timeout=120)
    return where


def python() -> str:
    return str(servers.root() / "venv" / "bin" / "python")


@pytest.mark.real
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("mode", "passes"), [("autoregressive", 7), ("diffusion", 4), ("self-speculation", 3)])
def test_remote_code_of_a_folder_is_served_by_transformers(folder, tmp_path, mode, passes):
    flags = ["--device", "cpu", "--dtype", "float32", "--stats-file", str(tmp_path / "forward.jsonl")]
    with running(
        mode, *flags, model=folder, loader="transformers", python=python(), HF_HOME=str(tmp_path), HF_HUB_OFFLINE="1"
    ) as (url, _):
        facts, exchange = ask(url, max_tokens=40)
    assert facts.engine == "remote-code"
    assert facts.declared_mode == mode
    assert facts.engine_version.startswith("transformers ")
    assert exchange.ok, exchange.error
    assert exchange.completion_tokens == 6
    assert exchange.server["forward_passes"] == passes
    assert json.loads((tmp_path / "forward.jsonl").read_text().splitlines()[-1])["tokens"] == 6
