"""Cells as Slurm array jobs: a script a kind of machine, which a person can read, edit and submit."""

from __future__ import annotations

import json
import math
import shlex
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import evalkit
from evalkit import fmt
from evalkit.errors import UsageError
from evalkit.files import write_atomic
from evalkit.matrix.engines.base import Handle, State
from evalkit.matrix.node import late_detail
from evalkit.matrix.outcome import ENDED, LOG, Outcome, last_line, outcome
from evalkit.matrix.plan import Cell
from evalkit.text import one_line

#: seconds for a command of Slurm to answer
_ASK_S = 60.0
#: seconds before the end of its time at which Slurm asks a cell to end, so that its report is written
_WARN_S = 120
#: seconds by which Slurm may ask for it earlier
_EARLY_S = 60
JOBS = "slurm.json"

_SCRIPT = """#!/usr/bin/env bash
# {count} of the matrix {name}, on {hardware} ({card}). Written by evalkit {version}; submit it with: sbatch {file}
# One task of the array is one cell, with its node to itself. Keys reach evalkit by the environment alone.
#SBATCH --job-name=evalkit-{hardware}
#SBATCH --array=0-{last}
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --exclusive
#SBATCH --no-requeue
#SBATCH --time={minutes}
#SBATCH --signal=B:TERM@{warn}
#SBATCH --output={logs}/slurm-%A-%a.txt
{options}set -u

cells=(
{cells}
)
plans=(
{plans}
)
folder=${{cells[$SLURM_ARRAY_TASK_ID]}}
plan=${{plans[$SLURM_ARRAY_TASK_ID]}}

# The cell's own account of how it ended: without it a cell that has no end in its journal is lost.
ended() {{
  local why=
  if [ -n "$asked" ] && [ "$SECONDS" -ge {late} ]; then
    why=', "reason": "timed-out", "detail": "{late_detail}"'
  fi
  printf '{{"plan_sha256": "%s", "exit_code": %s%s}}\\n' "$plan" "$1" "$why" > "$folder/.{ended}.tmp"
  mv "$folder/.{ended}.tmp" "$folder/{ended}"
  exit "$1"
}}

asked= # to end
rm -f "$folder/{ended}"
if [ "$(evalkit --version)" != "evalkit {version}" ]; then
  echo "error: this node has not evalkit {version}, which planned the cell" | tee -a "$folder/{log}" >&2
  ended 2
fi

# A run that was begun goes on where its journal ends.
where=--output-dir
if [ -f "$folder/run/plan.json" ]; then where=--resume; fi

evalkit run "$folder/checklist.yaml" "$where" "$folder/run" --yes >> "$folder/{log}" 2>&1 &
child=$!
trap 'asked=1; kill -TERM "$child" 2> /dev/null' TERM INT
wait "$child"
code=$?
while kill -0 "$child" 2> /dev/null; do
  wait "$child"
  code=$?
done
ended "$code"
"""


