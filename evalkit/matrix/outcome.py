"""What became of a cell, read from its folder: a verdict, or how it failed. What is not a verdict is never a pass."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from pydantic import ValidationError

from evalkit.analysis.pairs import pass_shares
from evalkit.checklist.files import read_bytes
from evalkit.checklist.schema import Checklist
from evalkit.errors import EvalkitError
from evalkit.facts import Facts
from evalkit.files import write_atomic
from evalkit.findings import Frozen
from evalkit.gpu.declared import read_declared
from evalkit.matrix.plan import Cell, requests_hash
from evalkit.modes import base_mode
from evalkit.report.document.build import essence
from evalkit.secrets import redact
from evalkit.stored.folder import RunFolder, Source
from evalkit.stored.open import open_source
from evalkit.text import json_page, one_line
from evalkit.verdict.decide import decide

Status = Literal[
    "go", "no-go", "inconclusive", "not-run", "not-measured", "interrupted", "lost", "timed-out", "out-of-memory",
    "wrong-gpu", "failed", "other-plan",
]  # fmt: skip
#: a cell with a verdict is not run again
DECIDED = ("go", "no-go", "inconclusive")
ENDED = "ended.json"
LOG = "log.txt"
_EXITS = (0, 1, 3)
#: what CUDA, PyTorch and the engines write when memory ends
_MEMORY = ("out of memory", "outofmemory", "cublas_status_alloc_failed", "not enough memory", "oom-kill")
#: units of a vendor's claims that say how fast a mode is
SPEED_UNITS = ("times AR output speed", "output tokens per second")
_TAIL = 64 * 1024
_MOST_LOGS = 40


class Ended(Frozen):
    """How a cell's process ended, as the engine that ran it wrote it down."""

    plan_sha256: str
    exit_code: int | None = None
    #: why it was ended from outside, or never begun
    reason: Literal["timed-out", "wrong-gpu", "interrupted", "lost", "out-of-memory", "not-run", "failed"] | None = None
    detail: str = ""


class Claim(Frozen):
    """A vendor's figure of speed, with its source. `measured`: the run's figure in that unit, and what differs."""

    claim: str
    value: float
    unit: str
    mode: str
    conditions: str | None = None
    source: str
    date: str | None = None
    measured: float | None = None
    differs: tuple[str, ...] = ()


class Outcome(Frozen):
    """`status` with its reason; the figures that the run's report has of it."""

    status: Status
    detail: str = ""
    mode: str | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    #: of the recommended or best mode at the deciding load, ms
    e2e_p50_ms: float | None = None
    tokens_per_second: float | None = None
    #: of the cases of the tasks, passed in that mode
    pass_share: float | None = None
    hours: float | None = None
    usd: float | None = None
    #: as the report has them
    usd_per_1000_requests: float | None = None
    usd_per_1000_right: float | None = None
    usd_right_low: float | None = None
    usd_right_high: float | None = None
    #: highest rate of requests at which the service level is kept, a second; None where none was sought
    capacity: float | None = None
    #: the devices that the run lists
    devices: str | None = None
    #: what the vendor reports of the speed of this mode, each with the run's figure of that kind; never evidence
    claims: tuple[Claim, ...] = ()


def write_ended(folder: Path, ended: Ended) -> None:
    """Write down how the cell's process ended."""
    write_atomic(folder / ENDED, ended.model_dump_json(indent=2) + "\n")


def begun(folder: Path) -> bool:
    """Whether there is a run to go on with."""
    return (folder / "run" / "plan.json").is_file()


def outcome(cell: Cell, folder: Path) -> Outcome:
    """What is known of the cell whose folder is `folder`."""
    ended = _ended(folder)
    if ended is None:
        return _by_hand(cell, folder) if begun(folder) else Outcome(status="not-run")
    if ended.plan_sha256 != cell.plan_sha256:
        return Outcome(status="other-plan", detail="it was run by another plan than this one")
    if ended.reason is not None:
        return Outcome(status=ended.reason, detail=ended.detail)
    if ended.exit_code not in _EXITS:
        return _died(ended, folder)
    try:
        return _decided(cell, folder)
    except EvalkitError as error:
        return Outcome(status="failed", detail=one_line(f"its run cannot be read: {error}"))


