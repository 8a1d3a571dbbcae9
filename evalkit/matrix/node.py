"""A cell on a node that shares no files with the driver: its inputs come in, its run goes back as it grows.

What is sent is files and figures alone. Keys are read there, from the node's own environment.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import evalkit
from evalkit import system
from evalkit.checklist.files import recorded, sha256_of
from evalkit.errors import EvalkitError, RunFolderError
from evalkit.files import make_private, write_atomic
from evalkit.matrix.outcome import ENDED, LOG, Ended, begun, last_line, right_gpu, write_ended
from evalkit.matrix.plan import Cell, command_in
from evalkit.run.token import Token, take
from evalkit.serving import keeper

#: seconds between two looks at a cell's files
_LOOK_S = 2.0
#: seconds from asking a cell to end until it is ended: SGLang needs six, and its run then writes its report
GRACE_S = 60.0
#: inputs of one cell, and one file of its run: what is larger is not sent
_MOST_INPUT = 256 << 20
_MOST_FILE = 256 << 20
_PREFIX = "evalkit-cell-"
_HELD = ".held"
#: seconds in which a folder may not be locked yet by the process that made it
_NEW_S = 60
#: grows at its end alone
_JOURNAL = "run/journal.jsonl"


# -- the driver's side -------------------------------------------------------------------------------------------------


def bundle(out: Path, cell: Cell) -> dict[str, Any]:
    """What a node needs to run the cell: plain data that any Python reads.

    Raises:
        EvalkitError: its inputs cannot be read, or are too large to be sent.
    """
    folder = out.resolve() / "cells" / cell.id
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name not in (ENDED, _HELD)]
    paths += _inputs(folder / "checklist.yaml")
    root = Path(os.path.commonpath([folder, *paths]))
    found = {path.relative_to(root).as_posix(): path for path in paths}
    if sum(path.stat().st_size for path in found.values()) > _MOST_INPUT:
        raise RunFolderError(f"inputs of more than {_MOST_INPUT >> 20} MiB are not sent", where=str(folder))
    return {
        "version": evalkit.__version__,
        "cell": cell.model_dump(mode="json"),
        "folder": folder.relative_to(root).as_posix(),
        "home": str(folder),
        "files": {name: path.read_bytes() for name, path in found.items()},
    }


def _inputs(path: Path) -> list[Path]:
    """Every file that a run of the checklist reads before it asks a server."""
    from evalkit.checklist.loader import load_checklist
    from evalkit.run.setup import prepare

    with recorded() as paths:
        loaded = load_checklist(path)
        prepare(loaded)
    items = loaded.checklist.items
    later = [items.license.text, *(getattr(one, "trace", None) for one in items.modes.load)]
    found = [*paths, *(Path(os.path.normpath(loaded.folder / one)) for one in later if one)]
    return [one for one in dict.fromkeys(found) if one.is_file()]


def received(folder: Path, update: dict[str, Any]) -> None:
    """Write what a node sent of the cell's files into its folder; names that lead out of it are refused.

    Raises:
        RunFolderError: such a name, or the folder is not writable.
    """
    for name, (offset, data) in update.get("files", {}).items():
        parts = PurePosixPath(name).parts
        if not parts or ".." in parts or name.startswith("/") or (parts[0] != "run" and name != LOG):
            raise RunFolderError("a node sent a file of another name than a cell's", where=str(folder))
        target = folder / name
        for parent in reversed(target.relative_to(folder).parents):
            make_private(folder / parent)
        if offset:
            with target.open("r+b") as file:
                file.seek(offset)
                file.write(data)
        else:
            write_atomic(target, data)


def incomplete(folder: Path, update: dict[str, Any]) -> str:
    """The first file that did not arrive as the node had it; empty where all did."""
    for name, digest in update.get("digests", {}).items():
        path = folder / name
        if not path.is_file() or sha256_of(path.read_bytes()) != digest:
            return str(name)
    return ""


# -- the node's side ---------------------------------------------------------------------------------------------------


@dataclass
class _Sent:
    """Which files the driver has, by size and time of change, and how much of the journal."""

    seen: dict[str, tuple[int, int]] = field(default_factory=dict)
    journal: int = 0

    def changed(self, folder: Path) -> dict[str, tuple[int, bytes]]:
        """Files that changed since the last look, each with the offset at which its bytes belong."""
        found: dict[str, tuple[int, bytes]] = {}
        for name, path in _results(folder):
            with suppress(OSError):
                state = path.stat()
                now = state.st_size, state.st_mtime_ns
                if self.seen.get(name) == now or state.st_size > _MOST_FILE:
                    continue
                offset = self.journal if name == _JOURNAL and self.journal <= state.st_size else 0
                with path.open("rb") as file:
                    file.seek(offset)
                    data = file.read(state.st_size - offset)
                found[name] = offset, data
                self.seen[name] = now
                if name == _JOURNAL:
                    self.journal = offset + len(data)
        return found


def _results(folder: Path) -> list[tuple[str, Path]]:
    """Files of the run and the cell's log; temporary and lock files left out."""
    every = [folder / LOG, *sorted((folder / "run").rglob("*"))]
    return [
        (path.relative_to(folder).as_posix(), path)
        for path in every
        if path.is_file() and not path.is_symlink() and not path.name.startswith(".")
    ]


