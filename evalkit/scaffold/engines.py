"""Which engines an environment has: their versions from its metadata. No engine is imported."""

from __future__ import annotations

import json
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
#: versions, and where each was installed from, as JSON; the folder of the call is no place of modules
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
print(json.dumps(found))
"""


class Installed(NamedTuple):
    """An engine of an environment. `key`: as the records spell it; `python`: the interpreter that has it."""

    key: str
    version: str
    python: str


def find_engines(python: str | None = None) -> tuple[Installed, ...]:
    """Engines in this environment, or in that of the interpreter `python`.

    Raises:
        UsageError: `python` is no interpreter that answers.
    """
    packages = {engine.package: engine.name for engine in ENGINES.values() if engine.package}
    interpreter = shutil.which(python) if python else sys.executable
    if interpreter is None:
        raise UsageError(f"--python {one_line(python or '', limit=200)}: no such command", hint="give its full path")
    command = [interpreter, "-c", _ASK, *packages]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_ASK_S, check=True)  # noqa: S603  the person's own interpreter
        found = json.loads(done.stdout)
        return tuple(
            Installed(_key(packages[name], origin), one_line(version, limit=60), interpreter)
            for name, (version, origin) in found.items()
        )
    except (OSError, subprocess.SubprocessError, ValueError, TypeError, KeyError, AttributeError):
        if python is None:
            return ()
        hint = "give the python of the environment in which the engine is installed"
        raise UsageError(f"--python {one_line(python, limit=200)}: does not answer as Python", hint=hint) from None


def _key(engine: str, origin: str) -> str:
    """The records' fork where the package came from its repository."""
    from evalkit.data.records import engines

    forks = (row for row in engines().values() if row.engine == engine and row.key != engine and row.id)
    return next((row.key for row in forks if (row.id or "").casefold() in origin.casefold()), engine)


def in_environment(argv: tuple[str, ...], installed: Installed | None) -> tuple[str, ...]:
    """The start command with the interpreter that has the engine, or with the command beside that interpreter."""
    if installed is None:
        return argv
    if argv[0] in ("python", "python3"):
        return (installed.python, *argv[1:])
    beside = Path(installed.python).parent / argv[0]
    return (str(beside), *argv[1:]) if beside.is_file() else argv
