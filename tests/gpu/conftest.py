"""The NVML stub, compiled once, and a way to run code against it through the real binding."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
COLLECT = (
    "from evalkit.gpu.nvml import collect; print(collect(declared=None, endpoints={}, local=True).model_dump_json())"
)


@pytest.fixture(scope="session")
def stub_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("nvml")
    target = folder / "libnvidia-ml.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", target, HERE / "nvml_stub.c"], check=True)
    return folder


@pytest.fixture
def with_stub(stub_dir: Path) -> Callable[..., Any]:
    """Runs Python code in a process whose libnvidia-ml.so.1 is the stub; gives what it printed, as JSON."""

    def run(code: str = COLLECT, **environment: object) -> Any:
        names = {f"NVML_STUB_{name.upper()}": str(value) for name, value in environment.items()}
        env = {**os.environ, **names, "LD_LIBRARY_PATH": str(stub_dir)}
        done = subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run
