"""Reads the devices while a mode is timed, in a thread of its own; does nothing where there is no NVML."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

from evalkit.gpu.devices import Guarded, throttle_reasons
from evalkit.gpu.facts import GpuOthers, HardwareFacts, TelemetrySample
from evalkit.gpu.host import pid_state
from evalkit.gpu.nvml import NvmlUnavailable, session

#: rows kept; at the limit every second one is dropped and the interval doubles
_MOST = 20_000


class Sampler:
    """`with Sampler(mode, concurrency) as sampler: …` then `sampler.samples`, times in ms from the start.

    Sampling takes a few NVML calls per device and interval, off the event loop; a device that stops answering ends up
    with empty fields, never with an exception.
    """

    def __init__(self, mode: str, concurrency: int, *, interval_s: float = 0.5) -> None:
        self.mode = mode
        self.concurrency = concurrency
        self.interval_s = max(interval_s, 0.01)
        self._rows: list[TelemetrySample] = []
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def samples(self) -> tuple[TelemetrySample, ...]:
        return tuple(self._rows)

    def on_load(self, mode: str | None, level: int) -> None:
        """What `Settings.on_load` wants: readings are of the mode that is under load."""
        self.mode, self.concurrency = mode or "", level

    def start(self) -> None:
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="evalkit-telemetry", daemon=True)
        self._thread.start()

    def stop(self) -> tuple[TelemetrySample, ...]:
        """Ends the thread and gives what was read; again and again is harmless."""
        self._stop.set()
        if self._thread:
            self._thread.join(timeout=5)
            self._thread = None
        return self.samples

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        try:
            with session() as nvml:
                handles = _handles(nvml)
                start = time.monotonic()
                while handles:
                    at = (time.monotonic() - start) * 1000
                    self._rows.extend(self._read(nvml, index, handle, at) for index, handle in handles)
                    self._thin()
                    if self._stop.wait(self.interval_s):
                        return
        except NvmlUnavailable:
            return

    def _read(self, nvml: Any, index: int, handle: Any, at_ms: float) -> TelemetrySample:
        read = Guarded(nvml).read
        power = read("power", lambda: nvml.nvmlDeviceGetPowerUsage(handle))
        return TelemetrySample(
            mode=self.mode,
            concurrency=self.concurrency,
            gpu=index,
            at_ms=round(at_ms, 1),
            power_w=None if power is None else power / 1000,
            sm_clock_mhz=read("clock", lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM)),
            temperature_c=read(
                "temperature", lambda: int(nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU))
            ),
            memory_used_bytes=read("memory", lambda: int(nvml.nvmlDeviceGetMemoryInfo(handle).used)),
            energy_mj=read("energy", lambda: int(nvml.nvmlDeviceGetTotalEnergyConsumption(handle))),
            throttle_reasons=read("reasons", lambda: throttle_reasons(nvml, handle)) or (),
        )

    def _thin(self) -> None:
        if len(self._rows) > _MOST:
            times = sorted({row.at_ms for row in self._rows})
            kept = set(times[::2])
            self._rows = [row for row in self._rows if row.at_ms in kept]
            self.interval_s *= 2


def _handles(nvml: Any) -> list[tuple[int, Any]]:
    handles = []
    try:
        count = nvml.nvmlDeviceGetCount()
    except nvml.NVMLError:
        return []
    for index in range(count):
        try:
            handles.append((index, nvml.nvmlDeviceGetHandleByIndex(index)))
        except nvml.NVMLError:
            continue
    return handles


def others(devices: Iterable[int], own: frozenset[int], since: float) -> tuple[GpuOthers, ...]:
    """What processes outside `own` did on these devices since that wall-clock time (s); empty without NVML."""
    wanted = set(devices)
    try:
        with session() as nvml:
            return tuple(
                _others(nvml, index, handle, own, since) for index, handle in _handles(nvml) if index in wanted
            )
    except NvmlUnavailable:
        return ()


def _others(nvml: Any, index: int, handle: Any, own: frozenset[int], since: float) -> GpuOthers:
    read = Guarded(nvml).read
    held = read("processes", lambda: _memory(nvml, handle))
    foreign = [pid for pid in held or () if pid not in own]
    if held is None or len(foreign) == len(held) or any(pid_state(pid) == "not-here" for pid in foreign):
        return GpuOthers(gpu=index)  # the servers' own processes are not among them: pids of another namespace
    used = read("utilisation", lambda: _utilisation(nvml, handle, int(since * 1e6)))
    share = None if used is None else sum(part for pid, part in used.items() if pid not in own)
    return GpuOthers(
        gpu=index,
        share=None if share is None else min(1.0, round(share, 4)),
        memory_bytes=sum(held[p] for p in foreign),
    )


def _memory(nvml: Any, handle: Any) -> Mapping[int, int]:
    """Bytes by process; 0 where the driver does not say."""
    running = nvml.nvmlDeviceGetComputeRunningProcesses(handle)
    return {int(one.pid): int(one.usedGpuMemory or 0) for one in running}


def _utilisation(nvml: Any, handle: Any, since_us: int) -> Mapping[int, float]:
    """Mean share of the device's time by process."""
    try:
        samples = nvml.nvmlDeviceGetProcessUtilization(handle, since_us)
    except nvml.NVMLError as error:
        if error.value in (nvml.NVML_SUCCESS, nvml.NVML_ERROR_NOT_FOUND):  # nobody used it
            return {}
        raise
    found: dict[int, list[int]] = {}
    for one in samples:
        if one.timeStamp > since_us:
            found.setdefault(int(one.pid), []).append(int(one.smUtil))
    return {pid: sum(each) / len(each) / 100 for pid, each in found.items()}


@contextmanager
def watched(hardware: HardwareFacts | None, *, every_s: float = 0.2) -> Iterator[Sampler]:
    """The devices of this machine, for as long as the block lasts. Nothing is read where the endpoints are elsewhere or
    no device is known.
    """
    sampler = Sampler("", 0, interval_s=every_s)
    if hardware is None or hardware.place != "here" or not hardware.gpus:
        yield sampler
        return
    with sampler:
        yield sampler
