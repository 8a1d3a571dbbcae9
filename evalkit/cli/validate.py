"""`evalkit validate`: is the checklist readable, and can its samples decide?"""

from __future__ import annotations

import sys
import textwrap
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evalkit.cli import completion

if TYPE_CHECKING:
    from evalkit.run.setup import Setup


def validate_command(
    checklist: Annotated[
        str | None,
        typer.Argument(
            help="A checklist file, or the name of a shipped one; else ./checklist.yaml.",
            autocompletion=completion.checklists,
        ),
    ] = None,
    mode: Annotated[
        list[str] | None,
        typer.Option("--mode", help="NAME=URL of a mode, as evalkit run takes it (repeat).", envvar="EVALKIT_MODES"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document, also when it is invalid.")] = False,
) -> None:
    """Check a checklist, its files, and whether its sample sizes can decide the margins. No network.

    Says what effect can be detected, and what the run costs in requests, tokens and minutes.
    Exit codes: 0 valid and able to decide, 2 invalid, 3 valid but some margin cannot be decided.
    """
    import json

    from evalkit.errors import InputFileError, UsageError
    from evalkit.run.sizing import sizing
    from evalkit.text import json_page, sanitize

    try:
        path, setup = _loaded(checklist, mode or [])
    except UsageError as error:
        if not as_json:
            raise
        every = error.every if isinstance(error, InputFileError) else [error]
        told = [{"error": sanitize(str(one)), "hint": sanitize(one.hint) if one.hint else None} for one in every]
        said = {**told[0], "errors": told}
        sys.stdout.write(json.dumps({"checklist": checklist or "", "valid": False, **said}, indent=2) + "\n")
        raise typer.Exit(error.exit_code) from None
    document = {"checklist": str(path), "valid": True, **sizing(setup, datetime.now(UTC).date())}
    document["notes"] += _unset(setup)
    sys.stdout.write(json_page(document) if as_json else _text(document))
    raise typer.Exit(0 if document["able_to_decide"] else 3)


def _unset(setup: Setup) -> list[str]:
    """Variables for keys that the checklist names and that are not set here."""
    import os

    return [f"the environment variable {name} is not set here" for name in setup.key_names if not os.environ.get(name)]


def _loaded(given: str | None, modes: list[str]) -> tuple[Path, Setup]:
    from evalkit.checklist.files import resolve
    from evalkit.checklist.loader import DEFAULT, discovered, find_checklist, load_checklist
    from evalkit.errors import InputFileError
    from evalkit.run.setup import merged, prepare
    from evalkit.run.start import note, overlaid

    if given is None:
        given = discovered()
        note(f"no checklist was given: taking {given or f'the shipped {DEFAULT}'}")
    path = find_checklist(given)
    loaded = load_checklist(path)
    loaded = merged(loaded, {"modes": overlaid(loaded.checklist, modes)} if modes else {})
    candidate = loaded.checklist.candidate
    named = [candidate.model, *candidate.variants] if candidate else []
    for model in named:
        local = model.startswith((".", "/", "~")) or model.endswith(".json")
        if local and not resolve(loaded.folder, model).exists():
            line = loaded.line("candidate.model")
            raise InputFileError(
                f"{model}: no such folder or snapshot", where=f"{path}:{line}" if line else str(path),
                hint="a Hub id reads owner/name; evalkit snapshot MODEL -o FILE makes a snapshot",
            )  # fmt: skip
    if loaded.checklist.sweep is None:
        return path, prepare(loaded)
    from evalkit.run.sweep.work import announced, planned

    found = planned(loaded, loaded.folder, {})
    note(announced(found)[0])
    return path, found.run


def _power(suites: list[dict[str, Any]]) -> list[str]:
    """The table of chances: how likely an equally good mode is shown to be no worse than the margin."""
    if not suites:
        return []
    from evalkit.text import cut

    shares = list(suites[0]["power"])
    head = "".join(f"{float(share):>8.0%}" for share in shares)
    lines = [
        "quality  chance to show the margin, by share of cases that differ without a loss:",
        f"{'suite':>33} cases least margin{head}",
    ]
    for suite in suites:
        chances = "".join(f"{suite['power'][share]:>8.0%}" for share in shares)
        name = suite["suite"] if len(suite["suite"]) <= 32 else f"{cut(suite['suite'], 31)}…"
        lines.append(f"{name:>33}{suite['clusters']:>6}{suite['least']:>6}{suite['margin']:>7.1%}{chances}")
    return lines


def _text(document: dict[str, Any]) -> str:
    cost = document["cost"]
    lines = [f"{document['checklist']}: valid", ""]
    if document["speedup"]:
        lines.append(f"speed    {document['speedup']['text']}")
    lines += [f"target   {target['text']}" for target in document["targets"]]
    lines += _power(document["suites"])
    usd = "" if cost["usd"] is None else f", {cost['usd']:g} USD"
    lines += [
        f"cost     at most {cost['timed_requests']:,} timed and {cost['task_requests']:,} task requests,",
        (
            f"         {cost['output_tokens']:,} output tokens, "
            f"{cost['minutes']:,} minutes at {cost['tokens_per_second']:g} tokens/s a stream{usd}"
        ),
    ]
    if cost["soak_minutes"]:
        lines.append(f"         of these {cost['soak_minutes']:g} minutes of the stability soak")
    for note in document["notes"]:
        lines += textwrap.wrap(note, 88, initial_indent="note     ", subsequent_indent=" " * 9, break_on_hyphens=False)
    lines.append("")
    for problem in document["problems"]:
        lines += textwrap.wrap(
            problem, 88, initial_indent="cannot decide: ", subsequent_indent=" " * 15, break_on_hyphens=False
        )
    lines.append("able to decide" if document["able_to_decide"] else "a run would not decide everything that is asked")
    return "\n".join(lines) + "\n"
