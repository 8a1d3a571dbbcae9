"""Traps in configurations, each on one written for it (tests/fixtures/cards/configs)."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from evalkit.checklist.schema import Checklist
from evalkit.data import load_variants
from evalkit.facts import Facts
from evalkit.findings import Status
from evalkit.gpu.fit import kv_bytes_per_token, weights_of
from evalkit.gpu.shape import read_shape
from evalkit.hub import collect
from evalkit.hub.facts import CandidateFacts, ModelFile
from evalkit.items.context.decide import decide
from tests.support.cards import CARDS, facts, folder
from tests.support.start import START

FAMILY = "nvidia/Nemotron-Labs-Diffusion-"


def context_findings(candidate: CandidateFacts, need: int) -> dict[str, Status]:
    asks = Checklist.model_validate({"items": {"context": {"need_tokens": need}}})
    made = decide(asks, Facts(start=START, candidates=(candidate,)), datetime(2026, 11, 24, tzinfo=UTC))
    return {f.id: f.status for f in made}


def test_the_3b_base_has_4096_positions_although_its_instruct_sibling_has_262144(tmp_path):
    base, instruct = facts(tmp_path / "b", "base-3b", "base-3b"), facts(tmp_path / "i", "text-8b", "instruct-3b")
    assert (base.context.config_max, base.context.rope_factor, base.config["eos_token_id"]) == (4096, 0.25, 2)
    assert (instruct.context.config_max, instruct.context.rope_factor, instruct.config["eos_token_id"]) == (
        262_144,
        16.0,
        11,
    )
    assert context_findings(base, 8192)["context.window"] is Status.FAIL
    assert context_findings(instruct, 8192)["context.window"] is Status.PASS


def test_a_base_whose_configuration_was_not_seen_gets_nothing_of_its_sibling():
    rows = {v.id.removeprefix(FAMILY): v for v in load_variants()}
    for name in ("8B-Base", "14B-Base"):
        assert rows[name].config_context is rows[name].rope_factor is rows[name].layers is None


def test_a_configured_window_is_no_trained_length(tmp_path):
    read = facts(tmp_path, "text-8b", "instruct-8b")
    assert (read.context.config_max, read.context.rope_original) == (262_144, 16_384)
    made = context_findings(read, 8192)
    assert (made["context.window"], made["context.trained-length"]) == (Status.PASS, Status.WARN)


@pytest.mark.parametrize(("config", "quotient", "kv"), [("instruct-3b", 96, 106_496), ("instruct-14b", 160, 163_840)])
def test_head_dim_is_read_and_not_divided(tmp_path, config, quotient, kv):
    read = facts(tmp_path, None, config)
    shape = read_shape(read.config)
    assert shape.hidden // shape.heads == quotient
    assert shape.head_dim == 128
    assert kv_bytes_per_token(shape) == kv


def test_head_dim_is_divided_where_it_is_absent(tmp_path):
    config = json.loads((CARDS / "configs" / "instruct-14b.json").read_text())
    del config["head_dim"]
    where = folder(tmp_path)
    (where / "config.json").write_text(json.dumps(config))
    assert read_shape(collect(str(where)).config).head_dim == 160


def test_values_under_text_config_come_before_those_at_the_top(tmp_path):
    read = facts(tmp_path, None, "nested-text")
    assert (read.context.config_max, read.context.config_source) == (32_768, "text_config.max_position_embeddings")
    assert read_shape(read.config).layers == 34


def test_a_vision_config_does_not_pass_for_the_text_model(tmp_path):
    read = facts(tmp_path, "vlm-8b", "vlm-8b")
    shape = read_shape(read.config)
    assert (shape.layers, shape.hidden, shape.vocab) == (34, 4096, 131_073)
    assert read.context.config_max == 262_144
    assert shape.vision is not None
    assert shape.vision.image_tokens == 3025


@pytest.mark.parametrize("config", ["instruct-8b", "vlm-8b"])
def test_both_names_of_the_rope_settings_are_read(tmp_path, config):
    context = facts(tmp_path, None, config).context
    assert (context.rope_type, context.rope_factor, context.rope_original) == ("yarn", 16.0, 16_384)


def test_a_configuration_is_believed_as_it_stands_and_not_replaced_by_the_table(tmp_path):
    where = tmp_path / "Nemotron-Labs-Diffusion-8B"
    assert facts(where, "text-8b", "override-8b").context.config_max == 131_072


def test_the_drafter_adapter_is_no_shard_of_the_weights(tmp_path):
    sizes = {
        "model-00001-of-00002.safetensors": 9_000_000_000, "model-00002-of-00002.safetensors": 7_980_000_000,
        "linear_spec_lora/adapter_model.safetensors": 137_000_000, "linear_spec_lora/adapter_config.json": 900,
    }  # fmt: skip
    files = tuple(ModelFile(name=name, size=size) for name, size in sizes.items())
    again = facts(tmp_path, "text-8b", "instruct-8b").model_copy(update={"files": files})
    weights = weights_of(read_shape(again.config), again.files)
    assert weights is not None
    assert weights.params * 2 == 16_980_000_000
    assert weights.adapter_bytes == 137_000_000


def test_trap_8_the_cards_pipeline_is_preferred_to_the_one_that_auto_map_would_give(tmp_path):
    read = facts(tmp_path, "vlm-8b", "vlm-8b")
    assert read.pipeline_tag == "image-text-to-text"
    assert read.remote_code == (
        "configuration_nemotron_labs_diffusion.py", "modeling_nemotron_labs_diffusion.py",
    )  # fmt: skip


BAD = {
    "no JSON": "{",
    "a list": "[1]",
    "no fields": "{}",
    "strings for numbers": '{"num_hidden_layers": "34", "hidden_size": "4096", "max_position_embeddings": "262144"}',
    "negative": '{"num_hidden_layers": -34, "max_position_embeddings": -1}',
    "absurd": '{"num_hidden_layers": 1e300, "max_position_embeddings": 1e18, "vocab_size": NaN, "hidden_size": Infinity}',
    "nested bomb": '{"a":' * 5000 + "1" + "}" * 5000,
    "wrong types": '{"rope_scaling": [1], "rope_parameters": "yarn", "text_config": 5, "vision_config": "x", "auto_map": [],'
    ' "architectures": "A", "model_type": {"a": 1}, "quantization_config": 1, "layer_types": {"a": 1}, "eos_token_id": "x"}',
    "booleans": '{"num_hidden_layers": true, "max_position_embeddings": false, "tie_word_embeddings": "yes"}',
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_configuration_gives_no_figures_no_crash_and_is_never_a_pass(tmp_path, name):
    read = facts(tmp_path, "text-8b", None, config__json=BAD[name])
    assert read.error is None
    assert read.context.config_max is None
    assert context_findings(read, 8192)["context.window"] is not Status.PASS
    with pytest.raises(Exception, match=r"config\.json"):
        read_shape(read.config)


FRONT = {
    "missing": "# A card\n",
    "empty": "",
    "malformed": "---\nlicense: [\n---\n",
    "unclosed": "---\nlicense: mit\n",
    "five megabytes": "---\nlicense: mit\nx: " + "y" * (5 << 20) + "\n---\n",
    "nested bomb": "---\nx: " + "[" * 50_000 + "]" * 50_000 + "\nlicense: mit\n---\n",
    "aliases": "---\na: &a [1,1,1]\nb: [*a,*a,*a]\nlicense: mit\n---\n",
    "a mapping for the license": "---\nlicense: {name: mit}\n---\n",
    "a tag that would run code": "---\nlicense: !!python/object/apply:os.system ['true']\n---\n",
    "bytes": "---\nlicense: mit\n".encode("utf-16") + b"\xff\xfe\x00",
}


@pytest.mark.parametrize("name", FRONT)
def test_a_bad_card_names_no_license_and_does_not_end_the_reading(tmp_path, name):
    read = facts(tmp_path, None, "instruct-8b", README__md=FRONT[name])
    assert read.error is None
    assert read.card is None or read.card.license == ()
    assert read.notes
    assert read.context.config_max == 262_144
