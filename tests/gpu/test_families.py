"""True shapes of families, each figure computed by hand from its configuration."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer import Typer
from typer.testing import CliRunner

from evalkit.cli.hardware import hardware_command
from evalkit.errors import MeasurementError
from evalkit.gpu.facts import Gpu, HardwareFacts
from evalkit.gpu.fit import GIB, Load, kv_bytes, kv_bytes_per_token, max_context, need, place, weights_of
from evalkit.gpu.kv import KvGroup
from evalkit.gpu.memory import memory_here, memory_of, model_of, shape_of, usable_bytes
from evalkit.gpu.shape import read_shape
from evalkit.gpu.survey import memory_to_judge
from evalkit.hub import collect
from evalkit.hub.config import read_config
from evalkit.hub.facts import CandidateFacts

#: mirrors google/diffusiongemma-26B-A4B-it, without the vision tower's patches
DIFFUSION_GEMMA = {
    "model_type": "diffusion_gemma", "architectures": ["DiffusionGemmaForBlockDiffusion"], "canvas_length": 256,
    "dtype": "bfloat16", "tie_word_embeddings": True, "vision_config": {"hidden_size": 1152, "num_hidden_layers": 27},
    "text_config": {
        "model_type": "diffusion_gemma_text", "hidden_size": 2816, "num_hidden_layers": 30, "num_attention_heads": 16,
        "num_key_value_heads": 8, "num_global_key_value_heads": 2, "head_dim": 256, "global_head_dim": 512,
        "intermediate_size": 2112, "moe_intermediate_size": 704, "num_experts": 128, "top_k_experts": 8,
        "vocab_size": 262144, "sliding_window": 1024, "sliding_window_pattern": None, "num_kv_shared_layers": 0,
        "max_position_embeddings": 262144, "layer_types": (["sliding_attention"] * 5 + ["full_attention"]) * 5,
    },
}  # fmt: skip
#: GSAI-ML/LLaDA-8B-Instruct in the words of its own configuration
LLADA = {
    "model_type": "llada", "architectures": ["LLaDAModelLM"], "d_model": 4096, "n_heads": 32, "n_kv_heads": 32,
    "n_layers": 32, "mlp_hidden_size": 12288, "vocab_size": 126464, "embedding_size": 126464, "weight_tying": False,
    "max_sequence_length": 4096, "mask_token_id": 126336,
}  # fmt: skip
#: inclusionAI/LLaDA2.0-mini
LLADA2 = {
    "model_type": "llada2_moe", "architectures": ["LLaDA2MoeModelLM"], "hidden_size": 2048, "num_hidden_layers": 20,
    "num_attention_heads": 16, "num_key_value_heads": 4, "head_dim": 128, "intermediate_size": 5120,
    "moe_intermediate_size": 512, "num_experts": 256, "num_shared_experts": 1, "first_k_dense_replace": 1,
    "vocab_size": 157184, "tie_word_embeddings": False, "max_position_embeddings": 32768,
}  # fmt: skip
DENSE = {
    "num_hidden_layers": 12, "hidden_size": 1024, "num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 128,
    "intermediate_size": 4096, "vocab_size": 1000,
}  # fmt: skip
#: bytes that one of its layers keeps of a token: keys and values of 2 heads of 128, two bytes each
EACH = 2 * 2 * 128 * 2


def candidate(config, tmp_path, **sides) -> CandidateFacts:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    for name, content in {"config": config, **sides}.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return collect(str(folder), revision="main")


def test_diffusion_gemma_keeps_a_window_in_most_layers(tmp_path):
    shape = shape_of(candidate(DIFFUSION_GEMMA, tmp_path))
    assert shape == shape.model_copy(update={"kv": read_shape(DIFFUSION_GEMMA).kv})
    assert kv_bytes_per_token(shape) == 5 * 2 * 2 * 512 * 2 == 20_480
    growing, windows = 262_144 * 20_480, 25 * 2 * 8 * 256 * 2 * 1024
    assert kv_bytes(shape, 262_144) == growing + windows == 5_578_424_320  # and not 64.4 GB
    assert kv_bytes(shape, 1000) == 1000 * (20_480 + 25 * 2 * 8 * 256 * 2)
    assert shape.block_size == 256


def test_the_card_that_holds_diffusion_gemma_at_its_full_window_passes(tmp_path):
    shape, weights = model_of(candidate(DIFFUSION_GEMMA, tmp_path))
    assert 25.0e9 < weights.params < 25.5e9  # 25.2 B are published
    load = Load(context=262_144, block=shape.block_size)
    assert need(shape, weights, load).logits_gib == 256 * 262_144 * 4 / GIB == 0.25
    assert place(shape, weights, load, 76.0).tp == 1  # an 80 GB card
    assert place(shape, weights, load, 45.0).tp is None  # a 48 GB card does not hold its weights


def test_the_command_line_lets_diffusion_gemma_fit_an_80_gb_card(tmp_path):
    candidate(DIFFUSION_GEMMA, tmp_path)
    app = Typer()
    app.command()(hardware_command)
    asked = [str(tmp_path / "model"), "--gpu", "H100-80GB", "--context", "262144", "--json"]
    document = json.loads(CliRunner().invoke(app, asked).stdout)
    (row,) = [r for r in document["fit"] if r["context_tokens"] == 262_144 and r["precision"] == "bf16"]
    assert row["fits"] is True


def test_tensor_parallel_replicates_the_heads_that_are_too_few():
    shape = read_shape(DIFFUSION_GEMMA)
    full, windows = 5 * 2 * 2 * 512 * 2 * 262_144, 25 * 2 * 8 * 256 * 2 * 1024
    assert kv_bytes(shape, 262_144, tp=4) == full / 2 + windows / 4


def test_old_key_names_are_read_and_a_full_attention_model_keeps_no_growing_kv(tmp_path):
    raw = read_shape(LLADA)
    assert raw.params == 32 * 4096 * (2 * 4096 + 2 * 4096 + 3 * 12288 + 2) + 2 * 126_464 * 4096 + 4096 == 8_015_581_184
    assert raw.max_positions == 4096
    shape, weights = model_of(candidate(LLADA, tmp_path))
    assert weights.params == 8_015_581_184
    assert kv_bytes(shape, 4096) == 0
    asked = need(shape, weights, Load(context=4096, block=32))
    assert asked.kv_gib == 0
    assert asked.logits_gib == 4096 * 126_464 * 4 / GIB  # every position of the sequence is decoded
    assert "whole sequence" in shape.notes[0]


def test_a_mixture_of_experts_is_sized_by_its_configuration(tmp_path):
    shape, weights = model_of(candidate(LLADA2, tmp_path))
    attention = 20 * 2048 * (2 * 2048 + 2 * 512 + 2)
    experts = 19 * 2048 * (256 * 3 * 512 + 256 + 3 * 512)
    dense, embeddings = 3 * 2048 * 5120, 2 * 157_184 * 2048
    assert weights.params == attention + experts + dense + embeddings + 2048 == 16_255_633_408
    assert kv_bytes_per_token(shape) == 20 * 2 * 4 * 128 * 2
    assert shape.block_size == 32  # its configuration is silent: the record of the family tells


def test_experts_named_local_are_as_wide_as_the_network_and_others_are_not_guessed():
    mixtral = read_shape({**DENSE, "num_local_experts": 8, "num_experts_per_tok": 2})
    assert mixtral.params == 12 * 1024 * (2 * 1024 + 2 * 256 + 2 + 8 * 3 * 4096 + 8) + 2 * 1000 * 1024 + 1024
    assert weights_of(read_shape({**DENSE, "num_experts": 8})) is None


@pytest.mark.parametrize(
    ("more", "growing", "windowed"),
    [
        ({}, 12, 0),
        ({"layer_types": ["full_attention"] * 3 + ["linear_attention"] * 9}, 3, 0),
        ({"layers_block_type": ["mamba", "attention"] * 6}, 6, 0),
        ({"hybrid_override_pattern": "M-M*-ME*M-M-"}, 2, 0),
        ({"full_attention_interval": 4}, 3, 0),
        ({"attn_layer_period": 6, "attn_layer_offset": 2}, 2, 0),
        ({"attn_layer_indices": [1, 5, 9]}, 3, 0),
        ({"sliding_window": 512, "sliding_window_pattern": 6}, 2, 10),
        ({"sliding_window": 512, "global_period": 4}, 3, 9),
        ({"layer_types": ["chunked_attention"] * 9 + ["full_attention"] * 3, "attention_chunk_size": 512}, 3, 9),
        ({"layer_types": ["sliding_attention"] * 12}, 12, 0),  # no window is named: everything is kept
        ({"sliding_window": 512}, 12, 0),  # which layers look back so far is not said: an upper bound
        ({"sliding_window": 512, "use_sliding_window": False}, 12, 0),
        ({"layer_types": ["full_attention"] * 5}, 12, 0),  # does not fit the number of layers
        ({"layer_types": ["something_new"] * 12}, 12, 0),
        ({"layer_types": ["full_attention"] * 12, "num_kv_shared_layers": 4}, 8, 0),
        ({"attn_layer_indices": [99]}, 12, 0),
        ({"full_attn_idxs": [2, 5]}, 2, 0),
        ({"attn_type_list": [0, 0, 0, 1] * 3}, 3, 0),
        ({"attn_type_list": [0, 7] * 6}, 12, 0),
        ({"hybrid_override_pattern": "M*"}, 12, 0),
    ],
)
def test_layers_keep_what_their_kind_keeps(more, growing, windowed):
    shape = read_shape({**DENSE, **more})
    assert kv_bytes_per_token(shape) == growing * EACH
    assert kv_bytes(shape, 10_000) == growing * EACH * 10_000 + windowed * EACH * 512
    assert kv_bytes(shape, 100) == (growing + windowed) * EACH * 100


def test_what_a_hub_folder_keeps_of_a_configuration_gives_the_same_shape(tmp_path):
    for number, more in enumerate(
        [{"full_attention_interval": 4}, {"hybrid_override_pattern": "M-M*-ME*M-M-"}, {"attn_layer_indices": [1, 5, 9]},
         {"kv_lora_rank": 512, "qk_rope_head_dim": 64}, {"attn_layer_period": 6, "attn_layer_offset": 0}]
    ):  # fmt: skip
        (tmp_path / str(number)).mkdir()
        read = candidate({**DENSE, **more}, tmp_path / str(number))
        assert shape_of(read).kv == read_shape({**DENSE, **more}).kv


def test_latent_attention_is_kept_whole_on_every_device():
    shape = read_shape({**DENSE, "kv_lora_rank": 512, "qk_rope_head_dim": 64})
    assert kv_bytes(shape, 10, tp=2) == kv_bytes(shape, 10) == 12 * 576 * 2 * 10


@pytest.mark.parametrize(
    ("config", "sides", "block", "mask"),
    [
        ({"bd_size": 32}, {}, 32, None),
        ({"canvas_length": 256}, {}, 256, None),
        ({"block_size": 8, "canvas_length": 256}, {}, 8, None),
        ({}, {"dlm_config": {"block_size": 16, "mask_token_id": 7}}, 16, 7),
        ({}, {"block_diffusion": {"bd_size": 4, "mask_id": 0}}, 4, 0),
        ({"block_size": 64}, {"dlm_config": {"block_length": 16}}, 64, None),
        ({}, {"dlm_config": {"block_size": "many"}}, None, None),
        ({}, {"dlm_config": [1]}, None, None),
        ({}, {}, None, None),
        ({"architectures": ["SDARForCausalLM"]}, {}, 4, None),
        ({"architectures": ["SDARForCausalLM"], "block_size": 16}, {}, 16, None),
    ],
)
def test_the_block_is_read_where_it_is_written(config, sides, block, mask, tmp_path):
    read = candidate({**DENSE, **config}, tmp_path, **sides)
    assert shape_of(read).block_size == block
    assert read.config.get("mask_token_id") == mask


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=12) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    [*DENSE, "layer_types", "layers_block_type", "hybrid_override_pattern", "attn_layer_indices", "attn_type_list",
     "full_attn_idxs", "sliding_window", "sliding_window_pattern", "global_period", "full_attention_interval",
     "attn_layer_period", "attn_layer_offset", "num_kv_shared_layers", "num_global_key_value_heads", "global_head_dim",
     "kv_lora_rank", "qk_rope_head_dim", "num_experts", "num_local_experts", "moe_intermediate_size", "canvas_length",
     "first_k_dense_replace", "num_shared_experts", "bd_size", "mask_id", "d_model", "text_config", "vision_config"]
)  # fmt: skip


@given(st.dictionaries(FIELDS, ANY, max_size=6), st.dictionaries(FIELDS, ANY, max_size=3), st.booleans())
def test_any_configuration_gives_a_shape_or_a_named_reason(fields, side, whole):
    """A raw configuration, and what the hub reader keeps of it; never negative, never more than everything."""
    config = {**DENSE, **fields} if whole else fields
    kept = read_config(config, {}, {}, side)
    for one in (config, kept.values):
        try:
            shape = read_shape(one)
        except MeasurementError:
            continue
        assert kv_bytes(shape, 0) == 0
        assert 0 <= kv_bytes(shape, 1000) <= kv_bytes(shape, 2000)
        assert shape.params is None or shape.params > 0


@given(st.integers(1, 60), st.integers(1, 8), st.integers(1, 300_000), st.integers(1, 4096))
def test_a_window_never_keeps_more_than_all_and_the_longest_context_fits(layers, heads, tokens, window):
    all_of_it = KvGroup(layers=layers, width=2 * heads * 64, heads=heads)
    some = all_of_it.model_copy(update={"window": window})
    assert some.elements(tokens) <= all_of_it.elements(tokens)
    shape = read_shape(DENSE).model_copy(update={"kv": (all_of_it, some), "max_positions": None})
    weights = weights_of(shape)
    longest = max_context(shape, weights, Load(context=0), 8.0)
    capacity = 0.95 * 8.0
    assert need(shape, weights, Load(context=longest), tp=1).total_gib <= capacity
    assert need(shape, weights, Load(context=longest + 1), tp=1).total_gib > capacity


GB10 = "NVIDIA GB10"


@pytest.mark.parametrize(
    ("name", "read", "host", "gib"),
    [
        (GB10, None, 119.7, 110.0),  # NVML reports none for shared memory
        (GB10, 119.7, 119.7, 110.0),  # or all of the host's
        (GB10, None, 60.0, 60.0),  # a container with a limit
        (GB10, None, None, 110.0),
        ("NVIDIA GH200 480GB", 95.6, 500.0, 95.6),  # its own memory, as read
        ("NVIDIA GH200 480GB", None, 500.0, 91.2),
        ("Some Card", None, 64.0, None),
        ("Some Card", 24.0, 64.0, 24.0),
    ],
)
def test_shared_memory_is_counted_one_way_by_run_hardware_and_doctor(name, read, host, gib, monkeypatch):
    def size(value):
        return None if value is None else round(value * GIB)

    gpu = Gpu(index=0, name=name, memory_total_bytes=size(read))
    facts = HardwareFacts(gpus=(gpu,), memory_bytes=size(host))
    assert usable_bytes(gpu, size(host)) == size(gib)
    expected = None if gib is None else pytest.approx(gib)
    assert memory_here(facts).gib == expected  # what a run judges by
    assert memory_to_judge(facts, None)[0].gib == expected  # what `evalkit hardware` judges by
    assert memory_of([gpu, gpu], size(host)).devices == (2 if gib else 1)

    from evalkit import doctor
    from evalkit.gpu import nvml

    monkeypatch.setattr(nvml, "collect", lambda **_: facts)
    assert doctor._gpu()["gpus"][0]["memory_total_bytes"] == size(gib)


def test_a_named_shared_card_has_the_same_memory_as_one_that_was_found():
    found = memory_here(HardwareFacts(gpus=(Gpu(index=0, name=GB10),), memory_bytes=round(119.7 * GIB)))
    assert memory_to_judge(HardwareFacts(), "GB10")[0].gib == found.gib == 110.0
