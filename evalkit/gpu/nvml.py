"""What hardware is behind the endpoints: NVML on this machine, the buyer's declaration, or unknown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, Protocol

from evalkit.findings import KnownBy
from evalkit.gpu.declared import Declared, read_declared
from evalkit.gpu.devices import read_all
from evalkit.gpu.facts import Gpu, HardwareFacts
from evalkit.gpu.host import accelerator_traces, pid_state, process_tree, read_host
from evalkit.modes import INCUMBENT
from evalkit.text import one_line

ErrorKind = Literal["no-library", "no-driver", "no-gpu", "mismatch", "permission", "other"]

_ADVICE: dict[ErrorKind, str] = {
    "no-library": "NVML (libnvidia-ml.so.1) is not here: install the NVIDIA driver, or give the container its GPUs"
    " (docker run --gpus all)",
    "no-driver": "the NVIDIA kernel driver is not loaded: load it (modprobe nvidia) or reinstall it for this kernel",
    "no-gpu": "NVML sees no GPU: check that the container was given one (NVIDIA_VISIBLE_DEVICES) and that the card is"
    " on the bus (lspci)",
    "mismatch": "NVML and the kernel driver are of different versions: restart the machine after a driver update, or"
    " reload the kernel modules",
    "permission": "this user may not use NVML: run as a user of the group that owns /dev/nvidia*, or as root",
    "other": "run nvidia-smi to see whether the driver answers",
}


class EndpointLike(Protocol):
    """What is needed of an endpoint's facts."""

    @property
    def place(self) -> str: ...
    @property
    def pid(self) -> int | None: ...
    @property
    def settings(self) -> dict[str, Any]: ...


