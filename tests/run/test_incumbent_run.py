"""A whole run with a model of today that is known to be half as fast and twice as dear: what the report says of it."""

from __future__ import annotations

import pytest

from evalkit.reference import preset
from evalkit.report.words.first_screen import first_screen
from evalkit.run.start import Flags, run
from tests.support.small_run import MODEL, write_inputs
from tests.support.virtual_world import worlds


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("incumbent")
    with worlds() as world:
        plain, fast, today = world.serve(
            preset("autoregressive", model=MODEL),
            preset("self-speculation", model=MODEL),
            preset("autoregressive", speed=0.5, model="our-model-of-today"),
        )
        modes = {"autoregressive": {"endpoint": plain.base_url}, "self-speculation": {"endpoint": fast.base_url}}
        items = {
            "modes": {"speedup": {"at_least": 1.2}},
            "hardware": {"declared": "H100-80GB"},
            "quality": {"margin": {"default": 0.1}, "concurrency": 8},
            "context": {"need_tokens": 2048},
        }
        checklist = write_inputs(
            folder, modes, items=items, cost={"usd_per_gpu_hour": 2.0},
            incumbent={"endpoint": today.base_url, "cost": {"usd_per_gpu_hour": 4.0}},
        )  # fmt: skip
        yield run(Flags(checklist=str(checklist), output_dir=folder / "run", as_json=True))


def of(report, mode):
    return next(entry["vs_incumbent"] for entry in report["modes"] if entry["mode"] == mode)


def test_the_incumbent_is_timed_on_the_prompts_of_the_modes(report):
    speed = of(report, "autoregressive")["speedup"]
    assert speed["pairs"] == 24
    assert 1.8 < speed["ratio"] < 2.2
    assert speed["low"] <= speed["ratio"] <= speed["high"]
    assert None not in (speed["round_trip_ms"], speed["incumbent_round_trip_ms"], speed["incumbent_engine"])
    assert speed["answer"] == "better"


def test_twice_as_slow_at_twice_the_price_costs_about_four_times_as_much(report):
    (plain,) = (entry for entry in report["modes"] if entry["mode"] == "autoregressive")
    mine, today, cost = plain["cost"], report["incumbent"]["cost"], plain["vs_incumbent"]["cost"]
    assert 3.6 < cost["ratio"] < 4.4
    assert mine["per_1000_requests"] == pytest.approx(1000 * 2 / 3600 / mine["requests_per_second"], rel=1e-4)
    assert today["per_1000_requests"] == pytest.approx(1000 * 4 / 3600 / today["requests_per_second"], rel=1e-4)
    assert cost["low"] <= cost["ratio"] <= cost["high"]
    assert cost["answer"] == "better"
    assert cost["right"]["low"] < cost["low"]
    assert cost["break_even"] is None


def test_quality_is_compared_by_suite_and_capacity_was_not_asked_for(report):
    versus = of(report, "self-speculation")
    assert [(one["suite"], one["pairs"]) for one in versus["quality"]] == [("records", 64)]
    assert versus["quality"][0]["answer"] == "no worse"
    assert versus["capacity"] is None


def test_the_first_screen_answers_on_every_axis(report):
    answers = " ".join(first_screen(report).today)
    assert "Speed of self-speculation: better" in answers
    assert "Cost: " in answers
    assert "Capacity" not in answers
