"""SGLang: the decision table of its start arguments, what of its pages is kept, what its algorithms refuse."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.serving.engines.base import commit_of
from evalkit.serving.engines.sglang import ENGINE, KEPT, PATHS, declared, unwrap
from evalkit.serving.pages import Answers, Reply

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


def kept_of(raw):
    return ENGINE.settings(Answers(Reply(), info=raw))


@pytest.mark.parametrize(
    ("settings", "mode", "block_loop"),
    [
        ({"dllm_algorithm": "FastDiffuser", "ar_mode": True}, "autoregressive", True),
        ({"dllm_algorithm": "LinearSpec", "ar_mode": True}, "autoregressive", True),
        ({"dllm_algorithm": "LinearSpec"}, "self-speculation", False),
        ({"dllm_algorithm": "FastDiffuser", "ar_mode": False}, "diffusion", False),
        ({"dllm_algorithm": "LearnedSampler"}, "diffusion", False),
        ({"dllm_algorithm": "LowConfidence"}, "diffusion", False),
        ({"dllm_algorithm": "JointThreshold"}, "diffusion", False),
        ({"dllm_algorithm": "JointThresholdInDel"}, "diffusion", False),
        ({"dllm_algorithm": "Gemma4Renoise", "speculative_algorithm": "EAGLE"}, "diffusion", False),
        ({"dllm_algorithm": None, "speculative_algorithm": "NGRAM"}, "speculative", False),
        ({"dllm_algorithm": None, "speculative_algorithm": "UNO"}, "self-speculation", False),
        ({"dllm_algorithm": None, "speculative_algorithm": "uno"}, "self-speculation", False),
        ({"dllm_algorithm": None, "speculative_algorithm": "DFLASH"}, "speculative", False),
        ({"dllm_algorithm": None, "speculative_algorithm": None}, "autoregressive", False),
        ({"dllm_algorithm": "SomethingNew"}, None, False),
        ({}, None, False),
    ],
)
def test_the_decision_table_of_sglang(settings, mode, block_loop):
    said = declared(settings)
    assert (said.mode, said.block_loop) == (mode, block_loop)
    assert said.why


@pytest.mark.parametrize(
    ("version", "settings", "kind"),
    [
        ("0.5.23", {}, "release"),
        ("0.32.0+cpu", {}, "release"),
        ("0.5.6.post2", {}, "release"),
        ("0.5.24rc1", {}, "pre-release"),
        ("0.5.24.dev12+g1a2b3c4", {}, "pre-release"),
        ("0.0.0.dev1+g23472a0", {}, "fork"),
        ("0.5.23", {"dllm_algorithm": "LinearSpec"}, "fork"),
        (None, {}, "unknown"),
    ],
)
def test_the_kind_of_a_build(version, settings, kind):
    assert ENGINE.release(version, settings) == kind


def test_the_commit_is_read_from_the_version():
    assert commit_of("0.0.0.dev1+g23472a0") == "23472a0"


def test_only_listed_settings_are_kept_and_of_overrides_the_mode_and_the_names():
    raw = {
        "dtype": "bfloat16", "api_key": "hunter22", "launch_command": "x --api-key hunter22", "host": "10.0.0.1",
        "dllm_algorithm_config": "/srv/secret/config.yaml", "speculative_draft_model_path": "",
        "lora_paths": ["/srv/a", "/srv/b"],
        "json_model_override_args": json.dumps({"ar_mode": True, "secret\nname": "hunter22"}),
    }  # fmt: skip
    kept = kept_of(raw)
    assert kept == {
        "dtype": "bfloat16", "dllm_algorithm_config": "…/config.yaml", "adapters": 2,
        "override_keys": "ar_mode, secret name", "ar_mode": True,
    }  # fmt: skip


@pytest.mark.parametrize("overrides", ["{", "[]", "[" * 100_000, 7, None, "", "{}"])
def test_overrides_that_are_no_object_are_left_out(overrides):
    assert kept_of({"json_model_override_args": overrides, "lora_paths": []}) == {}


def test_overrides_may_be_an_object_already():
    assert kept_of({"json_model_override_args": {"x": 1}})["override_keys"] == "x"
    assert "ar_mode" not in kept_of({"json_model_override_args": {"x": 1}})


@given(st.dictionaries(st.sampled_from([*KEPT, *PATHS, "json_model_override_args", "lora_paths", "other"]), JSON))
def test_whatever_a_server_says_becomes_flat_json(raw):
    kept = kept_of(raw)
    json.dumps(kept, allow_nan=False)
    assert all(value is None or isinstance(value, str | int | float | bool) for value in kept.values())


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        ({"a": 1}, {"a": 1}), ([{"a": 1}, {"b": 2}], {"a": 1}), ([], {}), (None, {}), ("x", {}), (5, {}),
        ({"decode": [{"a": 1}], "prefill": [{"b": 2}]}, {"a": 1}), ({"prefill": [{"b": 2}]}, {"b": 2}),
        ({"workers": [[{"a": 1}]]}, {"a": 1}), ({"decode": []}, {"decode": []}), ({"decode": ["x"]}, {}),
        ([[[[{"a": 1}]]]], {}), ({"workers": [{"a": 1}]}, {"a": 1}),
    ],
)  # fmt: skip
def test_one_workers_description_is_taken_out_of_a_routers(raw, found):
    assert unwrap(raw) == found


def test_the_parts_are_read_from_the_first_internal_state():
    told = {"weight": 15.0, "kvcache": 8, "token_capacity": 100, "graph": 0.5}
    assert ENGINE.memory_gib({"internal_states": [{"memory_usage": told}]}) == {
        "weight": 15.0,
        "kvcache": 8.0,
        "graph": 0.5,
    }


@pytest.mark.parametrize(
    "info",
    [
        {}, {"internal_states": None}, {"internal_states": []}, {"internal_states": ["x"]}, {"internal_states": [{}]},
        {"internal_states": [{"memory_usage": 5}]}, {"internal_states": {"memory_usage": {"weight": 1}}},
        {"internal_states": [{"memory_usage": {"weight": "15", "kvcache": True, "graph": float("nan")}}]},
        {"internal_states": [{"memory_usage": {"weight": -1, "kvcache": 1e9}}]},
    ],
)  # fmt: skip
def test_anything_else_tells_nothing(info):
    assert ENGINE.memory_gib(info) == {}


@pytest.mark.parametrize(
    ("algorithm", "never", "schema", "seed"),
    [
        ("LowConfidence", {"json_schema"}, None, "absent"),
        ("JointThreshold", {"json_schema"}, None, "absent"),
        ("FastDiffuser", {"json_schema"}, None, "absent"),
        ("Gemma4Renoise", set(), False, False),
    ],
)
def test_what_an_algorithm_cannot_do_is_known_by_algorithm_and_not_by_engine(algorithm, never, schema, seed):
    settings = {"dllm_algorithm": algorithm}
    found = {c.name: c.value for c in ENGINE.capabilities(settings, "diffusion")}
    assert ENGINE.never_ask(settings, "diffusion") == never
    assert found["json_schema"] is schema
    assert found.get("seed", "absent") is seed or found.get("seed", "absent") == seed
