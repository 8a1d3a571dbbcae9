"""Devices under load: readings belong to the mode that was under load, and energy is counted per output token."""

from __future__ import annotations

import pytest

from evalkit.analysis.levels import summarise_modes
from evalkit.analysis.power import power
from evalkit.analysis.readings import Readings
from evalkit.gpu.facts import Gpu, HardwareFacts, TelemetrySample
from evalkit.gpu.telemetry import watched
from evalkit.items.modes import decide as item
from tests.gpu.conftest import stub_dir, with_stub  # noqa: F401  fixtures
from tests.timing.support import AR, DLM, NOW, checklist, facts, sample

WATCH = """
import json, time
from evalkit.gpu.facts import Gpu, HardwareFacts
from evalkit.gpu.telemetry import watched

here = HardwareFacts(place="here", gpus=(Gpu(index=0, name="a card"),))
with watched(here, every_s=0.02) as devices:
    for mode in ("one", "other", "one"):
        devices.on_load(mode, 4)
        time.sleep(0.3)
        devices.on_load(None, 4)
        time.sleep(0.1)
print(json.dumps([one.model_dump(mode="json") for one in devices.samples if one.mode]))
"""


def test_readings_carry_the_mode_that_was_under_load(with_stub):  # noqa: F811  the fixture
    rows = with_stub(WATCH)
    assert {row["mode"] for row in rows} == {"one", "other"}
    assert {row["concurrency"] for row in rows} == {4}
    assert all(row["power_w"] == 312.5 for row in rows)
    order = [row["mode"] for row in rows]
    assert order == sorted(order[: order.index("other")]) + ["other"] * order.count("other") + ["one"] * (
        len(order) - order.index("other") - order.count("other")
    )


@pytest.mark.parametrize(
    "hardware",
    [None, HardwareFacts(place="elsewhere", gpus=(Gpu(index=0, name="a"),)), HardwareFacts(place="here")],
)
def test_nothing_is_watched_where_no_device_of_the_endpoint_is_known(hardware):
    with watched(hardware) as devices:
        devices.on_load(AR, 1)
    assert list(devices.samples) == []


def rows(mode, watts, *, start=0.0, n=20, level=1, gpu=0, counter=True, reasons=()):
    return [
        TelemetrySample(
            mode=mode, concurrency=level, gpu=gpu, at_ms=start + 200 * i, power_w=watts, throttle_reasons=reasons,
            energy_mj=int(1000 * watts * 0.2 * i) if counter else None, sm_clock_mhz=1500 + i, temperature_c=40,
        )
        for i in range(n)
    ]  # fmt: skip


def timed():
    """AR takes 2 s for 100 tokens, diffusion 1 s."""
    return [sample(m, f"p{i}", 0, ms, i, tokens=100) for i in range(30) for m, ms in ((AR, 2000), (DLM, 1000))]


@pytest.mark.parametrize("counter", [True, False])
def test_energy_is_power_times_the_time_under_load_over_the_tokens(counter):
    telemetry = (*rows(AR, 300, counter=counter), *rows(DLM, 400, start=5000, counter=counter))
    readings = Readings(timed())
    got = [power(facts([], telemetry=telemetry), readings, mode, 1) for mode in (AR, DLM)]
    assert [round(p.joules) for p in got] == [6000, 4000]  # 300 W x 2 s / 100 tokens; 400 W x 1 s / 100
    assert {p.by_counter for p in got} == {counter}
    found = {(f.id, f.mode): f for f in item.decide(checklist(), facts(timed(), telemetry=telemetry), NOW)}
    energy = found["modes.energy", DLM]
    assert (energy.outcome, energy.counts) == ("by-counter" if counter else "by-power", False)
    assert energy.data["baseline_joules_per_1000_tokens"] == pytest.approx(1.5 * energy.data["joules_per_1000_tokens"])
    levels = summarise_modes([DLM], facts(timed(), telemetry=telemetry), checklist())[DLM].levels
    assert levels[0].energy_j_per_1000_tokens == pytest.approx(4000, rel=0.01)


def test_a_pause_between_two_blocks_is_not_charged_to_the_mode():
    telemetry = (*rows(AR, 300, n=10), *rows(AR, 300, start=60_000, n=10))
    got = power(facts([], telemetry=telemetry), Readings(timed()), AR, 1)
    assert got.watts == pytest.approx(300, rel=0.01)


def test_only_the_devices_of_the_endpoint_count_and_two_of_them_add_up():
    telemetry = tuple(r for gpu in range(4) for r in rows(AR, 100, gpu=gpu))
    tied = HardwareFacts(place="here", endpoint_gpus={AR: (0, 1)})
    readings = Readings(timed())
    assert power(facts([], telemetry=telemetry, hardware=tied), readings, AR, 1).watts == pytest.approx(200)
    assert power(facts([], telemetry=telemetry), readings, AR, 1).watts == pytest.approx(400)


def test_no_figure_without_readings_or_token_counts():
    assert power(facts([]), Readings(timed()), AR, 1) is None
    uncounted = Readings([sample(AR, "p", 0, 100, tokens=0)])
    assert power(facts([], telemetry=tuple(rows(AR, 300))), uncounted, AR, 1) is None


def test_a_slow_down_by_heat_is_a_finding_and_a_power_cap_is_not():
    for reason, outcome in (("hw-thermal-slowdown", "throttled"), ("sw-power-cap", "held")):
        telemetry = tuple(rows(DLM, 300, reasons=(reason,)))
        found = {(f.id, f.mode): f for f in item.decide(checklist(), facts(timed(), telemetry=telemetry), NOW)}
        assert found["modes.gpu-throttled", DLM].outcome == outcome
    assert found["modes.gpu-throttled", DLM].data["clock_mhz"] == [1500, 1519]
    assert found["modes.gpu-throttled", AR].outcome == "not-watched"