def work(task: dict[str, Any], token: Path | None = None) -> Iterator[dict[str, Any]]:
    """Run the cell of `bundle` here; its files as they grow, and last how it ended.

    However this ends, also by kill -9 of this process, nothing of the cell is left: its keeper sees that the pipe
    closes and ends the run with its servers.
    """
    cell = Cell.model_validate(task["cell"])
    refused = wrong_gpu(cell)
    if refused:
        yield _last(Ended(plan_sha256=cell.plan_sha256, reason="wrong-gpu", detail=refused))
        return
    _sweep()
    root = Path(tempfile.mkdtemp(prefix=_PREFIX))
    held = os.open(root / _HELD, os.O_RDWR | os.O_CREAT | system.CLOEXEC, 0o600)
    system.lock(held)
    try:
        folder = _unpacked(task, root)
        while (mine := take(token)) is None:
            yield {"state": "waiting", "line": "another run times on this node: waiting for it"}
            time.sleep(1)
        yield from _run(cell, folder, mine, held)
    finally:
        os.close(held)
        shutil.rmtree(root, ignore_errors=True)


def _run(cell: Cell, folder: Path, token: Token, held: int) -> Iterator[dict[str, Any]]:
    sent = _Sent()
    sent.changed(folder)  # what the driver has already
    sent.journal = 0
    argv = [sys.executable, "-m", "evalkit", *command_in(folder, resume=begun(folder))]
    try:
        with (folder / LOG).open("ab") as log:
            process = subprocess.Popen(  # noqa: S603  evalkit itself, on a checklist that it wrote
                [sys.executable, "-I", keeper.__file__, str(GRACE_S), uuid.uuid4().hex, "--", *argv],
                stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True, cwd=folder,
                pass_fds=(token.fd, held), env=token.for_child(),
            )  # fmt: skip
    finally:
        token.release()  # its process has it
    began = time.monotonic()
    late = False
    try:
        while process.poll() is None and not late:
            late = time.monotonic() - began > cell.most_minutes * 60
            yield {"state": "running", "line": last_line(folder / LOG), "files": sent.changed(folder)}
            _rest(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        code = process.wait()
    ended = Ended(plan_sha256=cell.plan_sha256, exit_code=code)
    if late:
        ended = ended.model_copy(update={"reason": "timed-out", "detail": late_detail(cell)})
    digests = {
        name: sha256_of(path.read_bytes()) for name, path in _results(folder) if path.stat().st_size < _MOST_FILE
    }
    yield {**_last(ended), "files": sent.changed(folder), "digests": digests}


def _rest(process: subprocess.Popen[bytes]) -> None:
    with suppress(subprocess.TimeoutExpired):
        process.wait(_LOOK_S)


def _last(ended: Ended) -> dict[str, Any]:
    return {"state": "ended", "ended": ended.model_dump(mode="json")}


def _unpacked(task: dict[str, Any], root: Path) -> Path:
    """The cell's folder under `root`. Files that servers read by their whole path are put there too, where missing."""
    for name, data in task["files"].items():
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        target.write_bytes(data)
        target.chmod(0o600)
    folder = root / str(task["folder"])
    text = (folder / "checklist.yaml").read_text(encoding="utf-8")
    for path in folder.iterdir():
        there = Path(task["home"]) / path.name
        if path.is_file() and str(there) in text and not there.exists():
            make_private(there.parent)
            write_atomic(there, path.read_bytes())
    return folder


def _sweep() -> None:
    """Remove folders of cells whose processes are all gone: a killed worker cannot do so itself."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):
            state = path.lstat()
            if not stat.S_ISDIR(state.st_mode) or not system.is_own(state) or time.time() - state.st_mtime < _NEW_S:
                continue
            descriptor = os.open(path / _HELD, os.O_RDWR | system.NOFOLLOW | system.CLOEXEC)
            try:
                if system.lock(descriptor):
                    shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(descriptor)


def late_detail(cell: Cell) -> str:
    """What is said of a cell that took too long."""
    return f"it took longer than {cell.most_minutes:g} minutes and was ended"


def wrong_gpu(cell: Cell) -> str:
    """Why a cell that starts its servers here would run on another card than its own; empty where it would not."""
    from evalkit.gpu.declared import read_declared
    from evalkit.gpu.nvml import collect

    if not cell.launches or read_declared(cell.card).cpu_only:
        return ""
    found = collect(declared=None, endpoints={}, local=True)
    names = _visible([(str(gpu.index), gpu.uuid or "", gpu.name) for gpu in found.gpus])
    right = [name for name in names if right_gpu(cell.card, [name])]
    if len(right) >= max(cell.gpus, 1):
        return ""
    return f"asked for {cell.card}, found {', '.join(names) or 'no GPU'}"


def _visible(gpus: list[tuple[str, str, str]]) -> list[str]:
    """Names of the GPUs (index, UUID, name) that this process was given: NVML lists those of others too."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is None:
        return [name for _, _, name in gpus]
    wanted = [one.strip() for one in given.split(",") if one.strip()]
    return [
        name for index, uuid_, name in gpus if any(one == index or (one and uuid_.startswith(one)) for one in wanted)
    ]


def failed(cell: Cell, folder: Path, reason: Any, detail: str) -> None:
    """Write down that the cell has no result, and why."""
    with suppress(EvalkitError):
        write_ended(folder, Ended(plan_sha256=cell.plan_sha256, reason=reason, detail=detail))
