"""`evalkit gate`: decide a stored run again, for CI."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evalkit.cli import completion

if TYPE_CHECKING:
    from evalkit.checklist.schema import LoadedChecklist
    from evalkit.stored.attest import Signer
    from evalkit.stored.folder import Source
    from evalkit.stored.gate import GateResult
    from evalkit.stored.live import LiveServer


def gate_command(  # noqa: PLR0917  typer reads them by name
    run: Annotated[
        Path,
        typer.Argument(
            help="A run folder, a file made by evalkit pack, or the folder of a matrix.", autocompletion=completion.runs
        ),
    ],
    checklist: Annotated[Path | None, typer.Option(help="Decide by this checklist instead of the run's own.")] = None,
    max_age: Annotated[str, typer.Option("--max-age", help="Oldest run that counts: 12h, 30d, 4w.")] = "30d",
    revision: Annotated[str | None, typer.Option(help="The commit that the run must have evaluated.")] = None,
    live: Annotated[
        list[str] | None,
        typer.Option("--live", help="A server that must run what was evaluated (repeat).", metavar="[MODE=]URL"),
    ] = None,
    attestation: Annotated[
        Path | None,
        typer.Option(help="A statement of evalkit attest, bare or signed, that must be about this run and verdict."),
    ] = None,
    identity: Annotated[
        str | None,
        typer.Option(help="With --attestation: who must have signed it, as the Sigstore certificate says."),
    ] = None,
    issuer: Annotated[
        str, typer.Option(help="With --identity: the provider that vouched for it.", show_default="GitHub Actions")
    ] = "https://token.actions.githubusercontent.com",
    trust_root: Annotated[
        Path | None, typer.Option(help="With --identity: trusted_root.json of a Sigstore of your own.", metavar="FILE")
    ] = None,
    accept_changed_checklist: Annotated[
        bool, typer.Option("--accept-changed-checklist", help="Take a checklist that asks less than the run's.")
    ] = False,
    report_only: Annotated[bool, typer.Option("--report-only", help="Exit 0 whatever the outcome.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Say whether a stored verdict still holds.

    Exit 0: GO still holds. 1: NO-GO does. 3: cannot be trusted (simulated, old, changed, another commit, or a --live
    server that is not what was evaluated). --live sends each server one short prompt and takes under a minute.
    Of a matrix: 0 the GO of a cell still holds, 1 the NO-GO of every cell does, 3 else.
    """
    from evalkit.errors import UsageError
    from evalkit.matrix import is_matrix
    from evalkit.stored.attest import Signer
    from evalkit.stored.gate import gate, parse_age
    from evalkit.stored.open import open_for_gate
    from evalkit.stored.swept import as_decided

    age = parse_age(max_age)
    if is_matrix(run):
        of_one_run = (checklist, revision, live, attestation, identity, trust_root, accept_changed_checklist)
        if any(of_one_run):
            raise UsageError(
                "a matrix takes --max-age, --report-only and --json alone",
                hint=f"for the rest gate the run of one cell: evalkit gate {run}/cells/CELL/run",
            )
        from evalkit.matrix.gate import gate_matrix

        result = gate_matrix(run, datetime.now(UTC), max_age=age)
        _shown(result, [], report_only=report_only, json_output=json_output)
        raise typer.Exit(0 if report_only else result.exit_code)
    loaded = None
    if checklist is not None:
        from evalkit.checklist.loader import load_checklist

        loaded = load_checklist(checklist)
    source, now = open_for_gate(run), datetime.now(UTC)
    loaded = as_decided(loaded, source) if loaded else None
    result = gate(
        source, now, checklist=loaded, max_age=age, revision=revision,
        accept_changed_checklist=accept_changed_checklist,
    )  # fmt: skip
    if attestation is not None:
        signer = Signer(identity, issuer, trust_root) if identity is not None else None
        result = _attested(run, attestation, result, signer)
    elif identity is not None or trust_root is not None:
        raise UsageError("--identity verifies an attestation, and none is given", hint="add --attestation FILE")
    servers: list[LiveServer] = []
    if live:
        servers, result = _with_live(source, loaded, now, result, live)
    _shown(result, servers, report_only=report_only, json_output=json_output)
    raise typer.Exit(0 if report_only else result.exit_code)


def _shown(result: GateResult, servers: list[LiveServer], *, report_only: bool, json_output: bool) -> None:
    """Print the result, as JSON or for people."""
    import json

    from evalkit.text import one_line

    if json_output:
        sys.stdout.write(
            json.dumps(
                {**result._asdict(), "live": [s._asdict() for s in servers], "report_only": report_only}, indent=2
            )
            + "\n"
        )
    else:
        word = {0: "GO still holds", 1: "NO-GO still holds"}.get(result.exit_code, "cannot be trusted")
        lines = [f"gate: {word}", *result.reasons, *(f"note: {note}" for note in result.notes)]
        lines += [f"live: {s.endpoint} runs what was evaluated as {s.mode}" for s in servers if not s.differences]
        lines += ["--report-only: the exit code is always 0"] if report_only else []
        sys.stdout.write("\n".join(one_line(line, limit=1000) for line in lines) + "\n")


def _attested(run: Path, attestation: Path, result: GateResult, signer: Signer | None) -> GateResult:
    """The result, open where the attestation is of another run or verdict, or not by `signer` where one is asked."""
    from evalkit.errors import RunFolderError
    from evalkit.stored.again import document_of
    from evalkit.stored.attest import differences, evidence_of, read_statement, statement

    try:
        given = read_statement(attestation, signer)
    except RunFolderError as error:
        kept = result.reasons if result.exit_code == 3 else ()
        hint = (f"{error.hint}",) if error.hint else ()
        return result._replace(exit_code=3, reasons=(*kept, str(error), *hint))
    try:
        own = statement(document_of(run), evidence=evidence_of(run))
    except RunFolderError as error:
        return result._replace(exit_code=3, reasons=(*result.reasons, f"the run cannot be read: {error}"))
    found = differences(given, own)
    if found:
        kept = result.reasons if result.exit_code == 3 else ()
        return result._replace(exit_code=3, reasons=(*kept, *found))
    note = (
        f"the attestation is of this run, signed by {signer.identity}"
        if signer
        else ("the attestation is of this run; its signature was not checked: --identity or cosign does that")
    )
    return result._replace(notes=(*result.notes, note))


def _with_live(
    source: Source, loaded: LoadedChecklist | None, now: datetime, result: GateResult, live: list[str]
) -> tuple[list[LiveServer], GateResult]:
    """The live servers, and the result with what they cast doubt on."""
    from evalkit.client import run as run_async
    from evalkit.errors import RunFolderError
    from evalkit.stored.live import doubts, look, parse
    from evalkit.verdict.decide import decide

    wanted = parse(live)
    try:
        facts, checklist = source.facts(), (loaded or source.checklist()).checklist
    except RunFolderError:
        return [], result
    servers = run_async(look(checklist, facts.endpoints, wanted))
    found = doubts(servers, decide(checklist, facts, now, strict=facts.start.strict))
    if found:
        kept = result.reasons if result.exit_code == 3 else ()
        result = result._replace(exit_code=3, reasons=(*kept, *found))
    return servers, result
