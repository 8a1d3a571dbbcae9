"""What hardware is here, and how it is known."""

from __future__ import annotations

from typing import Literal

from evalkit.findings import Frozen, KnownBy

#: clock reasons that slow a card down against its own will (a power cap under load is normal)
SLOWDOWNS = frozenset({"hw-slowdown", "sw-thermal-slowdown", "hw-thermal-slowdown", "hw-power-brake"})


class Gpu(Frozen):
    """One device (or MIG slice). A field that could not be read is None, with the reason in `unreadable`."""

    index: int
    name: str
    uuid: str | None = None
    memory_total_bytes: int | None = None
    memory_free_bytes: int | None = None
    compute_capability: str | None = None
    ecc: bool | None = None
    mig: bool | None = None
    mig_of: int | None = None
    power_limit_w: float | None = None
    sm_clock_mhz: int | None = None
    max_sm_clock_mhz: int | None = None
    temperature_c: int | None = None
    throttle_reasons: tuple[str, ...] = ()
    nvlinks: int | None = None
    processes: tuple[int, ...] = ()
    unreadable: dict[str, str] = {}  # noqa: RUF012  pydantic copies defaults


class HardwareFacts(Frozen):
    """The machine behind the endpoints, or why it is not known."""

    known_by: KnownBy | None = None  # observed (NVML), declared (checklist), None: unknown
    place: Literal["here", "elsewhere", "unknown"] = "unknown"
    gpus: tuple[Gpu, ...] = ()
    driver: str | None = None
    cuda: str | None = None
    nvml_error: str | None = None  # "no driver", "version mismatch", … with what to do
    nvml_error_kind: Literal["no-library", "no-driver", "no-gpu", "mismatch", "permission", "other"] | None = None
    declared: str | None = None
    cpu: str | None = None
    cores: int | None = None
    memory_bytes: int | None = None
    platform: str | None = None
    #: mode label -> how its process was tied to a device ("pid 123 on GPU 0"), or why not
    endpoint_devices: dict[str, str] = {}  # noqa: RUF012  pydantic copies defaults
    #: mode label -> indices of the devices that its process was seen on
    endpoint_gpus: dict[str, tuple[int, ...]] = {}  # noqa: RUF012
    #: pids of the endpoints' own process trees: others on the devices are other people's
    endpoint_pids: tuple[int, ...] = ()
    #: the endpoints run on the processor: no GPU is here, or the servers say so
    cpu_only: bool = False
    #: labels of endpoints on other machines of which nothing is declared
    unknown_for: tuple[str, ...] = ()
    #: what else was noticed: contradictions, accelerators that NVML cannot read
    notes: tuple[str, ...] = ()


class TelemetrySample(Frozen):
    """Readings of one device while a mode was timed."""

    mode: str
    concurrency: int
    gpu: int
    at_ms: float
    power_w: float | None = None
    sm_clock_mhz: int | None = None
    temperature_c: int | None = None
    memory_used_bytes: int | None = None
    energy_mj: int | None = None
    throttle_reasons: tuple[str, ...] = ()


class GpuOthers(Frozen):
    """What processes that are not the compared servers did on one device: share of its time (of the streaming
    multiprocessors), and memory that they hold. None: not reported, or its processes cannot be distinguished.
    """

    gpu: int
    share: float | None = None
    memory_bytes: int | None = None
