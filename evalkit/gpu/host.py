"""The machine that evalkit runs on, its process trees, and accelerators that NVML cannot read."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Literal

from evalkit.findings import Frozen
from evalkit.system import process_group
from evalkit.text import one_line


class Host(Frozen):
    cpu: str | None
    cores: int | None
    memory_bytes: int | None
    platform: str


def read_host() -> Host:
    """Processor, physical cores, memory and system. A container's memory limit counts where it is lower."""
    import psutil

    total = int(psutil.virtual_memory().total)
    limit = _cgroup_limit()
    return Host(
        cpu=_processor() or platform.processor() or platform.machine() or None,
        cores=psutil.cpu_count(logical=False) or psutil.cpu_count(),
        memory_bytes=min(total, limit) if limit else total,
        platform=one_line(platform.platform(), limit=120),
    )


def accelerator_traces(root: Path = Path("/")) -> tuple[str, ...]:
    """Signs of an accelerator that NVML does not report: a driver without its library, another vendor's card."""
    traces = {
        "dev/nvidiactl": "an NVIDIA device node",
        "proc/driver/nvidia/version": "an NVIDIA kernel driver",
        "dev/dxg": "a GPU of the Windows host (WSL)",
        "dev/kfd": "an AMD GPU (ROCm)",
        "dev/accel": "an accelerator of another vendor",
    }
    found = [text for path, text in traces.items() if (root / path).exists()]
    if not found and _pci_vendor(root, "0x10de"):
        found.append("an NVIDIA card on the PCI bus")
    return tuple(found)


def process_tree(pid: int) -> frozenset[int]:
    """`pid`, its descendants, and the processes of its process group: servers decode in a child of the listener."""
    import psutil

    pids = {pid}
    try:
        pids.update(child.pid for child in psutil.Process(pid).children(recursive=True))
    except (psutil.Error, OSError):
        return frozenset(pids)
    group = process_group(pid)
    if group is not None:
        pids.update(other for other in psutil.pids() if process_group(other) == group)
    return frozenset(pids)


def pid_state(pid: int) -> Literal["here", "not-here"]:
    """NVML lists pids of the host: one that does not exist here belongs to another PID namespace."""
    import psutil

    return "here" if psutil.pid_exists(pid) else "not-here"


def _processor() -> str | None:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    named = (line.partition(":")[2] for line in lines if line.startswith(("model name", "Model\t", "CPU part")))
    return one_line(next(named, "").strip(), limit=120) or None


def _cgroup_limit() -> int | None:
    try:
        text = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() and int(text) < 1 << 50 else None


def _pci_vendor(root: Path, vendor: str) -> bool:
    """Whether a display or 3D controller of that vendor is on the bus."""
    try:
        devices = list((root / "sys/bus/pci/devices").iterdir())
    except OSError:
        return False
    for device in devices[:4096]:
        try:
            kind = (device / "class").read_text(encoding="ascii").strip()
            if kind.startswith("0x03") and (device / "vendor").read_text(encoding="ascii").strip() == vendor:
                return True
        except OSError:
            continue
    return False
