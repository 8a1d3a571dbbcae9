"""Running code that a model wrote: only when the user allowed it, in a process with hard limits."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from typing import Annotated

from pydantic import Field

from evalkit.client.types import Exchange
from evalkit.quality.case import Case
from evalkit.quality.facts import Grade
from evalkit.quality.graders.base import Example, Grader, Params, Reply, grade, shown, text_of
from evalkit.quality.graders.structure import code_of

OFF = "not run: executing code needs --allow-exec"


class PythonTests(Params):
    """`tests` are statements, assertions as a rule, that run after the reply's code."""

    tests: Annotated[str, Field(min_length=1, max_length=20_000)]
    seconds: Annotated[float, Field(gt=0, le=60)] = 5.0
    memory_mib: Annotated[int, Field(ge=64, le=4096)] = 512


def python_tests(reply: Exchange, case: Case, params: PythonTests) -> Grade:
    """Without permission: information, neither right nor wrong."""
    del reply, case, params
    return grade("python_tests", None, OFF, counts=False)


def run_python_tests(reply: Exchange, case: Case, params: PythonTests) -> Grade:
    """Runs the reply's code and the tests in a fresh interpreter.

    Limits on CPU, memory, files, processes and time; an empty folder, an empty environment and no standard input. It is
    no sandbox against an attacker: run evalkit in a container when the model is not trusted.
    """
    del case
    code = code_of(text_of(reply), "auto")
    if not code or not code.strip():
        return grade("python_tests", False, "no code in the reply")
    with tempfile.TemporaryDirectory(prefix="evalkit-") as folder:
        path = os.path.join(folder, "reply.py")  # noqa: PTH118  a plain name in a fresh folder
        with open(path, "w", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            file.write(f"{code}\n\n{params.tests}\n")
        try:
            done = subprocess.run(  # noqa: S603  allowed by the user; limits are set
                [sys.executable, "-I", "-S", path],
                cwd=folder, env={}, stdin=subprocess.DEVNULL, capture_output=True, timeout=params.seconds,
                check=False, start_new_session=True, preexec_fn=lambda: _limit(params),
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return grade("python_tests", False, f"still running after {params.seconds:g} s")
        except OSError as error:
            return grade("python_tests", None, f"could not be started: {shown(error)}")
    if done.returncode == 0:
        return grade("python_tests", True)
    last = done.stderr[-2000:].decode("utf-8", "replace").strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
    return grade("python_tests", False, shown(last[0], 200))


def _limit(params: PythonTests) -> None:
    size = params.memory_mib << 20
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    cpu = int(params.seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


GRADERS = (
    Grader(
        name="python_tests",
        family="execution",
        short="tests",
        summary="The reply's Python passes these tests. Runs only with `--allow-exec`, in a process with hard limits.",
        params=PythonTests,
        grade=python_tests,
        example=Example(
            "python_tests: 'assert add(2, 3) == 5'",
            Reply("```python\ndef add(a, b):\n    return a + b\n```"),
            Reply("```python\ndef add(a, b):\n    return a - b\n```"),
        ),
        notes=("Without permission the grade is information, and the case is decided by its other graders.",),
    ),
)
