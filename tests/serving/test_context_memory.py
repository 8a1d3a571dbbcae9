"""What a live server says of its own memory: foreign JSON."""

from __future__ import annotations

import pytest

from evalkit.serving.context_memory import memory_gib


def test_the_parts_are_read_from_the_first_internal_state():
    told = {"weight": 15.0, "kvcache": 8, "token_capacity": 100, "graph": 0.5}
    assert memory_gib({"internal_states": [{"memory_usage": told}]}) == {"weight": 15.0, "kvcache": 8.0, "graph": 0.5}


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
    assert memory_gib(info) == {}
