"""Whether a model's own code may run: a person says so of one commit, and of exactly the files that were read."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from evalkit.errors import EvalkitError, UsageError
from evalkit.files import write_atomic
from evalkit.text import one_line

_MOST_FILES, _MOST_BYTES = 500, 16 << 20
_SHOWN = 12
#: endings of what an import statement can load
_RUNS = (".py", ".pyc", ".so", ".pyd")


class Code(NamedTuple):
    """Every file of a model's folder that Python could run, and one hash of their names and contents."""

    files: tuple[str, ...]
    sha256: str


@dataclass(frozen=True)
class Consent:
    """What was said on the command line. `sha256`: the code that was read, by its hash."""

    model: str
    #: of a repository; None for a folder
    commit: str | None
    trust: bool = False
    sha256: str | None = None


def code_of(folder: Path) -> Code:
    """The code in `folder`, also in folders below it. Compiled files in `__pycache__` are never loaded.

    Raises:
        UsageError: no code, too much of it, a file that cannot be read, or a link to a folder.
    """
    total, names, size = hashlib.sha256(), [], 0
    try:
        for path in sorted(_runnable(folder), key=lambda one: one.relative_to(folder).as_posix()):
            name, data = path.relative_to(folder).as_posix(), path.read_bytes()
            size += len(data)
            names.append(name)
            if len(names) > _MOST_FILES or size > _MOST_BYTES:
                raise UsageError(f"more than {_MOST_FILES} Python files, or {_MOST_BYTES >> 20} MiB", where=str(folder))
            total.update(f"{name}\0{len(data)}\0".encode("utf-8", "surrogatepass") + data)
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=str(error.filename or folder)) from None
    if not names:
        hint = "evalkit serve runs the code of a model's repository; this model needs none: an engine serves it"
        raise UsageError("the model has no code of its own (no .py file)", where=str(folder), hint=hint)
    return Code(tuple(names), total.hexdigest())


def _runnable(folder: Path) -> Iterator[Path]:
    for where, folders, names in os.walk(folder):
        linked = next((name for name in folders if Path(where, name).is_symlink()), None)
        if linked is not None:
            raise UsageError(
                "is a link to a folder: code behind it would not be hashed", where=str(Path(where, linked))
            )
        folders[:] = [name for name in folders if name not in ("__pycache__", ".git")]
        yield from (Path(where, name) for name in names if name.endswith(_RUNS))


def only_its_own(folder: Path) -> None:
    """Refuses a configuration that takes classes from another repository: no commit of it was read.

    Raises:
        UsageError: with the file and the name that it gives.
    """
    for path in sorted(folder.glob("*.json")):
        try:
            read = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError):
            continue
        for name in _mapped(read.get("auto_map") if isinstance(read, dict) else None):
            if "--" in name:
                hint = "its commit is not pinned here: serve a folder that contains both code and weights"
                what = f"auto_map takes code from another repository: {one_line(name, limit=120)}"
                raise UsageError(what, where=str(path), hint=hint)


def _mapped(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _mapped(one)


def confirm(said: Consent, code: Code, ask: Callable[[str], bool] | None) -> None:
    """Goes on only with code that a person allowed; `ask` is None where nobody can be asked.

    Raises:
        UsageError: nobody allowed it, or it is not the code that was allowed.
    """
    where = f"{said.model} at {said.commit}" if said.commit else said.model
    pin = f"--code-sha256 {code.sha256}"
    if said.sha256 is not None and said.sha256 != code.sha256:
        what = f"its code is not the one that was named: sha256 {code.sha256}, asked for {said.sha256[:64]}"
        raise UsageError(what, where=where, hint=f"read it again; {pin} allows it as it is now")
    known = _recorded().get(_key(said), {})
    moved = bool(known) and code.sha256 not in known
    named = said.sha256 is not None and said.trust
    if (named or (said.trust and not moved)) and (said.commit or Path(said.model).is_dir()):
        _record(said, code)
        return
    listed = ", ".join(code.files[:_SHOWN]) + (", …" if len(code.files) > _SHOWN else "")
    about = f"{len(code.files)} Python files (sha256 {code.sha256}): {listed}"
    if moved:
        last = max(str(one.get("date", "")) for one in known.values())
        about += f"\nThis is not the code that was allowed before ({last})."
    if ask is not None:
        if not ask(f"{where} runs its own code with your rights: {about}\nRun it? [y/N] "):
            raise UsageError("its code was not allowed to run", where=where)
        _record(said, code)
        return
    commit = f"--revision {said.commit} " if said.commit else ""
    if moved:
        what, hint = f"its code changed since it was allowed ({last})", f"read it, then add {pin}"
    else:
        what = f"this runs the model's own code with your rights: {about}"
        hint = f"read it, then start again with {commit}--trust-remote-code"
    raise UsageError(what, where=where, hint=hint)


def _state() -> Path:
    base = os.environ.get("XDG_STATE_HOME", "").strip()
    return (Path(base) if base else Path.home() / ".local" / "state") / "evalkit" / "remote-code.json"


def _key(said: Consent) -> str:
    return said.model.casefold() if said.commit else str(Path(said.model).resolve())


def _recorded() -> dict[str, dict[str, dict[str, Any]]]:
    """Commit and date of all that was allowed on this machine, by model and by the hash of its code."""
    try:
        read = json.loads(_state().read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        hint = "mend or remove it: what was allowed is then asked again"
        raise UsageError(f"cannot be read ({type(error).__name__})", where=str(_state()), hint=hint) from None
    found = read.get("allowed") if isinstance(read, dict) else None
    if not isinstance(found, dict):
        return {}
    return {
        model: {code: one for code, one in codes.items() if isinstance(one, dict)}
        for model, codes in found.items()
        if isinstance(codes, dict)
    }


def _record(said: Consent, code: Code) -> None:
    """Remembers what was allowed. A home that cannot be written is no reason not to serve, but is said."""
    known = _recorded()
    mine = known.setdefault(_key(said), {})
    if code.sha256 in mine:
        return
    mine[code.sha256] = {"commit": said.commit, "date": datetime.now(UTC).date().isoformat()}
    try:
        _state().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomic(_state(), json.dumps({"allowed": known}, indent=1))
    except (OSError, EvalkitError) as error:
        said_why = error.strerror if isinstance(error, OSError) else error.message
        print(f"not remembered: {_state()}: {said_why}; --code-sha256 {code.sha256} pins it", file=sys.stderr)  # noqa: T201  a message
