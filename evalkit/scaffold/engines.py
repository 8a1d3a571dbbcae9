"""Which engines an environment has: their versions from its metadata. No engine is imported."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from evalkit.errors import UsageError
from evalkit.serving.engines import ENGINES
from evalkit.text import one_line

#: seconds for an interpreter to read its metadata
_ASK_S = 30.0
#: versions, and where each was installed from, as JSON; the folder of the call is not a place of modules
_ASK = """
import sys
sys.path[:] = [place for place in sys.path if place]
import json
from importlib import metadata
found = {}
for name in sys.argv[1:]:
    try:
        one = metadata.distribution(name)
        found[name] = [one.version, one.read_text("direct_url.json") or ""]
    except metadata.PackageNotFoundError:
        pass
try:
    torch = metadata.version("torch")
except metadata.PackageNotFoundError:
    torch = ""
print(json.dumps([found, torch]))
"""


class Installed(NamedTuple):
    """An engine of an environment. `key`: as the records spell it; `python`: the interpreter that has it."""

    key: str
    version: str
    python: str
    #: its PyTorch is a build for the CPU alone
    cpu: bool = False


def find_engines(python: str | None = None) -> tuple[Installed, ...]:
    """Engines in the environment of the interpreter `python`; without it in this one and in those that PATH leads to.

    Raises:
        UsageError: `python` is not an interpreter that answers.
    """
    if python is not None:
        interpreter = shutil.which(python)
        if interpreter is None:
            raise UsageError(f"--python {one_line(python, limit=200)}: no such command", hint="give its full path")
        found = _asked(interpreter)
        if found is None:
            hint = "give the python of the environment in which the engine is installed"
            raise UsageError(f"--python {one_line(python, limit=200)}: does not answer as Python", hint=hint)
        return tuple(found)
    every = (one for interpreter in _interpreters() for one in _asked(interpreter) or ())
    return tuple({one.key: one for one in reversed(list(every))}.values())[::-1]


def _interpreters() -> list[str]:
    """This one, that of the active environment, and those next to the engines' commands, each once."""
    active = [os.environ.get(name) for name in ("VIRTUAL_ENV", "CONDA_PREFIX")]
    commands = [shutil.which(engine.package) for engine in ENGINES.values() if engine.package]
    beside = [Path(one) / "bin" / "python" for one in active if one]
    beside += [Path(one).parent / "python" for one in commands if one]
    places = [sys.executable, *(str(path) for path in beside), *filter(None, (shutil.which("python3"),))]
    runs = [place for place in places if os.access(place, os.X_OK)]
    return list(dict.fromkeys(os.path.abspath(place) for place in runs))  # noqa: PTH100  a link is another environment


def _asked(interpreter: str) -> list[Installed] | None:
    """What the environment has; None: no Python."""
    packages = {engine.package: engine.name for engine in ENGINES.values() if engine.package}
    command = [interpreter, "-c", _ASK, *packages]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_ASK_S, check=True)  # noqa: S603  the person's own interpreter
        found, torch = json.loads(done.stdout)
        return [
            Installed(_key(packages[name], origin), one_line(version, limit=60), interpreter, torch.endswith("+cpu"))
            for name, (version, origin) in found.items()
        ]
    except (OSError, subprocess.SubprocessError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _key(engine: str, origin: str) -> str:
    """The records' fork where the package came from its repository."""
    from evalkit.data.records import engines

    forks = (row for row in engines().values() if row.engine == engine and row.key != engine and row.id)
    return next((row.key for row in forks if (row.id or "").casefold() in origin.casefold()), engine)


def in_environment(argv: tuple[str, ...], installed: Installed | None) -> tuple[str, ...]:
    """The start command with the interpreter that has the engine, or with the command next to that interpreter."""
    if installed is None:
        return argv
    if argv[0] in ("python", "python3"):
        return (installed.python, *argv[1:])
    beside = Path(installed.python).parent / argv[0]
    return (str(beside), *argv[1:]) if beside.is_file() else argv
