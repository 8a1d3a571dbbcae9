"""Start commands: the records' arguments behind the engine's own start, whole, and never guessed."""

from __future__ import annotations

import json
import re
import shlex

import pytest
import yaml

from evalkit.data.records import engines, families, records
from evalkit.modes import Mode
from evalkit.serving.engines import engine_of
from evalkit.serving.engines.sglang import FORK_DIFFUSION, FORK_SELF_SPECULATION, UPSTREAM_DIFFUSION, declared
from evalkit.serving.support import recipe_for, recipe_of, recipes_for

NEMOTRON = "nvidia/Nemotron-Labs-Diffusion-8B"
KNOWN = FORK_DIFFUSION | FORK_SELF_SPECULATION | UPSTREAM_DIFFUSION
STARTED = [recipe for record in records() if (recipe := recipe_of(record))]


def after(words, flag):
    return words[words.index(flag) + 1] if flag in words else None


@pytest.mark.parametrize("recipe", STARTED, ids=lambda r: f"{r.record.family}-{r.record.engine}-{r.record.mode}")
def test_every_start_command_is_whole(recipe):
    words = shlex.split(recipe.command(model=NEMOTRON, port=31234, context=8192))
    assert NEMOTRON in words
    assert "31234" in words
    assert "8192" in words
    assert not [word for word in words if re.search(r"\{(model|port|context|revision)\}", word)]
    assert not [word for word in words if word in ("--ar-mode", "--speculation-mode")]  # circulate, and do not exist
    flags = [word for word in words if word.startswith("--")]
    assert len(flags) == len(set(flags))


@pytest.mark.parametrize("recipe", STARTED, ids=lambda r: f"{r.record.family}-{r.record.engine}-{r.record.mode}")
def test_what_a_command_starts_declares_the_mode_that_it_is_recorded_for(recipe):
    words, row = list(recipe.argv), engines()[recipe.record.engine]
    for flag in ("--hf-overrides", "--json-model-override-args", "--diffusion-config"):
        assert after(words, flag) is None or json.loads(after(words, flag))
    if row.engine == "sglang":
        override = after(words, "--json-model-override-args") or "{}"
        algorithm, drafter = after(words, "--dllm-algorithm"), after(words, "--speculative-algorithm")
        said = declared({"dllm_algorithm": algorithm, "speculative_algorithm": drafter, **json.loads(override)})
        assert said.mode == recipe.record.mode
        assert said.block_loop is not recipe.record.baseline
        assert algorithm in (None, *KNOWN)
        # left out, a diffusion server admits one request at a time
        assert algorithm is None or after(words, "--max-running-requests")


@pytest.mark.parametrize("recipe", [r for r in STARTED if r.side_files], ids=lambda r: r.record.mode)
def test_side_files_are_whole_and_fit_their_command(recipe):
    for file in recipe.side_files:
        content = yaml.safe_load(file.text)
        assert content["algorithm"] == after(list(recipe.argv), "--dllm-algorithm")
        assert len(file.sha256) == 64
        assert file.source.startswith("https://")


def test_the_block_loop_is_never_what_is_recommended_as_baseline():
    assert all("FastDiffuser" not in recipe.argv for recipe in recipes_for(NEMOTRON, "autoregressive"))
    assert recipe_for(NEMOTRON, "autoregressive").record.engine == "vllm"


@pytest.mark.parametrize(
    ("model", "mode", "words"),
    [
        (NEMOTRON, "autoregressive", ["vllm", "serve", '{"ar_mode": true}']),
        (NEMOTRON, "diffusion", ["vllm", "--diffusion-config", '{"temperature": 0.0, "confidence_threshold": 0.9}']),
        (NEMOTRON, "self-speculation", ["LinearSpec", "nemotron_labs_linearspec.yaml"]),
        ("inclusionAI/LLaDA2.0-mini", "diffusion", ["LowConfidence"]),
        ("inclusionAI/LLaDA2.2-flash", "diffusion", ["JointThreshold", "--max-running-requests", "1"]),
        ("google/diffusiongemma-26B-A4B-it", "diffusion", ["--max-num-seqs", "4", "TRITON_ATTN"]),
        ("jetlm/sdar-8b-chat", "diffusion", ["LowConfidence"]),
        ("s-sahoo/uno-qwen3-8B", "self-speculation", ["UNO", "s-sahoo/uno-qwen3-8B/adapter", "fa3"]),
    ],
)
def test_a_known_model_gets_the_documented_command(model, mode, words):
    said = shlex.split(recipe_for(model, mode).command(model=model, port=1))
    assert set(words) <= set(said)


@pytest.mark.parametrize(
    ("model", "mode"),
    [
        ("acme/unheard-of-8B", "diffusion"),
        ("acme/unheard-of-8B", "autoregressive"),
        ("Dream-org/Dream-v0-Instruct-7B", "diffusion"),
        ("GSAI-ML/LLaDA-8B-Instruct", "diffusion"),
        ("tencent/WeDLM-8B-Instruct", "diffusion"),
        ("Efficient-Large-Model/Fast_dLLM_v2_7B", "diffusion"),
        ("ByteDance-Seed/Stable-DiffCoder-8B-Instruct", "diffusion"),
    ],
)
def test_no_command_is_guessed_for_what_no_record_can_start(model, mode):
    assert recipe_for(model, mode) is None


def test_a_checkpoint_of_another_name_is_known_by_its_architecture():
    assert recipe_for("me/my-tune", "diffusion", ["SDARForCausalLM"]).record.family == "sdar"
    assert recipe_for("me/my-tune", "diffusion", ["SomethingForCausalLM"]) is None
    assert recipe_for("me/my-tune", "diffusion", ["DreamModel"]) is None  # two families have it
    uno = recipe_for("s-sahoo/uno-qwen3-8B", "diffusion", ["SDARForCausalLM"])
    assert uno is None  # its config says sdar although it is none


def test_every_engine_that_evalkit_starts_is_one_that_it_recognises():
    for row in engines().values():
        if row.engine is not None:
            assert engine_of(row.engine).name == row.engine
    assert {record.mode for record in records()} <= {mode.value for mode in Mode}
    assert next(f for f in families() if f.family == "sdar").block == 4


def test_a_reference_implementation_is_the_last_resort_and_pinned():
    """Where no engine decodes a mode, the model's own code does; where one does, it comes first."""
    vlm = recipe_for("nvidia/Nemotron-Labs-Diffusion-VLM-8B", "diffusion")
    assert vlm.record.engine == "remote-code"
    line = vlm.command(model="m", port=1, revision="c" * 40)
    assert f"--revision {'c' * 40}" in line
    assert "--mode diffusion" in line
    text = recipes_for("nvidia/Nemotron-Labs-Diffusion-8B", "self-speculation")
    assert [one.record.engine for one in text].index("remote-code") == len(text) - 1 > 0
    assert "linear_spec_lora" in text[-1].argv
