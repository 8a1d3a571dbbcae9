"""The memory formula against the published sizes of the 3B, 8B, 14B and VLM models."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.gpu.fit import (
    GIB,
    PRECISIONS,
    Load,
    kv_bytes_per_token,
    max_context,
    need,
    place,
    pool_context,
    tensor_parallel_sizes,
    weights_of,
)
from evalkit.gpu.shape import Shape, read_shape
from evalkit.hub.facts import ModelFile


def config(layers: int, hidden: int, ffn: int, **more: object) -> dict[str, object]:
    return {
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "intermediate_size": ffn,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "vocab_size": 131_072,
        "tie_word_embeddings": False,
        "max_position_embeddings": 262_144,
        "block_size": 32,
        "dtype": "bfloat16",
        **more,
    }


VISION = {"num_hidden_layers": 24, "hidden_size": 1024, "num_attention_heads": 16, "patch_size": 14, "image_size": 1540}
CONFIGS = {
    "3B": config(26, 3072, 9216),
    "8B": config(34, 4096, 14336),
    "14B": config(40, 5120, 16384),
    "VLM": config(34, 4096, 14336, vocab_size=131_073, vision_config=VISION, spatial_merge_size=2),
}
SHAPES: dict[str, Shape] = {name: read_shape(values) for name, values in CONFIGS.items()}
TOKENS = {"4k": 4096, "8k": 8192, "16k": 16384, "32k": 32768, "64k": 65536, "128k": 131_072, "256k": 262_144}


def weights(name: str):
    found = weights_of(SHAPES[name])
    assert found is not None
    return found


@pytest.mark.parametrize(("name", "params"), [("3B", 3_831_659_520), ("8B", 8_489_553_920), ("14B", 13_506_073_600)])
def test_parameters_from_the_configuration_equal_the_published_counts(name, params):
    assert SHAPES[name].params == params


def test_the_vision_tower_adds_its_parameters():
    assert SHAPES["VLM"].params == pytest.approx(8.9e9, abs=0.05e9)


@pytest.mark.parametrize(
    ("name", "precision", "gigabytes"),
    [
        ("3B", "bf16", 7.66), ("8B", "bf16", 16.98), ("14B", "bf16", 27.01), ("VLM", "bf16", 17.8),
        ("3B", "fp8", 4.64), ("8B", "fp8", 9.56), ("14B", "fp8", 14.85),
        ("3B", "4bit", 3.22), ("8B", "4bit", 6.09), ("14B", "4bit", 9.15),
    ],
)  # fmt: skip
def test_weights_in_gigabytes(name, precision, gigabytes):
    digits = 1 if name == "VLM" else 2
    assert round(weights(name).bytes_at(precision) / 1e9, digits) == gigabytes


KV = {
    "3B": (0.41, 0.81, 1.62, 3.25, 6.50, 13.0, 26.0),
    "8B": (0.53, 1.06, 2.12, 4.25, 8.50, 17.0, 34.0),
    "VLM": (0.53, 1.06, 2.12, 4.25, 8.50, 17.0, 34.0),
    "14B": (0.62, 1.25, 2.50, 5.00, 10.0, 20.0, 40.0),
}


@pytest.mark.parametrize(
    ("name", "tokens", "gib"),
    [(name, tokens, value) for name, row in KV.items() for tokens, value in zip(TOKENS.values(), row, strict=True)],
)
def test_kv_cache_of_one_sequence(name, tokens, gib):
    assert need(SHAPES[name], weights(name), Load(context=tokens)).kv_gib == pytest.approx(gib, abs=0.0051)


@pytest.mark.parametrize(("name", "each"), [("3B", 106_496), ("8B", 139_264), ("14B", 163_840)])
def test_kv_bytes_per_token_read_head_dim_and_halve_in_fp8(name, each):
    assert kv_bytes_per_token(SHAPES[name]) == each
    assert kv_bytes_per_token(SHAPES[name], "fp8") == each // 2


TOTAL = {
    ("3B", "bf16"): (9.0, 10.3, 11.9, 21.6, 34.6),
    ("3B", "fp8"): (6.2, 7.4, 9.1, 18.8, 31.8),
    ("3B", "4bit"): (4.9, 6.1, 7.7, 17.5, 30.5),
    ("8B", "bf16"): (17.8, 19.4, 21.6, 34.3, 51.3),
    ("8B", "fp8"): (10.9, 12.5, 14.7, 27.4, 44.4),
    ("8B", "4bit"): (7.7, 9.3, 11.4, 24.2, 41.2),
    ("14B", "bf16"): (27.3, 29.2, 31.7, 46.7, 66.7),
    ("14B", "fp8"): (16.0, 17.8, 20.3, 35.3, 55.3),
    ("14B", "4bit"): (10.6, 12.5, 15.0, 30.0, 50.0),
    ("VLM", "bf16"): (18.6, 20.2, 22.4, 35.1, 52.1),
}


@pytest.mark.parametrize(
    ("name", "precision", "tokens", "gib"),
    [
        (name, precision, tokens, value)
        for (name, precision), row in TOTAL.items()
        for tokens, value in zip((4096, 16384, 32768, 131_072, 262_144), row, strict=True)
    ],
)
def test_total_need_of_one_sequence(name, precision, tokens, gib):
    total = need(SHAPES[name], weights(name), Load(context=tokens, precision=precision)).total_gib
    assert total == pytest.approx(gib, abs=0.0501)


MAX = 262_144
LONGEST = {
    15.0: {"3B": (56, 85, 98), "8B": (0, 29, 54), "14B": (0, 0, 27)},
    22.5: {"3B": (128, 156, 170), "8B": (31, 84, 109), "14B": (0, 39, 74)},
    30.4: {"3B": (204, 232, 245), "8B": (89, 142, 167), "14B": (14, 88, 123)},
    45.0: {"3B": (MAX, MAX, MAX), "8B": (196, 249, MAX), "14B": (105, 179, 214)},
    76.0: {"3B": (MAX, MAX, MAX), "8B": (MAX, MAX, MAX), "14B": (MAX, MAX, MAX)},
}


@pytest.mark.parametrize(
    ("usable", "name", "precision", "thousands"),
    [
        (usable, name, precision, value)
        for usable, row in LONGEST.items()
        for name, values in row.items()
        for precision, value in zip(PRECISIONS, values, strict=True)
    ],
)
def test_longest_context_that_fits(usable, name, precision, thousands):
    tokens = max_context(SHAPES[name], weights(name), Load(context=0, precision=precision), usable)
    assert tokens == MAX if thousands == MAX else abs(tokens / 1000 - thousands) <= 1.0
    assert (tokens == 0) == (thousands == 0)


def test_a_batch_divides_the_room_for_kv():
    one = max_context(SHAPES["8B"], weights("8B"), Load(context=0), 22.5)
    four = max_context(SHAPES["8B"], weights("8B"), Load(context=0, concurrent=4), 22.5)
    assert four == one // 4


def test_block_logits_and_the_adapter_count_only_where_asked():
    plain = need(SHAPES["8B"], weights("8B"), Load(context=4096))
    block = need(SHAPES["8B"], weights("8B"), Load(context=4096, block=32))
    assert plain.logits_gib == 0
    assert block.logits_gib * GIB == pytest.approx(16.8e6, rel=0.01)
    assert block.total_gib > plain.total_gib


def test_file_sizes_are_preferred_and_the_adapter_is_no_base_shard():
    files = (
        ModelFile(name="model.safetensors", size=16_979_111_000),
        ModelFile(name="linear_spec_lora/adapter_model.safetensors", size=137_000_000),
        ModelFile(name="config.json", size=1000),
    )
    found = weights_of(SHAPES["8B"], files)
    assert found is not None
    assert found.source == "file sizes"
    assert found.params == pytest.approx(8_489_553_920, rel=1e-4)
    assert found.adapter_bytes == 137_000_000
    with_adapter = need(SHAPES["8B"], found, Load(context=4096, adapter=True))
    assert with_adapter.adapter_gib == pytest.approx(137e6 / GIB)


def test_a_quantised_checkpoint_does_not_pass_for_bf16_weights():
    shape = read_shape({**CONFIGS["8B"], "quantization_config": {"quant_method": "fp8"}})
    found = weights_of(shape, (ModelFile(name="model.safetensors", size=9_560_000_000),))
    assert found is not None
    assert found.source == "config.json"
    assert found.bytes_at("bf16") / 1e9 == pytest.approx(16.98, abs=0.01)


def test_a_mixture_of_experts_without_file_sizes_is_not_guessed():
    shape = read_shape({**CONFIGS["8B"], "num_experts": 64})
    assert weights_of(shape) is None
    assert weights_of(shape, (ModelFile(name="model-00001-of-00001.safetensors", size=60_000_000_000),)) is not None


def test_image_tokens_take_room_like_text():
    shape = SHAPES["VLM"]
    assert shape.vision is not None
    assert shape.vision.image_tokens == 55 * 55
    plain = need(shape, weights("VLM"), Load(context=4096))
    image = need(shape, weights("VLM"), Load(context=4096, image_tokens=shape.vision.image_tokens))
    assert (image.kv_gib - plain.kv_gib) * GIB == shape.vision.image_tokens * 139_264


def test_tensor_parallel_sizes_divide_the_heads():
    assert tensor_parallel_sizes(SHAPES["8B"], 8) == [1, 2, 4, 8]
    odd = read_shape({**CONFIGS["8B"], "num_attention_heads": 24, "num_key_value_heads": 6})
    assert tensor_parallel_sizes(odd, 8) == [1, 2, 3, 6]


def test_two_small_cards_hold_what_one_does_not():
    alone = place(SHAPES["14B"], weights("14B"), Load(context=4096), 22.5)
    both = place(SHAPES["14B"], weights("14B"), Load(context=4096), 22.5, devices=2)
    assert alone.tp is None
    assert alone.max_context == 0
    assert both.tp == 2
    assert both.need.total_gib < alone.need.total_gib
    assert both.max_context >= 4096


def test_a_live_pool_is_shared_by_the_sequences_and_bounded_by_the_window():
    assert pool_context(100_000, 4) == 25_000
    assert pool_context(100_000, 1, 2048) == 2048


@given(
    st.sampled_from(sorted(SHAPES)),
    st.sampled_from(PRECISIONS),
    st.floats(8, 200),
    st.integers(1, 16),
    st.sampled_from([1, 2, 4, 8]),
)
def test_the_longest_context_fits_and_one_token_more_does_not(name, precision, usable, concurrent, tp):
    shape, found = SHAPES[name], weights(name)
    load = Load(context=0, precision=precision, concurrent=concurrent)
    tokens = max_context(shape, found, load, usable, tp=tp)
    capacity = 0.95 * usable + 1e-9

    def total(context: int) -> float:
        return need(shape, found, load.model_copy(update={"context": context}), tp=tp).total_gib

    if tokens:
        assert total(tokens) <= capacity
    if tokens < shape.max_positions:
        assert total(tokens + 1) > 0.95 * usable
