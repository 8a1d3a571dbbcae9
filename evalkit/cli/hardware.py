"""`evalkit hardware [MODEL...]`: GPUs here, and which models fit at which precision and context."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from evalkit.cli import completion

if TYPE_CHECKING:
    from evalkit.gpu.survey import Sized

_SHOWN = 16


def hardware_command(  # noqa: PLR0917  typer reads them by name
    models: Annotated[
        list[str] | None,
        typer.Argument(
            help="Hub ids or folders; default: the known variants.",
            autocompletion=completion.models,
            metavar="[MODEL]...",
        ),
    ] = None,
    gpu: Annotated[
        str | None, typer.Option(help="Judge against this card instead: H100-80GB, '2x L4', cpu.", metavar="CARD")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    context: Annotated[
        list[int] | None, typer.Option(min=1, max=100_000_000, help="One more context length in tokens (repeat).")
    ] = None,
    concurrent: Annotated[int, typer.Option(min=1, max=100_000, help="Sequences at a time.")] = 1,
    images: Annotated[
        int,
        typer.Option(
            min=0, max=1000, help="Images of the largest size per request, for vision models; added to the context."
        ),
    ] = 0,
    kv: Annotated[Literal["bf16", "fp8"], typer.Option(help="Type of the KV cache.")] = "bf16",
    overhead_gib: Annotated[
        float, typer.Option(min=0, max=1000, help="Assumed overhead: CUDA context, activations, graphs.")
    ] = 1.5,
    revision: Annotated[str, typer.Option(help="Revision of models that are read from the Hub.")] = "main",
) -> None:
    """Say what GPUs are here and which models fit. Exit 0; 3 when something is missing."""
    from evalkit.gpu.cards import counted, lookup
    from evalkit.gpu.fit import Load
    from evalkit.gpu.nvml import collect
    from evalkit.gpu.survey import CONTEXTS, hardware_remark, memory_to_judge, remarks, rows, with_images

    if gpu is not None and gpu.lower() != "cpu":
        lookup(counted(gpu)[1])
    from evalkit.text import json_page

    facts = collect(declared=None, endpoints={}, local=True)
    memory, gpus = memory_to_judge(facts, gpu)
    load = Load(context=0, concurrent=concurrent, kv=kv, overhead_gib=overhead_gib)
    sized = [(one, with_images(one, load, images)) for one in _models(models or [], revision)]
    document: dict[str, Any] = {
        "gpus": [one.model_dump(mode="json") for one in gpus],
        "fit": [row for one, each in sized for row in rows(one, memory, each, (*CONTEXTS, *(context or ())))],
        "findings": [
            hardware_remark(facts, gpu, memory),
            *(f for one, each in sized for f in remarks(one, memory, each)),
        ],
    }
    typer.echo(json_page(document).rstrip("\n") if as_json else text(document))
    if any(finding["status"] != "pass" for finding in document["findings"]):
        raise typer.Exit(3)


def _models(models: list[str], revision: str) -> list[Sized]:
    from evalkit.data import load_variants
    from evalkit.gpu.survey import from_candidate, from_variant, known_variant
    from evalkit.hub import collect

    if not models:
        return [from_variant(variant) for variant in load_variants() if variant.layers]
    made = []
    for model in models:
        variant = None if Path(model).exists() or revision != "main" else known_variant(model)
        seen = variant is not None and variant.layers is not None
        made.append(from_variant(variant) if variant and seen else from_candidate(collect(model, revision=revision)))
    return made


def text(document: dict[str, Any]) -> str:
    """The document for people: devices, one table a model, remarks, the formula."""
    from evalkit.gpu.fit import FORMULA

    lines = [_device(gpu) for gpu in document["gpus"][:_SHOWN]] or ["no GPU"]
    if len(document["gpus"]) > _SHOWN:
        lines.append(f"and {len(document['gpus']) - _SHOWN} more")
    model = None
    for row in document["fit"]:
        if row["model"] != model:
            model = row["model"]
            lines += ["", model, "  precision   context  concurrent  need GiB  fits  longest context"]
        fits = {True: "yes", False: "no", None: "?"}[row["fits"]]
        longest = "?" if row["max_context_tokens"] is None else f"{row['max_context_tokens']:,}"
        lines.append(
            f"  {row['precision']:<9}{row['context_tokens']:>10,}{row['concurrent']:>12}{row['need_gib']:>10.1f}"
            f"{fits:>6}{longest:>17}"
        )
    lines.append("")
    for finding in document["findings"]:
        lines.append(f"{finding['status']}: {finding['summary']}")
        if finding["remedy"]:
            lines.append(f"  hint: {finding['remedy']}")
    lines.append(f"formula: {FORMULA}")
    return "\n".join(lines)


def _device(gpu: dict[str, Any]) -> str:
    total, free = gpu["memory_total_bytes"], gpu["memory_free_bytes"]
    memory = f"{total / (1 << 30):.1f} GiB" if total else "memory not readable"
    rest = f", {free / (1 << 30):.1f} free" if free is not None else ""
    slice_of = f" (slice of GPU {gpu['mig_of']})" if gpu["mig_of"] is not None else ""
    return f"GPU {gpu['index']}: {gpu['name']}{slice_of}, {memory}{rest}"