class NvmlUnavailable(Exception):  # noqa: N818  a state of the machine, turned into facts
    """NVML cannot be used. Never leaves this package."""

    def __init__(self, kind: ErrorKind, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.text = f"{one_line(detail, limit=120).rstrip('.')}. {_ADVICE[kind]}"


@contextmanager
def session() -> Iterator[Any]:
    """The NVML binding, initialised.

    Raises:
        NvmlUnavailable: no library, no driver, mismatch, permission or another failure at initialisation.
    """
    try:
        import pynvml
    except ImportError as error:
        raise NvmlUnavailable("no-library", str(error)) from None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        raise NvmlUnavailable(_kind(pynvml, error), str(error)) from None
    try:
        yield pynvml
    finally:
        try:
            pynvml.nvmlShutdown()
        except pynvml.NVMLError:  # nothing depends on it
            pass


def _kind(nvml: Any, error: Any) -> ErrorKind:
    kinds: dict[int, ErrorKind] = {
        nvml.NVML_ERROR_LIBRARY_NOT_FOUND: "no-library",
        nvml.NVML_ERROR_DRIVER_NOT_LOADED: "no-driver",
        nvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: "mismatch",
        nvml.NVML_ERROR_FUNCTION_NOT_FOUND: "mismatch",
        nvml.NVML_ERROR_NO_PERMISSION: "permission",
        nvml.NVML_ERROR_GPU_NOT_FOUND: "no-gpu",
    }
    return kinds.get(error.value, "other")


def collect(
    *,
    declared: str | dict[str, Any] | None,
    endpoints: Mapping[str, EndpointLike],
    local: bool = False,
) -> HardwareFacts:
    """The hardware behind `endpoints` (label -> probed facts), without touching their servers.

    Found by NVML counts when an endpoint is on this machine (or `local`: this machine is asked about); otherwise the
    declaration counts; otherwise it is unknown. An endpoint here without any GPU runs on the processor: known, "cpu".
    Nothing is raised for a machine's or a declaration's faults.
    """
    declaration = read_declared(declared)
    here = {label: facts for label, facts in endpoints.items() if facts.place == "here"}
    facts = _this_machine()
    if not (here or local):
        return _not_here(facts, declaration, endpoints)
    facts = _tie(facts, here) if facts.gpus else facts
    away = tuple(label for label in endpoints if label not in here and label != INCUMBENT)
    if here and away and not declaration.usable:
        facts = facts.model_copy(update={"unknown_for": away})
    if facts.gpus:
        notes = _contradiction(facts.gpus, declaration)
        return facts.model_copy(
            update={
                "known_by": KnownBy.OBSERVED,
                "place": "here",
                "declared": declaration.text,
                "notes": (*facts.notes, *notes),
            }
        )
    return _without_gpu(facts, declaration, here)


def _this_machine() -> HardwareFacts:
    host = read_host()
    facts = HardwareFacts(cpu=host.cpu, cores=host.cores, memory_bytes=host.memory_bytes, platform=host.platform)
    try:
        with session() as nvml:
            gpus = read_all(nvml)
            if not gpus:
                none = NvmlUnavailable("no-gpu", "NVML reports no device")
                return facts.model_copy(update={"nvml_error": none.text, "nvml_error_kind": none.kind})
            update = {"gpus": gpus, "driver": _driver(nvml), "cuda": _cuda(nvml)}
            return facts.model_copy(update=update)
    except NvmlUnavailable as error:
        return facts.model_copy(update={"nvml_error": error.text, "nvml_error_kind": error.kind})
    except Exception as error:  # noqa: BLE001  a third party's fault must not end the run
        text = f"{type(error).__name__}: {one_line(str(error), limit=120)}. {_ADVICE['other']}"
        return facts.model_copy(update={"nvml_error": text, "nvml_error_kind": "other"})


def _driver(nvml: Any) -> str | None:
    try:
        return one_line(str(nvml.nvmlSystemGetDriverVersion()), limit=40)
    except nvml.NVMLError:
        return None


def _cuda(nvml: Any) -> str | None:
    try:
        version = int(nvml.nvmlSystemGetCudaDriverVersion_v2())
    except nvml.NVMLError:
        return None
    return f"{version // 1000}.{version % 1000 // 10}"


def _tie(facts: HardwareFacts, here: Mapping[str, EndpointLike]) -> HardwareFacts:
    """Ties each endpoint's process to the devices that list it: listener, its children, its process group."""
    texts: dict[str, str] = {}
    devices: dict[str, tuple[int, ...]] = {}
    own: set[int] = set()
    for label, endpoint in here.items():
        if endpoint.pid is None:
            why = getattr(endpoint, "place_why", None)  # "published by docker-proxy, a container of this machine"
            texts[label] = f"its process was not found{f' ({why})' if why else ''}, so its device is not known"
            continue
        tree = process_tree(endpoint.pid)
        own |= tree
        on = tuple(gpu.index for gpu in facts.gpus if tree & set(gpu.processes))
        devices[label] = on
        texts[label] = f"pid {endpoint.pid} on GPU {', '.join(map(str, on))}" if on else _why_not(facts, endpoint)
    return facts.model_copy(
        update={"endpoint_devices": texts, "endpoint_gpus": devices, "endpoint_pids": tuple(sorted(own))}
    )


def _why_not(facts: HardwareFacts, endpoint: EndpointLike) -> str:
    listed = [pid for gpu in facts.gpus for pid in gpu.processes]
    foreign = [pid for pid in listed if pid_state(pid) == "not-here"]
    if foreign:
        return (
            f"pid {endpoint.pid} is on no GPU by this machine's numbers; NVML lists pids of another namespace "
            f"({foreign[0]}): run evalkit on the host, or with --pid=host"
        )
    if any("processes" in gpu.unreadable for gpu in facts.gpus):
        return f"pid {endpoint.pid}: NVML does not list processes here"
    return f"pid {endpoint.pid} is on no GPU here: it runs on the processor, or in a container that hides its pids"


def _contradiction(gpus: tuple[Gpu, ...], declaration: Declared) -> tuple[str, ...]:
    if not declaration.text:
        return ()
    said = {gpu.name for gpu in declaration.gpus}
    found = {gpu.name for gpu in gpus}
    if declaration.cpu_only or (said and not any(declaration.matches(name) for name in found)):
        return (f"declared {declaration.text}, but {', '.join(sorted(found))} was found here",)
    return ()


def _not_here(facts: HardwareFacts, declaration: Declared, endpoints: Mapping[str, EndpointLike]) -> HardwareFacts:
    """The endpoints' hardware is another machine's: what this one has does not count."""
    places = {endpoint.place for endpoint in endpoints.values()}
    place: Literal["elsewhere", "unknown"] = "elsewhere" if places & {"elsewhere", "tunnel"} else "unknown"
    base = HardwareFacts(place=place, nvml_error=facts.nvml_error, nvml_error_kind=facts.nvml_error_kind)
    return _declare(base, declaration)


def _declare(base: HardwareFacts, declaration: Declared) -> HardwareFacts:
    return base.model_copy(
        update={
            "known_by": KnownBy.DECLARED if declaration.usable else None,
            "gpus": declaration.gpus,
            "declared": declaration.text,
            "cpu_only": declaration.cpu_only,
            "memory_bytes": declaration.memory_bytes or (base.memory_bytes if declaration.cpu_only else None),
            "notes": (*base.notes, *declaration.notes),
        }
    )


def _without_gpu(facts: HardwareFacts, declaration: Declared, here: Mapping[str, EndpointLike]) -> HardwareFacts:
    """NVML shows nothing here. That is a CPU-only machine unless something speaks for an accelerator."""
    facts = facts.model_copy(update={"place": "here"})
    if declaration.usable:
        return _declare(facts, declaration)
    devices = {str(endpoint.settings.get("device")).lower() for endpoint in here.values()} - {"none"}
    accelerated = sorted(device for device in devices if not device.startswith(("cpu", "auto")))
    traces = accelerator_traces()
    if facts.nvml_error_kind in ("mismatch", "permission", "other"):  # the library is here: so may be a card in use
        traces = (*traces, "an NVML library that cannot be used")
    if accelerated or (traces and "cpu" not in devices):
        why = [f"the server runs on {one_line(device, limit=40)}" for device in accelerated] + list(traces)
        note = f"NVML reads no GPU here, yet there is {'; '.join(why)}"
        return facts.model_copy(update={"notes": (*facts.notes, *declaration.notes, note)})
    return facts.model_copy(
        update={"known_by": KnownBy.OBSERVED, "cpu_only": True, "notes": (*facts.notes, *declaration.notes)}
    )
