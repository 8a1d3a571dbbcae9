"""Reads one device through NVML. Every field is guarded: what cannot be read is None, with the reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from evalkit.gpu.facts import Gpu
from evalkit.text import one_line

T = TypeVar("T")

#: bits of the clocks event mask, in the order of NVML's header
_REASONS = {
    0x1: "gpu-idle",
    0x2: "applications-clocks-setting",
    0x4: "sw-power-cap",
    0x8: "hw-slowdown",
    0x10: "sync-boost",
    0x20: "sw-thermal-slowdown",
    0x40: "hw-thermal-slowdown",
    0x80: "hw-power-brake",
    0x100: "display-clock-setting",
}


class Guarded:
    """Calls NVML and keeps why a field could not be read."""

    def __init__(self, nvml: Any) -> None:
        self.nvml = nvml
        self.unreadable: dict[str, str] = {}

    def read(self, field: str, call: Callable[[], T]) -> T | None:
        try:
            return call()
        except self.nvml.NVMLError as error:
            self.unreadable[field] = one_line(str(error), limit=120)
        except (ValueError, TypeError, AttributeError, OSError) as error:  # an old binding, undecodable text
            self.unreadable[field] = one_line(f"{type(error).__name__}: {error}", limit=120)
        return None


def read_all(nvml: Any) -> tuple[Gpu, ...]:
    """Every device and, behind each device in MIG mode, its slices. Slices are numbered after the devices."""
    count = nvml.nvmlDeviceGetCount()
    gpus: list[Gpu] = []
    slices: list[Gpu] = []
    for index in range(count):
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
        except nvml.NVMLError as error:
            gpus.append(Gpu(index=index, name="unreadable", unreadable={"device": one_line(str(error), limit=120)}))
            continue
        gpu = _device(nvml, handle, index)
        gpus.append(gpu)
        if gpu.mig:
            slices.extend(_slices(nvml, handle, gpu, count + len(slices)))
    return (*gpus, *slices)


def throttle_reasons(nvml: Any, handle: Any) -> tuple[str, ...]:
    """Why the clocks are where they are, by name; older drivers know the older name of the call only."""
    try:
        mask = nvml.nvmlDeviceGetCurrentClocksEventReasons(handle)
    except nvml.NVMLError as error:
        if error.value != nvml.NVML_ERROR_FUNCTION_NOT_FOUND:
            raise
        mask = nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle)
    return tuple(name for bit, name in _REASONS.items() if mask & bit)


def _device(nvml: Any, handle: Any, index: int) -> Gpu:
    guard = Guarded(nvml)
    read = guard.read
    name = read("name", lambda: nvml.nvmlDeviceGetName(handle))
    memory = read("memory", lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
    capability = read("compute_capability", lambda: nvml.nvmlDeviceGetCudaComputeCapability(handle))
    ecc = read("ecc", lambda: nvml.nvmlDeviceGetEccMode(handle)[0])
    mig = read("mig", lambda: nvml.nvmlDeviceGetMigMode(handle)[0])
    limit = read("power_limit_w", lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle))
    return Gpu(
        index=index,
        name=_text(name) or "unreadable",
        uuid=_text(read("uuid", lambda: nvml.nvmlDeviceGetUUID(handle))),
        memory_total_bytes=int(memory.total) if memory and memory.total else None,
        memory_free_bytes=int(memory.free) if memory and memory.total else None,
        compute_capability=f"{capability[0]}.{capability[1]}" if capability else None,
        ecc=None if ecc is None else bool(ecc),
        mig=None if mig is None else bool(mig),
        power_limit_w=None if limit is None else limit / 1000,
        sm_clock_mhz=read("sm_clock_mhz", lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM)),
        max_sm_clock_mhz=read("max_sm_clock_mhz", lambda: nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_SM)),
        temperature_c=read("temperature_c", lambda: _temperature(nvml, handle)),
        throttle_reasons=read("throttle_reasons", lambda: throttle_reasons(nvml, handle)) or (),
        nvlinks=read("nvlinks", lambda: _nvlinks(nvml, handle)),
        processes=read("processes", lambda: _pids(nvml, handle)) or (),
        unreadable=guard.unreadable,
    )


def _slices(nvml: Any, parent: Any, gpu: Gpu, first: int) -> list[Gpu]:
    guard = Guarded(nvml)
    most = guard.read("slices", lambda: nvml.nvmlDeviceGetMaxMigDeviceCount(parent)) or 0
    found: list[Gpu] = []
    for position in range(most):
        try:
            handle = nvml.nvmlDeviceGetMigDeviceHandleByIndex(parent, position)
        except nvml.NVMLError:  # positions without a slice are "not found"
            continue
        found.append(_slice(nvml, handle, gpu, first + len(found)))
    return found


def _slice(nvml: Any, handle: Any, parent: Gpu, index: int) -> Gpu:
    """Memory and processes are the slice's own; clocks, power and temperature exist for the whole card only."""
    guard = Guarded(nvml)
    memory = guard.read("memory", lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
    return Gpu(
        index=index,
        name=_text(guard.read("name", lambda: nvml.nvmlDeviceGetName(handle))) or f"{parent.name} MIG",
        uuid=_text(guard.read("uuid", lambda: nvml.nvmlDeviceGetUUID(handle))),
        memory_total_bytes=int(memory.total) if memory and memory.total else None,
        memory_free_bytes=int(memory.free) if memory and memory.total else None,
        compute_capability=parent.compute_capability,
        ecc=parent.ecc,
        mig=True,
        mig_of=parent.index,
        processes=guard.read("processes", lambda: _pids(nvml, handle)) or (),
        unreadable=guard.unreadable,
    )


def _text(value: object) -> str | None:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return one_line(value, limit=120) if isinstance(value, str) else None


def _temperature(nvml: Any, handle: Any) -> int:
    return int(nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU))


def _pids(nvml: Any, handle: Any) -> tuple[int, ...]:
    return tuple(sorted({int(process.pid) for process in nvml.nvmlDeviceGetComputeRunningProcesses(handle)}))


def _nvlinks(nvml: Any, handle: Any) -> int:
    """Active links. Links beyond those that the card has answer "invalid argument" or "not supported"."""
    active = 0
    for link in range(getattr(nvml, "NVML_NVLINK_MAX_LINKS", 18)):
        try:
            active += int(nvml.nvmlDeviceGetNvLinkState(handle, link))
        except nvml.NVMLError:
            if link == 0:
                raise
            break
    return active