class Slurm:
    """A cluster with a file system that its nodes share with this machine."""

    name = "slurm"
    together: int | None = None
    detached = True

    def __init__(self, out: Path, name: str, say: Callable[[str], None], *, submits: bool) -> None:
        self._out, self._title, self._say, self._submits = out.resolve(), name, say, submits

    def submit(self, cells: Sequence[Cell]) -> list[Handle]:
        """Write a script a kind of machine; hand it in where that was asked for. Cells that Slurm has are left to it.

        Raises:
            UsageError: sbatch is missing or refuses.
        """
        taken = {cell.id for cell in self.waiting(cells)}
        if taken:
            self._say(f"{fmt.plural(len(taken), 'cell')} of the matrix already handed in to Slurm")
        cells = [cell for cell in cells if cell.id not in taken]
        handles = []
        for hardware in dict.fromkeys(cell.hardware for cell in cells):
            mine = [cell for cell in cells if cell.hardware == hardware]
            path = self._out / f"submit-{hardware}.sbatch"
            write_atomic(path, script(self._out, self._title, mine, path))
            job = self._handed_in(path) if self._submits else None
            self._say(f"{path}: {fmt.plural(len(mine), 'cell')}" + (f", job {job}" if job else ""))
            refs = [f"{job}_{number}" if job else None for number in range(len(mine))]
            handles += [Handle(cell, self._out / "cells" / cell.id, ref) for cell, ref in zip(mine, refs, strict=True)]
        if self._submits:
            known = self._jobs() | {handle.cell.id: handle.ref for handle in handles}
            write_atomic(self._out / JOBS, json.dumps(known, indent=2) + "\n")
        return handles

    def _handed_in(self, path: Path) -> str:
        said = _asked("sbatch", "--parsable", str(path))
        return said.strip().partition(";")[0]

    def _jobs(self) -> dict[str, str]:
        try:
            read = json.loads((self._out / JOBS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return {str(k): str(v) for k, v in read.items()} if isinstance(read, dict) else {}

    def waiting(self, cells: Sequence[Cell]) -> list[Cell]:
        """Cells that were handed in before and are still with Slurm: they are not handed in twice."""
        jobs = self._jobs()
        handles = (Handle(cell, self._out / "cells" / cell.id, jobs.get(cell.id)) for cell in cells)
        return [handle.cell for handle in handles if handle.ref and self.poll(handle) != "ended"]

    def poll(self, handle: Handle) -> State:
        """By squeue: what it does not list has ended."""
        if not handle.ref:
            return "ended"
        try:
            said = _asked("squeue", "--noheader", "--format=%T", f"--jobs={handle.ref}").split()
        except UsageError as error:
            if "Invalid job id" in str(error):
                return "ended"
            raise
        return "ended" if not said else "waiting" if said[0] in ("PENDING", "CONFIGURING") else "running"

    def logs(self, handle: Handle) -> str:
        return last_line(handle.folder / LOG)

    def fetch(self, handle: Handle) -> Outcome:
        return outcome(handle.cell, handle.folder)

    def cancel(self, handle: Handle, reason: Literal["interrupted", "timed-out"]) -> None:
        """Ask Slurm to end the cell, which writes down how it ended itself."""
        del reason
        if handle.ref:
            _asked("scancel", "--batch", "--signal=TERM", handle.ref)


def script(out: Path, name: str, cells: Sequence[Cell], path: Path) -> str:
    """The array script of cells on one kind of machine."""
    first = cells[0]
    gres = (
        [f"--gres=gpu:{first.gpus}"]
        if first.gpus and not any("gres" in one or "gpus" in one for one in first.sbatch)
        else []
    )
    options = "".join(f"#SBATCH {one}\n" for one in (*gres, *first.sbatch))
    longest = max(cells, key=lambda cell: cell.most_minutes)
    most = math.ceil(longest.most_minutes)
    return _SCRIPT.format(
        count=fmt.plural(len(cells), "cell"), name=one_line(name, limit=100), hardware=first.hardware,
        card=one_line(first.card, limit=60), version=evalkit.__version__, file=shlex.quote(str(path)),
        last=len(cells) - 1,
        minutes=most + math.ceil(_WARN_S / 60), warn=_WARN_S, late=60 * most - _EARLY_S,
        late_detail=late_detail(longest), logs=str(out).replace("%", "%%"), options=options, ended=ENDED, log=LOG,
        cells="\n".join(f"  {shlex.quote(str(out / 'cells' / cell.id))}" for cell in cells),
        plans="\n".join(f"  {cell.plan_sha256}" for cell in cells),
    )  # fmt: skip


def _asked(*words: str) -> str:
    """What a command of Slurm prints.

    Raises:
        UsageError: it is missing, refuses, or does not answer.
    """
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=_ASK_S, check=False)  # noqa: S603  the user's own scheduler
    except FileNotFoundError:
        hint = "run it where Slurm's commands are installed, or submit the script there by hand"
        raise UsageError(f"{words[0]}: no such command", hint=hint) from None
    except subprocess.TimeoutExpired:
        raise UsageError(f"{words[0]} did not answer within {_ASK_S:g} s", hint="try it again with --resume") from None
    if done.returncode != 0:
        raise UsageError(
            f"{words[0]}: {one_line(done.stderr or 'refused')}", hint="the script is written and can be edited"
        )
    return done.stdout
