"""The support matrix and the launch recipes: every row with source and date, every command complete."""

from __future__ import annotations

import re
import shlex
from datetime import date

import pytest

from evalkit.modes import Mode
from evalkit.serving.engines.sglang import FORK_DIFFUSION, FORK_SELF_SPECULATION, UPSTREAM_DIFFUSION, declared
from evalkit.serving.support import matrix, recipe_for, recipes, rows_for

MODES = [mode.value for mode in Mode]
NEMOTRON = "nvidia/Nemotron-Labs-Diffusion-8B"


def dated(text: str) -> bool:
    return date(2025, 1, 1) <= date.fromisoformat(text) <= date(2026, 11, 24)


def test_every_row_has_a_source_a_date_a_known_mode_and_a_recipe_that_exists():
    assert len(matrix()) >= 15
    for row in matrix():
        assert row.source.startswith("https://")
        assert dated(row.date), row
        assert row.mode in (*MODES, "any")
        assert all(model == model.lower() and model.count("/") == 1 for model in row.models)
        assert row.recipe is None or row.recipe in recipes()
        assert row.note, row
        assert row.status == "not-supported" or row.version


def test_no_two_rows_say_different_things_of_the_same():
    seen = [(model, row.engine, row.version, row.mode) for row in matrix() for model in row.models]
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize("name", sorted(recipes()))
def test_every_recipe_is_a_whole_command(name):
    recipe = recipes()[name]
    assert recipe.source.startswith("https://")
    assert dated(recipe.date)
    words = shlex.split(recipe.command(model=NEMOTRON, port=31234, context=8192))
    assert NEMOTRON in words
    assert "31234" in words
    assert not [word for word in words if re.search(r"\{(model|port|context|revision)\}", word)]
    assert not [word for word in words if word in ("--ar-mode", "--speculation-mode")]  # circulate, and do not exist


@pytest.mark.parametrize(
    ("name", "mode", "block_loop"),
    [
        ("sglang-ar", "autoregressive", False),
        ("sglang-diffusion", "diffusion", False),
        ("sglang-fork-diffusion", "diffusion", False),
        ("sglang-fork-self-speculation", "self-speculation", False),
        ("sglang-fork-ar", "autoregressive", True),
    ],
)
def test_what_a_recipe_starts_declares_the_mode_that_it_is_for(name, mode, block_loop):
    words = list(recipes()[name].argv)

    def after(flag: str) -> str | None:
        return words[words.index(flag) + 1] if flag in words else None

    override = after("--json-model-override-args") or ""
    settings = {"dllm_algorithm": after("--dllm-algorithm"), "speculative_algorithm": None}
    said = declared({**settings, **({"ar_mode": True} if "ar_mode" in override else {})})
    assert (said.mode, said.block_loop) == (mode, block_loop)
    known = FORK_DIFFUSION | FORK_SELF_SPECULATION | UPSTREAM_DIFFUSION
    assert settings["dllm_algorithm"] in (None, *known)
    # left out, a diffusion server admits one request at a time
    assert settings["dllm_algorithm"] is None or after("--max-running-requests")


def test_the_block_loop_is_never_what_is_recommended_as_baseline():
    recipe = recipe_for(NEMOTRON, "autoregressive")
    assert "ar_mode" not in " ".join(recipe.argv)


def test_no_released_engine_is_said_to_serve_nemotron_by_diffusion_or_self_speculation():
    for mode in ("diffusion", "self-speculation"):
        served = [row.engine for row in rows_for(NEMOTRON, mode) if row.status == "supported"]
        assert served == ["remote code"]


def test_the_most_usable_row_comes_first():
    order = [row.status for row in rows_for(NEMOTRON, "diffusion")]
    assert order == sorted(order, key=["supported", "fork-only", "unverified", "open-pr", "not-supported"].index)
