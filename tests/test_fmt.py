"""One figure, one spelling: units, signs, and what rounds to nothing."""

from __future__ import annotations

import math

import pytest

from evalkit import fmt


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (fmt.ratio(2.534), "2.53×"),
        (fmt.threshold(1.1), "1.1×"),
        (fmt.share(0.975), "97.5%"),
        (fmt.difference(-0.22), "−22.0 points"),
        (fmt.difference(0.0), "+0.0 points"),
        (fmt.difference(-0.0001), "+0.0 points"),
        (fmt.points(-0.0004), "+0.0"),
        (fmt.span(-0.0241, 0.003), "−2.4 to +0.3"),
        (fmt.change(0.988), "−1.2%"),
        (fmt.change(0.9999), "+0.0%"),
        (fmt.margin(0.03), "3 points"),
        (fmt.margin(0.0025), "0.25 points"),
        (fmt.number(-1234.0), "−1,234"),
        (fmt.milliseconds(12_340), "12.3 s"),
        (fmt.plural(1, "prompt"), "1 prompt"),
        (fmt.listed(["a"] * 6), "a, a, a, a, a …"),
    ],
)
def test_a_figure_has_one_spelling(text, wanted):
    assert text == wanted


@pytest.mark.parametrize("say", [fmt.share, fmt.points, fmt.difference])
@pytest.mark.parametrize(("value", "wanted"), [(None, fmt.NOTHING), (math.nan, "unknown"), (math.inf, "unknown")])
def test_what_is_not_known_is_no_figure(say, value, wanted):
    assert say(value) == wanted
