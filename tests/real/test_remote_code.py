"""`evalkit serve` by transformers, with the torch and transformers of the real set-up."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.request
from pathlib import Path

import pytest

from tests.real import servers
from tests.serve.served import argv, ask, environment, process

HERE = Path(__file__).parent.parent / "serve" / "tiny_torch_model"
SAVE = """
import json, sys
from pathlib import Path
from safetensors.torch import save_file
import torch
weights = {"encoder.table.weight": torch.zeros(int(sys.argv[2]), 4), "encoder.o_proj.weight": torch.zeros(4, 4)}
save_file(weights, Path(sys.argv[1]) / "model.safetensors", metadata={"format": "pt"})
"""
#: an adapter of the model's projection, as a training run leaves it: `sys.argv[3]` is its start, true means zeros
ADAPT = """
import sys
import peft, transformers
model = transformers.AutoModel.from_pretrained(sys.argv[1], trust_remote_code=True)
config = peft.LoraConfig(r=2, target_modules=["o_proj"], init_lora_weights=sys.argv[3] == "zero")
peft.get_peft_model(model, config).save_pretrained(sys.argv[2])
"""
PEFT = ("peft==0.21.2", "accelerate==1.15.0")  # beside the venv, which serves without


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


@pytest.fixture(scope="module")
def peft(folder):
    """A folder with peft for PYTHONPATH."""
    where = servers.root() / "peft"
    if not (where / "peft").is_dir():
        command = [python(), "-m", "pip", "install", "-q", "--no-deps", "--retries", "1", "--target", str(where), *PEFT]
        done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
        if done.returncode:
            pytest.skip(f"pip could not install {PEFT[0]}: {done.stderr.strip()[-200:]}")
    return str(where)


def adapted(folder: Path, peft: str, start: str) -> str:
    """The name of a folder beside the weights, as the model's own repository has it."""
    name = f"lora_{start}"
    subprocess.run(
        [python(), "-c", ADAPT, str(folder), str(folder / name), start], check=True, timeout=200,
        env={**os.environ, "PYTHONPATH": peft, "HF_HOME": str(folder / "home"), "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    return name


def running(tmp_path, mode, *flags, **env):
    flags = ("--mode", mode, "--trust-remote-code", "--device", "cpu", *flags)
    return process(tmp_path, *flags, plain=False, python=python(), HF_HOME=str(tmp_path), **env)


@pytest.mark.real
@pytest.mark.timeout(400)
@pytest.mark.parametrize("inside", [True, False])
def test_an_adapter_drafts_and_does_not_verify(folder, peft, tmp_path, inside):
    name = adapted(folder, peft, "random")
    flags = ["--lora", name if inside else str(folder / name)]
    path = os.pathsep.join([str(HERE.parents[1]), peft])
    with running(tmp_path, "self-speculation", *flags, model=folder, PYTHONPATH=path) as (url, _):
        facts, exchange = ask(url, max_tokens=40)
    assert exchange.ok, exchange.error  # the model's code raises where the adapter is on to verify
    assert exchange.completion_tokens == 6
    assert exchange.server["forward_passes"] == 3  # 5 without an adapter
    assert facts.provenance["adapter"].endswith(name)


@pytest.mark.real
@pytest.mark.timeout(400)
@pytest.mark.parametrize(("start", "said"), [("zero", "changes nothing"), ("nowhere", "does not load")])
def test_an_adapter_that_is_not_there_or_does_nothing_is_refused(folder, peft, tmp_path, start, said):
    name = "nowhere" if start == "nowhere" else adapted(folder, peft, start)
    done = subprocess.run(
        argv("--mode", "self-speculation", "--trust-remote-code", "--device", "cpu", "--lora", name,
             model=folder, plain=False, python=python()),
        capture_output=True, text=True, timeout=200, check=False,
        env=environment(tmp_path, PYTHONPATH=os.pathsep.join([str(HERE.parents[1]), peft]), HF_HOME=str(tmp_path)),
    )  # fmt: skip
    assert done.returncode == 2
    assert f"the adapter {name} {said}" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.real
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("mode", "passes", "events"), [("autoregressive", 6, 6), ("diffusion", 4, 1), ("self-speculation", 5, 3)]
)
def test_remote_code_of_a_folder_is_served_by_transformers(folder, tmp_path, mode, passes, events):
    flags = ["--dtype", "float32", "--stats-file", str(tmp_path / "forward.jsonl")]
    with running(tmp_path, mode, *flags, model=folder) as (url, _):
        facts, exchange = ask(url, max_tokens=40)
        _, whole = ask(url, max_tokens=40, stream=False)
        with urllib.request.urlopen(f"{url}/server_info", timeout=20) as page:
            counted = json.load(page)
    assert facts.engine == "remote-code"
    assert facts.declared_mode == mode
    assert facts.engine_version.startswith("transformers ")
    assert exchange.ok, exchange.error
    assert exchange.text == whole.text
    assert exchange.completion_tokens == 6
    assert exchange.server["forward_passes"] == passes
    assert len(exchange.chunks) <= events  # a token may be a part of a character
    assert counted["forward_passes_unlike_watched"] == 0
    assert json.loads((tmp_path / "forward.jsonl").read_text().splitlines()[-1])["tokens"] == 6
