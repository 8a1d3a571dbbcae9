"""What of a server's description may be kept: short, clean, without keys and without its machine's folders."""

from __future__ import annotations

import math

import pytest

from evalkit.serving.redaction import model_name, openapi_title, scalar, text_of


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


@pytest.mark.parametrize(
    ("page", "title"),
    [
        ({}, ("", None)),
        ({"info": "x"}, ("", None)),
        ({"info": {"title": "MLX \x1b[2J", "version": "1.2"}}, ("MLX \\x1b[2J", "1.2")),
        ({"info": {"title": None, "version": 3}}, ("None", None)),
    ],
)
def test_the_title_of_a_description_is_clean(page, title):
    assert openapi_title(page) == title
