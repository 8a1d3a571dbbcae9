"""Running code that a model wrote: only when the user allowed it, in a process with hard limits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
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


#: the child limits itself, then becomes the interpreter that runs the file: limits outlive the exec
_START = """
import os, resource, sys
memory, seconds, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
for what, limit in (
    (resource.RLIMIT_AS, memory), (resource.RLIMIT_CPU, seconds), (resource.RLIMIT_FSIZE, 1 << 20),
    (resource.RLIMIT_NOFILE, 32), (resource.RLIMIT_NPROC, 0), (resource.RLIMIT_CORE, 0),
):
    resource.setrlimit(what, (limit, limit))
os.execv(sys.executable, [sys.executable, "-I", "-S", path])
"""


def run_python_tests(reply: Exchange, case: Case, params: PythonTests) -> Grade:
    """Runs the reply's code and the tests in a fresh interpreter.

    Limits on CPU, memory, files, processes and time; an empty folder, an empty environment and no standard input. It is
    no sandbox against an attacker: run evalkit in a container when the model is not trusted. Code that leaves before
    the tests are through has not passed them.
    """
    del case
    code = code_of(text_of(reply), "auto")
    if not code or not code.strip():
        return grade("python_tests", False, "no code in the reply")
    with tempfile.TemporaryDirectory(prefix="evalkit-") as name:
        folder = Path(name)
        script = f"{code}\n\n{params.tests}\n\nopen({str(folder / 'through')!r}, 'w').close()\n"
        (folder / "reply.py").write_text(script, encoding="utf-8", errors="replace")
        try:
            status = _run(folder, params)
        except subprocess.TimeoutExpired:
            return grade("python_tests", False, f"still running after {params.seconds:g} s")
        except OSError as error:
            return grade("python_tests", None, f"could not be started: {shown(error)}")
        if status == 0 and (folder / "through").exists():
            return grade("python_tests", True)
        said = (folder / "stderr").read_bytes()[-2000:].decode("utf-8", "replace").strip().splitlines()
    fallback = "the code ended before the tests were through" if status == 0 else f"exit code {status}"
    return grade("python_tests", False, shown(said[-1] if said else fallback, 200))


def _run(folder: Path, params: PythonTests) -> int:
    """Exit status. What the process leaves behind in its group is ended too; its output cannot fill memory or disk."""
    limits = [str(params.memory_mib << 20), str(int(params.seconds) + 1)]
    argv = [sys.executable, "-I", "-S", "-c", _START, *limits, str(folder / "reply.py")]
    with (folder / "stderr").open("wb") as stderr:
        process = subprocess.Popen(  # noqa: S603  allowed by the user; the child limits itself
            argv, cwd=folder, env={}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr,
            start_new_session=True,
        )  # fmt: skip
        try:
            return process.wait(timeout=params.seconds)
        finally:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


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