def _by_hand(cell: Cell, folder: Path) -> Outcome:
    """A run that no engine has an account of: its own journal says whether it ended."""
    try:
        found = _decided(cell, folder)
    except EvalkitError:
        found = Outcome(status="lost")
    return (
        Outcome(status="lost", detail="it began, and nothing says that it ended") if found.status == "lost" else found
    )


def _ended(folder: Path) -> Ended | None:
    try:
        return Ended.model_validate_json(read_bytes(folder / ENDED, max_bytes=1 << 20))
    except (EvalkitError, ValidationError):
        return None


def _died(ended: Ended, folder: Path) -> Outcome:
    """Without a verdict: by a signal, a mistake in its input, a fault."""
    code, said = ended.exit_code, last_line(folder / LOG)
    if code == 130:
        return Outcome(status="interrupted", detail="it was interrupted; --resume goes on where it ended")
    if out_of_memory(folder):
        return Outcome(status="out-of-memory", detail=said)
    if code is None or code < 0 or code > 128:
        signal = -code if code is not None and code < 0 else (code or 128) - 128
        return Outcome(
            status="lost", detail=f"its process was ended by signal {signal}" if signal else "its process is gone"
        )
    return Outcome(status="failed", detail=f"exit code {code}: {said}")


def _decided(cell: Cell, folder: Path) -> Outcome:
    """The verdict of the stored run, decided again from its journal: report.json alone could have been edited."""
    source = open_source(folder / "run")
    facts = source.facts()
    if facts.end is None:
        return Outcome(status="lost", detail="its journal has no end")
    checklist = source.checklist().checklist
    decision = decide(checklist, facts, facts.as_of, strict=facts.start.strict)
    document = essence(checklist, facts, decision)
    problem = _problem(cell, document, RunFolder(folder / "run").plan()) or _changed(source, facts)
    if problem is not None:
        return problem
    verdict = document["verdict"]
    best = _best(document)
    if verdict not in ("go", "no-go") and out_of_memory(folder):
        return Outcome(status="out-of-memory", detail=_first(document["reasons"]))
    if verdict not in ("go", "no-go") and best is None:
        return Outcome(status="not-measured", detail=_first(document["reasons"]))
    status: Status = verdict if verdict in ("go", "no-go") else "inconclusive"
    figures = _figures(cell, document, best, facts.end.seconds)
    more: dict[str, Any] = {**_cost(best), **_passed(checklist, facts, best["mode"])} if best else {}
    return Outcome(status=status, detail=_first(document["reasons"]), **figures, **more)


def _passed(checklist: Checklist, facts: Facts, mode: str) -> dict[str, float]:
    """Share of the cases that were scored in `mode` and passed."""
    shares = pass_shares(facts.answers, mode, checklist.baseline.quality)
    return {"pass_share": round(fmean(shares.values()), 6)} if shares else {}


def _changed(source: Source, facts: Facts) -> Outcome | None:
    """Why the evidence is not what the run wrote."""
    found = source.verify(facts)
    return Outcome(status="failed", detail=f"its evidence was changed: {one_line(found[0])}") if found else None


def _problem(cell: Cell, document: Any, plan: dict[str, Any]) -> Outcome | None:
    """Why the document is not this cell's result."""
    if document["checklist_sha256"] != cell.checklist_sha256:
        return Outcome(status="other-plan", detail="its run was made with another checklist than the cell's")
    if requests_hash(plan) != cell.requests_sha256:
        return Outcome(status="other-plan", detail="its run sent other requests than the cell's plan")
    if document["simulated"]:
        return Outcome(status="failed", detail="its run is simulated")
    if document.get("interrupted"):
        return Outcome(status="interrupted", detail="it was interrupted; --resume goes on where it ended")
    seen = [gpu["name"] for gpu in document["gpus"] or () if gpu.get("known_by") == "observed"]
    if (seen or cell.launches) and not right_gpu(cell.card, seen):
        return Outcome(
            status="wrong-gpu", detail=one_line(f"asked for {cell.card}, NVML lists {', '.join(seen) or 'none'}")
        )
    return None


