"""Start and stop a real SGLang, or vLLM, with the tiny-trimode model, for tests and by hand.

    with RealSglang("ngram") as server:
        httpx.get(f"{server.base_url}/v1/models")

`available()` says why that cannot work here; setup.sh makes it work.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

HERE = Path(__file__).resolve().parent
FIXTURE = HERE.parent / "fixtures" / "tiny_trimode"
MODEL = "tiny-trimode"  # the served name in every mode but smollm2 and vllm-diffusion
SMOLLM2 = "smollm2-135m"
DIFFUSION_GEMMA = "diffusion-gemma"
VLLM = ("vllm", "vllm-ngram", "vllm-diffusion")
MODES = ("ar", "ngram", "diffusion", "smollm2", *VLLM)  # diffusion also with a setting behind a colon: see settings()
READY_TIMEOUT_S = 180.0
STOP_GRACE_S = 12.0  # SGLang takes about six seconds when all is well

_WARM = "The server is fired up and ready to roll!"


class ServerError(RuntimeError):
    """The server did not come up, or did not go away."""


def root() -> Path:
    """The cache folder that setup.sh fills."""
    configured = os.environ.get("EVALKIT_REAL_DIR")
    return Path(configured).resolve() if configured else Path.home() / ".cache" / "evalkit-real"


def model_folder(mode: str) -> Path:
    """The model folder that `mode` serves; also a local candidate model for evalkit."""
    others = {"smollm2": SMOLLM2, "vllm-diffusion": DIFFUSION_GEMMA}
    return root() / "models" / others.get(mode, "sdar" if mode.startswith("diffusion") else "qwen3")


def settings() -> list[str]:
    """Names of the diffusion settings, such as `b8-t0.5`: block size and confidence threshold."""
    return sorted(path.stem for path in (FIXTURE / "dllm").glob("*.yaml"))


def available(mode: str = "ar") -> str | None:
    """None when `mode` can be served here, else the reason in one line."""
    folder = root()
    needs = [folder / "ready.stamp", folder / "venv" / "bin" / "python", model_folder(mode) / "model.safetensors"]
    engine, script = "SGLang", "setup_smollm2.sh" if mode == "smollm2" else "setup.sh"
    if mode in VLLM:
        engine, script, needs = "vLLM", "setup_vllm.sh", [folder / "vllm.stamp", needs[-1]]
    for path in needs:
        if not path.exists():
            return f"no real {engine}: {path.relative_to(folder)} is missing in {folder} (run tests/real/{script})"
    return None


def launch_argv(mode: str, port_placeholder: str = "{port}") -> list[str]:
    """A command that serves `mode`, as a checklist's `launch` takes it. It needs no environment of the caller."""
    _check(mode)
    return ["env", f"EVALKIT_REAL_DIR={root()}", str(HERE / "serve.sh"), mode, port_placeholder]


def free_port() -> int:
    """A loopback port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class RealSglang:
    """One server in its own process group. `extra` are further flags of its engine, such as `--api-key`."""

    def __init__(
        self,
        mode: str,
        port: int = 0,
        *,
        extra: Sequence[str] = (),
        ready_timeout_s: float = READY_TIMEOUT_S,
    ) -> None:
        _check(mode)
        self.mode = mode
        self.port = port or free_port()
        self.extra = tuple(extra)
        self.ready_timeout_s = ready_timeout_s
        self.ready_after_s: float | None = None
        self.log_path = root() / "logs" / f"{mode.replace(':', '-')}-{self.port}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._seen: dict[int, psutil.Process] = {}

    @property
    def base_url(self) -> str:
        """Without `/v1`."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server and wait until its warm-up is over.

        Raises:
            ServerError: set-up missing, the server ended, or it was not ready in time; nothing is left running.
        """
        reason = available(self.mode)
        if reason:
            raise ServerError(reason)
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        begun = time.monotonic()
        argv = [*launch_argv(self.mode, str(self.port)), *self.extra]
        with self.log_path.open("wb") as log:
            self._process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        try:
            self._wait_ready(begun + self.ready_timeout_s)
        except BaseException:  # an interrupt must not leave a server either
            self.stop()
            raise
        self.ready_after_s = time.monotonic() - begun

    def stop(self) -> None:
        """End the server and everything it started: TERM, then KILL for whatever is left.

        Raises:
            ServerError: a process outlived even KILL.
        """
        if self._process is None:
            return
        # TERM to the first process only: it ends its children itself, and takes a scheduler that is stopped beside
        # it for a crash. Alone, a leader that has gone may leave children behind, hence the rest.
        self.processes()  # note the family while it is together
        if self._process.poll() is None:
            self._process.terminate()
        else:
            self._signal(signal.SIGTERM)
        if not self._gone(STOP_GRACE_S):
            self._signal(signal.SIGKILL)
            if not self._gone(20.0):
                raise ServerError(f"still running after KILL: {sorted(p.pid for p in self.processes())}")
        self._process.wait()
        self._process = None

    def processes(self) -> list[psutil.Process]:
        """The living processes of this server, also those that left its group or lost their parent."""
        if self._process is None:
            return []
        group = self._process.pid
        for process in psutil.process_iter():
            try:
                if process.pid not in self._seen and os.getpgid(process.pid) == group:
                    self._seen[process.pid] = process
            except (OSError, psutil.Error):
                continue
        for known in list(self._seen.values()):
            try:
                for child in known.children(recursive=True):
                    self._seen.setdefault(child.pid, child)
            except psutil.Error:
                continue
        return [process for process in self._seen.values() if alive(process)]

    def _signal(self, number: signal.Signals) -> None:
        for process in self.processes():
            try:
                process.send_signal(number)
            except psutil.Error:
                continue

    def _gone(self, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while self.processes():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True

    def _wait_ready(self, deadline: float) -> None:
        # SGLang's /health would generate a token each time it is asked. vLLM answers nothing before it is ready.
        warm = "" if self.mode in VLLM else _WARM
        while not (_lists_models(self.base_url, self.extra) and warm in self._log()):
            if self._process is not None and self._process.poll() is not None:
                raise ServerError(f"{self.mode} ended with {self._process.returncode}:\n{self._tail()}")
            if time.monotonic() > deadline:
                raise ServerError(f"{self.mode} not ready in {self.ready_timeout_s:g} s:\n{self._tail()}")
            time.sleep(0.25)

    def _log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def _tail(self, lines: int = 20) -> str:
        return "\n".join([*self._log().splitlines()[-lines:], f"(log: {self.log_path})"])


def _check(mode: str) -> None:
    base, _, setting = mode.partition(":")
    if base not in MODES or (setting and (base != "diffusion" or setting not in settings())):
        known = ", ".join([*MODES, *(f"diffusion:{name}" for name in settings())])
        raise ValueError(f"unknown mode {mode!r}: one of {known}")


def alive(process: psutil.Process) -> bool:
    """Whether it runs. A zombie does not: some containers have no init that clears those away."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _lists_models(base_url: str, flags: Sequence[str]) -> bool:
    request = urllib.request.Request(f"{base_url}/v1/models")
    if "--api-key" in flags:
        request.add_header("Authorization", f"Bearer {flags[flags.index('--api-key') + 1]}")
    try:
        with urllib.request.urlopen(request, timeout=5) as reply:
            return bool(json.load(reply)["data"])
    except (OSError, ValueError, KeyError):  # not up yet
        return False
