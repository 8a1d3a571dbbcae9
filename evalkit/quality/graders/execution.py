"""Running code that a model wrote: when the user allowed it, apart from its tests, in a sandbox where one works."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from evalkit.client.types import Exchange
from evalkit.errors import UsageError
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


def python_tests(_reply: Exchange, _case: Case, _params: PythonTests) -> Grade:
    """Without permission: information, neither right nor wrong."""
    return grade("python_tests", None, OFF, counts=False)


def run_python_tests(reply: Exchange, _case: Case, params: PythonTests) -> Grade:
    """Runs the reply's code in one process and the tests in another; see `evalkit.quality.sandbox`.

    The tests' own values and comparisons are out of the code's reach, so code that leaves early, answers to every name
    or calls everything equal has not passed.
    """
    from evalkit.quality.sandbox.run import run_tests

    code = code_of(text_of(reply), "auto")
    if not code or not code.strip():
        return grade("python_tests", False, "no code in the reply")
    try:
        outcome = run_tests(code, params.tests, seconds=params.seconds, memory=params.memory_mib << 20)
    except (OSError, UsageError) as error:
        return grade("python_tests", None, f"could not be started: {shown(error, 160)}")
    passed = {"passed": True, "failed": False, "unscored": None}[outcome.ended]
    return grade("python_tests", passed, shown(outcome.why, 200), sandbox=outcome.sandbox)


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
