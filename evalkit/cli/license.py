"""`evalkit license`: license facts of each variant against a use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from evalkit.cli import completion

if TYPE_CHECKING:
    from evalkit.checklist.schema import Reading, Use
    from evalkit.hub.facts import CandidateFacts


def license_command(  # noqa: PLR0917  typer reads them by name
    models: Annotated[
        list[str] | None,
        typer.Argument(
            help="Hub ids, folders or snapshots; default: those of --checklist.",
            autocompletion=completion.models,
            metavar="MODEL...",
        ),
    ] = None,
    revision: Annotated[str, typer.Option(help="Branch, tag or commit.")] = "main",
    commercial: Annotated[bool | None, typer.Option(help="Is the use commercial? Default: yes.")] = None,
    modify: Annotated[bool | None, typer.Option(help="Will the weights be changed? Default: no.")] = None,
    redistribute: Annotated[bool | None, typer.Option(help="Will the weights be passed on? Default: no.")] = None,
    purpose: Annotated[
        Literal["research", "evaluation", "internal", "product"] | None,
        typer.Option(help="What it is for. Default: product."),
    ] = None,
    revenue_usd: Annotated[float | None, typer.Option(min=0, help="Annual revenue, for licenses with a limit.")] = None,
    monthly_users: Annotated[int | None, typer.Option(min=0, help="Monthly users, for licenses with a limit.")] = None,
    checklist: Annotated[
        str | None,
        typer.Option(help="Take use, readings, text and models from this checklist; options come before it."),
    ] = None,
    license_text: Annotated[
        Path | None,
        typer.Option("--license-text", help="A license text that you have; it is hashed and read for the first MODEL."),
    ] = None,
    fetch_license: Annotated[
        bool,
        typer.Option(
            "--fetch-license", help="Fetch the card's license_link (https, public addresses only) and hash its text."
        ),
    ] = False,
    evidence: Annotated[
        Path | None, typer.Option(help="Keep every text that was read in this folder.", metavar="DIR")
    ] = None,
    output_format: Annotated[
        Literal["text", "json", "markdown"], typer.Option("--format", help="markdown: a page for the legal department.")
    ] = "text",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list; the same as --format json.")] = False,
) -> None:
    """Say what the license of each model allows for a use, with sources, hashes and duties.

    Exit codes: 0 all pass, 1 any fails, 3 otherwise.
    """
    from datetime import UTC, datetime

    from evalkit import hub
    from evalkit.errors import UsageError
    from evalkit.items.license.record import fitting, record

    given = {"commercial": commercial, "modify": modify, "redistribute": redistribute, "purpose": purpose,
             "revenue_usd": revenue_usd, "monthly_users": monthly_users}  # fmt: skip
    use, readings, named, text = _asked(checklist, {k: v for k, v in given.items() if v is not None})
    names = models or named
    if not names:
        raise UsageError("no model is named", hint="name a Hub id, a folder or a snapshot, or give --checklist")
    candidates = [
        hub.collect(
            name, revision=revision, evidence_dir=evidence, fetch_license=fetch_license,
            license_text=(license_text or (None if models else text)) if name == names[0] else None,
        )
        for name in names
    ]  # fmt: skip
    records = [record(use, one, fitting(readings, one, candidates)) for one in candidates]
    kind = "json" if as_json else output_format
    typer.echo(_shown(kind, records, use, candidates, readings, datetime.now(UTC)), nl=kind != "markdown")
    statuses = {one["status"] for one in records}
    raise typer.Exit(1 if "fail" in statuses else 0 if statuses <= {"pass", "warn"} else 3)


def _asked(checklist: str | None, given: dict[str, Any]) -> tuple[Use, list[Reading], list[str], Path | None]:
    """Use, readings, models and license text: of the checklist, where one is named, with the options on top."""
    from evalkit.checklist.schema import Use

    if checklist is None:
        return Use(**given), [], [], None
    from evalkit.checklist.files import resolve
    from evalkit.checklist.loader import find_checklist, load_checklist

    loaded = load_checklist(find_checklist(checklist))
    item, chosen = loaded.checklist.items.license, loaded.checklist.candidate
    names = [chosen.model, *chosen.variants] if chosen else []
    located = [str(loaded.folder / name) if (loaded.folder / name).exists() else name for name in names]
    use = loaded.checklist.use.model_copy(update=given)
    return use, list(item.readings), located, resolve(loaded.folder, item.text) if item.text else None


def _shown(  # noqa: PLR0917  what the formats need
    kind: str,
    records: list[dict[str, Any]],
    use: Use,
    candidates: list[CandidateFacts],
    readings: list[Reading],
    now: Any,
) -> str:
    from evalkit.text import json_page

    if kind == "json":
        return json_page(records).rstrip("\n")
    from evalkit.cli.license_packet import NOT_ADVICE, asked, packet
    from evalkit.data import table_ages

    if kind == "markdown":
        return packet(use, candidates, readings, now)
    head = [f"asked: {asked(use)}", f"tables: {table_ages(now.date())}"]
    return "\n\n".join(["\n".join(head), *(_text(one) for one in records), NOT_ADVICE])


def _text(one: dict[str, Any]) -> str:
    at = (
        f" (shipped record of {one['record']}, not this commit)"
        if "record" in one
        else f"@{one['revision'] or 'unknown'}"
    )
    lines = [f"{one['model']}{at}: {one['status']}"]
    lines += [f"  {reason}" for reason in one["reasons"]]
    lines += [f"  duty: {duty}" for duty in one["obligations"]]
    hashed = [e for e in one["evidence"] if "sha256" in e]
    lines += [f"  text: {e['name']} ({e['origin']}), sha256 {e['sha256']}" for e in hashed]
    return "\n".join(lines)
