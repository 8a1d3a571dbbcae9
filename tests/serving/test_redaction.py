"""What of a server's description may be kept: short, clean, without keys and without its machine's folders."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.serving.redaction import PATHS, SCALARS, model_name, scalar, settings, text_of, unwrap

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (True, True), (None, None), (5, 5), (2**63, None), (-(2**70), None), (1.5, 1.5), (math.nan, None), (math.inf, None),
        (1e19, None), (" a\nb ", "a b"), ("", None), ([1], None), ({"a": 1}, None), ("--api-key hunter22", "--api-key ***"),
    ],
)  # fmt: skip
def test_a_scalar_is_a_number_or_a_short_clean_text(value, kept):
    assert scalar(value) == kept


def test_a_text_is_cut_and_cleaned():
    assert text_of(7) is None
    assert text_of("\x1b[2J\u202e") == "\\x1b[2J\\u{202e}"
    assert len(text_of("x" * 5000)) <= 201


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("nvidia/model-8B", "nvidia/model-8B"), ("/srv/secret/models/m", "…/m"), ("C:\\models\\m", "…/m"), ("./m/", "…/m"),
        ("~/m", "…/m"), ("m", "m"), ("a/b/c", "…/c"), (None, None), (5, None),
    ],
)  # fmt: skip
def test_a_model_is_a_hub_id_or_the_last_part_of_a_path(value, kept):
    assert model_name(value) == kept


def test_only_listed_settings_are_kept_and_of_overrides_the_mode_and_the_names():
    raw = {
        "dtype": "bfloat16", "api_key": "hunter22", "launch_command": "x --api-key hunter22", "host": "10.0.0.1",
        "dllm_algorithm_config": "/srv/secret/config.yaml", "speculative_draft_model_path": "",
        "lora_paths": ["/srv/a", "/srv/b"],
        "json_model_override_args": json.dumps({"ar_mode": True, "secret\nname": "hunter22"}),
    }  # fmt: skip
    kept = settings(raw)
    assert kept == {
        "dtype": "bfloat16", "dllm_algorithm_config": "…/config.yaml", "adapters": 2,
        "override_keys": "ar_mode, secret name", "ar_mode": True,
    }  # fmt: skip


@pytest.mark.parametrize("overrides", ["{", "[]", "[" * 100_000, 7, None, "", "{}"])
def test_overrides_that_are_no_object_are_left_out(overrides):
    assert settings({"json_model_override_args": overrides, "lora_paths": []}) == {}


def test_overrides_may_be_an_object_already():
    assert settings({"json_model_override_args": {"x": 1}})["override_keys"] == "x"
    assert "ar_mode" not in settings({"json_model_override_args": {"x": 1}})


@given(st.dictionaries(st.sampled_from([*SCALARS, *PATHS, "json_model_override_args", "lora_paths", "other"]), JSON))
def test_whatever_a_server_says_becomes_flat_json(raw):
    kept = settings(raw)
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
