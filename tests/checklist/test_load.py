"""Keys of open load: what they take, what they refuse, and that a stored checklist reads back."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from evalkit.checklist.schema import Checklist

SLO = {"slo": {"e2e_ms": 4000}}


def checklist(**modes):
    return Checklist.model_validate({"items": {"modes": modes}})


@pytest.mark.parametrize(
    "modes",
    [
        {"load": [{"rate": 2}], "decide_at": "load"},
        {
            "load": [
                {"rate": 2.0, "arrivals": "gamma(0.5)", "seconds": 120},
                {"trace": "a.jsonl", "speed": 60, "unit": "s"},
            ]
        },
        {"capacity": SLO, "decide_at": "capacity"},
        {"capacity": {"slo": {"ttft_ms": 500, "e2e_ms": 4000, "share": 0.95}, "at_least": 1.5}},
    ],
)
def test_a_stored_checklist_with_open_load_reads_back(modes):
    first = checklist(**modes)
    assert Checklist.model_validate_json(first.model_dump_json()) == first
    assert first.items.modes.level == 1
    assert first.items.modes.decides == modes.get("decide_at", "concurrency")


@pytest.mark.parametrize(
    ("modes", "words"),
    [
        ({"load": [{}]}, "either rate or trace"),
        ({"load": [{"rate": 1, "trace": "a"}]}, "either rate or trace"),
        ({"load": [{"rate": 1, "speed": 2}]}, "goes with trace"),
        ({"load": [{"trace": "a", "arrivals": "constant"}]}, "goes with rate"),
        ({"load": [{"rate": 1, "arrivals": "gamma"}]}, "gamma"),
        ({"load": [{"rate": 1, "arrivals": "gamma(0)"}]}, "gamma"),
        ({"load": [{"rate": 1, "blocks": 7}]}, "greater than or equal to 8"),
        ({"load": [{"rate": 0}]}, "greater than 0"),
        ({"load": [{"rate": 1}, {"rate": 1}]}, "twice"),
        ({"decide_at": "load"}, "no entry"),
        ({"decide_at": "capacity"}, "not given"),
        ({"decide_at": "traffic"}, "decide_at"),
        ({"capacity": {"slo": {"share": 0.9}}}, "needs a limit"),
        ({"capacity": {"slo": {"e2e_ms": 1, "share": 1}}}, "less than 1"),
        ({"capacity": {**SLO, "resolution": 1}}, "greater than 1"),
    ],
)
def test_what_open_load_does_not_take(modes, words):
    with pytest.raises(ValidationError, match=None) as caught:
        checklist(**modes)
    assert words in str(caught.value)
