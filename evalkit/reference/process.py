"""The reference server in a process of its own, so that it and its client do not wait for one interpreter."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Self

from evalkit.errors import LaunchError
from evalkit.reference.emissions import Emission, read_emissions
from evalkit.reference.script import Script

_START_S = 30.0
_STOP_S = 3.0


class ReferenceProcess:
    """`with ReferenceProcess(Script()) as server: server.base_url`.

    Its log's times compare with `time.monotonic_ns()` of any process of this machine.
    """

    def __init__(
        self,
        script: Script | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        answers_path: str | Path | None = None,
        emission_log: str | Path | None = None,
    ) -> None:
        """`answers_path` is a file of replies; `emission_log` keeps the log, else it goes with the process."""
        self.script = script or Script()
        self._host, self._port, self._answers, self._log = host, port, answers_path, emission_log
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[str] | None = None
        self._last: list[Emission] = []
        self.base_url = ""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """The process's id while it was started."""
        return self._process.pid if self._process else None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start the process; returns when requests are answered.

        Raises:
            LaunchError: it ended, or said nothing for thirty seconds.
        """
        self._folder = tempfile.TemporaryDirectory(prefix="evalkit-reference-")
        argv = [sys.executable, "-m", "evalkit.reference", "--script", self.script.model_dump_json()]
        argv += ["--host", self._host, "--port", str(self._port), "--emission-log", str(self._log_path)]
        argv += ["--answers", str(self._answers)] if self._answers else []
        with self._complaints.open("w") as complaints:
            self._process = subprocess.Popen(  # noqa: S603  our own module
                argv, env=_environment(), stdout=subprocess.PIPE, stderr=complaints, text=True
            )
        line = self._first_line()
        if not line:
            said = self._complaints.read_text(encoding="utf-8", errors="replace").strip()[-500:]
            self.stop()
            raise LaunchError("the reference server did not start", hint=said or None)
        self.base_url = json.loads(line)["base_url"]
        return self

    def stop(self) -> None:
        """End the process, by force when it lingers for three seconds. Calling it twice does nothing."""
        process, folder = self._process, self._folder
        if process is None or folder is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()
        self._last = self.emissions()
        self._process = self._folder = None
        folder.cleanup()

    def emissions(self) -> list[Emission]:
        """Records of the finished requests so far; still there after the stop."""
        if self._folder is None:
            return self._last
        path = self._log_path
        return read_emissions(path.read_text(encoding="utf-8").splitlines()) if path.exists() else []

    @property
    def _log_path(self) -> Path:
        assert self._folder is not None
        return Path(self._log or Path(self._folder.name) / "emissions.jsonl")

    @property
    def _complaints(self) -> Path:
        """What the process says on stderr: a file, as nobody reads a pipe while it runs."""
        assert self._folder is not None
        return Path(self._folder.name) / "stderr.txt"

    def _first_line(self) -> str:
        """The line that tells the address, or nothing."""
        assert self._process is not None
        assert self._process.stdout is not None
        lines: queue.Queue[str] = queue.Queue()
        reader = threading.Thread(
            target=lambda out: lines.put(out.readline()), args=(self._process.stdout,), daemon=True
        )
        reader.start()
        try:
            return lines.get(timeout=_START_S)
        except queue.Empty:
            return ""


def _environment() -> dict[str, str]:
    """This environment, in which the child finds the package that runs here, installed or not."""
    here = str(Path(__file__).resolve().parents[2])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))}
