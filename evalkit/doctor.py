"""What this machine brings for a run: versions, access, GPU, limits, and the error of evalkit's own clock."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import aclosing
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies

import evalkit
from evalkit import system
from evalkit.client import loop
from evalkit.text import one_line
from evalkit.timing.facts import ClientError

#: what a run needs of the packages that come with evalkit
PACKAGES = (
    "typer", "rich", "httpx2", "httptools", "huggingface-hub", "nvidia-ml-py", "pydantic", "pyyaml", "jinja2",
    "license-expression", "jsonschema", "regex", "psutil", "pygal", "starlette", "uvicorn", "uvloop",
)  # fmt: skip
#: what an extra brings
OPTIONAL = ("uvloop",)
_FILES, _FREE_BYTES = 1024, 200 * 2**20


class Problem(NamedTuple):
    """What is missing, and what to do."""

    id: str
    summary: str
    hint: str


def examine(folder: Path, concurrency: Sequence[int]) -> dict[str, Any]:
    """The document of `evalkit doctor`. Takes about two seconds a concurrency."""
    document: dict[str, Any] = {
        "evalkit": evalkit.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": packages(),
        "hub": _hub(),
        "gpu": _gpu(),
        "cpu": _cpu(),
        "folder": _folder(folder),
        "open_files": system.open_files(),
        "network": network(),
        "sandbox": _sandbox(),
        "timing": _timing(concurrency),
    }
    return {
        **document,
        "missing": [problem._asdict() for problem in missing(document, concurrency)],
        "advice": [problem._asdict() for problem in advice(document)],
    }


def _sandbox() -> dict[str, Any]:
    """What code from replies would run in here, and why it would not run."""
    from evalkit.errors import UsageError
    from evalkit.quality.sandbox.run import permit

    try:
        return {"kind": permit(), "refused": None}
    except UsageError as error:
        return {"kind": "none", "refused": error.message}


def packages() -> dict[str, str | None]:
    """Installed versions; None where a package is not there."""
    return {name: _version(name) for name in PACKAGES}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _hub() -> dict[str, Any]:
    from evalkit.hub.settings import hub_settings, reach

    settings = hub_settings()
    return {**settings.model_dump(), **reach(settings).model_dump()}


def _gpu() -> dict[str, Any]:
    from evalkit.gpu.memory import usable_bytes
    from evalkit.gpu.nvml import collect

    facts = collect(declared=None, endpoints={}, local=True)
    gpus = [{"name": gpu.name, "memory_total_bytes": usable_bytes(gpu, facts.memory_bytes)} for gpu in facts.gpus]
    return {
        "gpus": gpus, "driver": facts.driver, "cuda": facts.cuda,
        "problem": None if gpus else facts.nvml_error, "problem_kind": None if gpus else facts.nvml_error_kind,
    }  # fmt: skip


def _cpu() -> dict[str, Any]:
    from evalkit.gpu.host import read_host

    host = read_host()
    return {
        "name": host.cpu, "cores": host.cores, "usable": system.usable_cores(), "load_1m": system.load_1m(),
        "memory_bytes": host.memory_bytes,
    }  # fmt: skip


def _folder(folder: Path) -> dict[str, Any]:
    """Whether a run folder can be made there: a file is written and removed in the nearest folder that exists."""
    place = folder.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    problem = None
    try:
        with tempfile.NamedTemporaryFile(dir=place, prefix=".evalkit-") as file:
            file.write(b"x")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        problem = error.strerror or str(error)
    try:
        free = shutil.disk_usage(place).free
    except OSError:
        free = None
    return {"path": str(folder), "writable": problem is None, "problem": problem, "free_bytes": free}


def network() -> dict[str, Any]:
    """Proxies of the environment, without user and password, and the transport that requests would take."""
    from evalkit.client.proxies import proxy_for
    from evalkit.errors import UsageError

    def transport(url: str) -> str:
        try:
            return "proxy" if proxy_for(url) else "wire"
        except UsageError as error:
            return f"none: {error}"

    proxies = {scheme: _place(url) for scheme, url in sorted(getproxies().items()) if scheme != "no"}
    urls = {"loopback": "http://127.0.0.1", "http": "http://endpoint.invalid", "https": "https://endpoint.invalid"}
    return {
        "proxies": proxies,
        "no_proxy": getproxies().get("no"),
        "transport": {name: transport(url) for name, url in urls.items()},
    }


def _place(url: str) -> str:
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "not an address"
    return one_line(f"{parts.scheme}://{parts.hostname}{port}", limit=200)


def _timing(concurrency: Sequence[int]) -> list[dict[str, Any]]:
    from evalkit.client import run
    from evalkit.errors import MeasurementError

    try:
        return [{**error.model_dump(), "warning": error.warning} for error in run(_calibrate(concurrency))]
    except MeasurementError as error:
        return [{"streams": streams, "error": error.message} for streams in concurrency]


async def _calibrate(concurrency: Sequence[int]) -> list[ClientError]:
    from evalkit.client import open_client
    from evalkit.timing.calibrate import calibrate

    async with aclosing(open_client()) as client:
        return await calibrate(client, concurrency)


def missing(document: dict[str, Any], concurrency: Sequence[int]) -> list[Problem]:
    """What a full run would lack here, from the rest of the document alone."""
    found = []
    absent = [name for name, version in document["packages"].items() if version is None and name not in OPTIONAL]
    if absent:
        found.append(Problem("packages", f"not installed: {', '.join(absent)}", "install dlm-evalkit again"))
    gpu = document["gpu"]
    if not gpu["gpus"]:
        why = gpu["problem"] or "none is visible"
        found.append(Problem("gpu", f"no GPU here: {why}", "run on the server, or declare items.hardware.declared"))
    folder = document["folder"]
    if not folder["writable"]:
        text = f"{folder['path']} cannot be written: {folder['problem']}"
        found.append(Problem("folder", text, "name another with --output-dir"))
    elif folder["free_bytes"] is not None and folder["free_bytes"] < _FREE_BYTES:
        text = f"{folder['path']} has {folder['free_bytes'] / 2**20:.0f} MiB left"
        found.append(Problem("folder", text, "make room: a run folder takes up to some hundred MiB"))
    limit = document["open_files"]
    if limit is not None and 0 <= limit < max(_FILES, 2 * max(concurrency, default=0)):
        found.append(Problem("open-files", f"ulimit -n is {limit}", f"ulimit -n {_FILES}"))
    for row in document["timing"]:
        found += _clock(row)
    return found


def advice(document: dict[str, Any]) -> list[Problem]:
    """What a run does without, at a cost: it changes no exit code."""
    slow = any(loop.could_be_faster(row.get("loop")) for row in document["timing"])
    return [Problem("loop", loop.COST, loop.INSTALL)] if slow else []


def _clock(row: dict[str, Any]) -> list[Problem]:
    streams = row["streams"]
    if "error" in row:
        return [Problem("timing", f"the clock could not be checked at {streams} streams: {row['error']}", "see above")]
    if row["warning"] is None:
        return []
    return [Problem("timing", row["warning"], "stop other work on this machine, or measure from a quieter one")]
