"""A mode is compared with a baseline: when the baseline's replies are another model's, nothing is known of the mode."""

from __future__ import annotations

from evalkit.items.serving.words import SameModel


def test_the_words_name_the_baseline_and_the_share():
    found = SameModel(
        outcome="replies-of-baseline",
        mode="diffusion",
        other="autoregressive",
        named={"acme/Other": 3},
        differing=3,
        replies=9,
    )
    said = found.words().summary
    assert "autoregressive" in said
    assert "3 of 9" in said
    assert "acme/Other" in said
