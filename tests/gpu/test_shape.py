"""Configurations as they are found: nested, odd, wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.errors import MeasurementError
from evalkit.gpu.shape import model_weights, read_shape
from evalkit.hub.facts import ModelFile

GOOD = {
    "num_hidden_layers": 40,
    "hidden_size": 5120,
    "intermediate_size": 16384,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 131_072,
}


def test_head_dim_is_read_before_the_quotient():
    assert read_shape(GOOD).head_dim == 128  # 5120 / 32 would be 160


def test_the_quotient_is_used_where_head_dim_is_absent():
    without = {key: value for key, value in GOOD.items() if key != "head_dim"}
    assert read_shape(without).head_dim == 160


def test_text_config_comes_before_the_top_level():
    shape = read_shape({**GOOD, "num_hidden_layers": 1, "text_config": GOOD})
    assert shape.layers == 40


def test_a_vision_config_does_not_shadow_the_text_model():
    shape = read_shape({**GOOD, "vision_config": {"num_hidden_layers": 24, "hidden_size": 1024, "patch_size": 14}})
    assert (shape.layers, shape.hidden) == (40, 5120)


def test_a_model_without_grouped_heads_has_as_many_kv_heads():
    assert read_shape({k: v for k, v in GOOD.items() if k != "num_key_value_heads"}).kv_heads == 32


def test_tied_embeddings_count_once():
    assert read_shape({**GOOD, "tie_word_embeddings": True}).embedding_params == 131_072 * 5120


def test_latent_attention_keeps_one_compressed_vector():
    (group,) = read_shape({**GOOD, "kv_lora_rank": 512, "qk_rope_head_dim": 64}).kv
    assert (group.layers, group.width, group.heads) == (40, 576, 1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"num_hidden_layers": None}, "no num_hidden_layers"),
        ({"hidden_size": "4096"}, "not a whole number"),
        ({"num_hidden_layers": -3}, "no model has"),
        ({"num_hidden_layers": 10**9}, "no model has"),
        ({"vocab_size": True}, "not a whole number"),
        ({"hidden_size": float("nan")}, "not a whole number"),
        ({"hidden_size": float("inf")}, "not a whole number"),
        ({"hidden_size": 40.5}, "not a whole number"),
        ({"num_key_value_heads": 64}, "do not go together"),
        ({"vocab_size": [1]}, "not a whole number"),
    ],
)
def test_a_field_that_cannot_be_used_is_named(change, words):
    with pytest.raises(MeasurementError, match=words):
        read_shape({**GOOD, **change})


def test_a_nonsensical_window_does_not_stop_the_memory_formula():
    assert read_shape({**GOOD, "max_position_embeddings": "a lot"}).max_positions is None


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
JSON = SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(st.sampled_from(sorted(GOOD)), SCALARS, max_size=3)
NAMES = st.sampled_from([*GOOD, "text_config", "vision_config", "quantization_config", "dtype", "layer_types"])


@given(NAMES, JSON)
def test_any_value_of_a_field_gives_a_shape_or_a_named_reason(name, value):
    try:
        shape = read_shape({**GOOD, name: value})
    except MeasurementError as problem:
        reason = problem
        shape = None
    assert (shape.layers > 0) if shape else bool(reason.hint)


def test_formats_beside_each_other_are_counted_once():
    files = [
        ModelFile(name="model-00001-of-00002.safetensors", size=10),
        ModelFile(name="model-00002-of-00002.safetensors", size=20),
        ModelFile(name="consolidated.safetensors", size=30),
        ModelFile(name="pytorch_model.bin", size=30),
        ModelFile(name="original/model.safetensors", size=30),
    ]
    assert model_weights(files) == (30, 0)


def test_a_shard_of_unknown_size_makes_the_sum_unknown():
    files = [ModelFile(name="a.safetensors", size=10), ModelFile(name="b.safetensors")]
    assert model_weights(files) == (0, 0)