def right_gpu(card: str, seen: list[str]) -> bool:
    """Whether one of the GPUs that NVML lists is the card that the cell is for."""
    said = read_declared(card)
    return said.cpu_only or any(said.matches(name) for name in seen)


def _first(reasons: list[str]) -> str:
    return one_line(reasons[0]) if reasons else ""


def _best(document: Any) -> Any:
    """The recommended mode, else the fastest with an interval; None where no mode has one."""
    timed = [one for one in document["modes"] if (one.get("speedup") or {}).get("low") is not None]
    chosen = [one for one in timed if one["mode"] == document["recommended_mode"]]
    return max(chosen or timed, key=lambda one: one["speedup"]["ratio"], default=None)


def _figures(cell: Cell, document: Any, best: Any, seconds: float | None) -> dict[str, Any]:
    hours = None if seconds is None else round(seconds / 3600, 4)
    paid = cell.usd_per_gpu_hour * max(cell.gpus, 1) if cell.usd_per_gpu_hour is not None else None
    hardware = ", ".join(dict.fromkeys(one["name"] for one in document["gpus"] or ()))
    found: dict[str, Any] = {
        "hours": hours, "usd": None if paid is None or hours is None else round(paid * hours, 2),
        "devices": hardware or None,
    }  # fmt: skip
    if best is None:
        return found
    speed = best["speedup"]
    at = document["decided_at_concurrency"]
    level = next((one for one in best["levels"] if one["concurrency"] == at), None)
    rate = level["output_tokens_per_second"].get("system") if level else None
    return found | {
        "mode": best["mode"], "ratio": speed["ratio"], "low": speed["low"], "high": speed["high"],
        "e2e_p50_ms": level["e2e_ms"].get("p50") if level else None, "tokens_per_second": rate,
        "capacity": (best.get("capacity") or {}).get("rate"), "claims": tuple(_claims(document, best["mode"])),
    }  # fmt: skip


def _cost(best: Any) -> dict[str, float | None]:
    """What 1,000 requests and 1,000 right answers cost in the best mode, as the report has it."""
    own = best.get("cost") or {}
    right = own.get("per_1000_right") or {}
    return {
        "usd_per_1000_requests": own.get("per_1000_requests"), "usd_per_1000_right": right.get("value"),
        "usd_right_low": right.get("low"), "usd_right_high": right.get("high"),
    }  # fmt: skip


def _claims(document: Any, mode: str) -> Iterator[Claim]:
    """The vendor's figures of the speed of `mode`."""
    for one in document["vendor_claims"]:
        if one.get("mode") == base_mode(mode) and one["unit"] in SPEED_UNITS:
            known = {key: value for key, value in one.items() if key in Claim.model_fields}
            yield Claim.model_validate({**known, "measured": (one["measured"] or {}).get("value")})


def out_of_memory(folder: Path) -> bool:
    """Whether a log of the cell or of its servers says that memory ended."""
    logs = sorted((folder / "run" / "logs").glob("*"))[:_MOST_LOGS]
    texts = (_tail(path).casefold() for path in (folder / LOG, *logs))
    return any(word in text for text in texts for word in _MEMORY)


def last_line(path: Path) -> str:
    """What the cell's process said last, without secrets."""
    lines = [line for line in redact(_tail(path)).splitlines() if line.strip()]
    error = next((line for line in reversed(lines) if line.startswith("error:")), None)
    return one_line(error or (lines[-1] if lines else "it said nothing"))


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(file.tell() - _TAIL, 0))
            return file.read(_TAIL).decode("utf-8", "replace")
    except OSError:
        return ""


def as_json(value: object) -> str:
    """A document as evalkit prints it."""
    return json_page(value)
