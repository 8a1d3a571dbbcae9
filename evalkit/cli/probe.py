"""`evalkit probe URL...`: what a server is, which mode it decodes in, and how we know."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

if TYPE_CHECKING:
    from evalkit.serving.facts import EndpointFacts


class Key(NamedTuple):
    """The variable that holds the key, and the header that carries it."""

    variable: str | None
    header: str | None


def probe_command(  # noqa: PLR0917  typer reads them by name
    urls: Annotated[list[str], typer.Argument(help="Addresses of OpenAI-style servers.", metavar="URL...")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list.")] = False,
    observe: Annotated[bool, typer.Option(help="Stream one prompt to see the mode.")] = True,
    capabilities: Annotated[bool, typer.Option(help="Ask a few short requests: tools, JSON schema, ...")] = False,
    model: Annotated[str | None, typer.Option(help="The served model to ask; default: the first.")] = None,
    api_key_env: Annotated[str | None, typer.Option(help="Variable that holds the key.", metavar="NAME")] = None,
    api_key_header: Annotated[
        str | None, typer.Option(help="Header that carries the key as it is, such as api-key.", metavar="NAME")
    ] = None,
) -> None:
    """Say what each server is, which mode it decodes in, and how we know. Exit 0: every mode known; 3: not."""
    from evalkit.client import run
    from evalkit.text import json_page

    found = run(_probe_all(urls, observe, capabilities, Key(api_key_env, api_key_header), model))
    if as_json:
        typer.echo(json_page([document(facts) for facts in found]), nl=False)
    else:
        typer.echo("\n\n".join(text(facts) for facts in found))
    if not all(known(facts) for facts in found):
        raise typer.Exit(3)


def known(facts: EndpointFacts) -> bool:
    """Whether the mode is known: declared or observed, and neither contradicts the other."""
    from evalkit.serving.observe import SHAPE_OF

    said, seen = facts.declared_mode, facts.observed_mode
    if said is None or seen is None or facts.block_loop:
        return bool(said or seen)
    return SHAPE_OF.get(said) == SHAPE_OF.get(seen)


async def _probe_all(
    urls: list[str], observe: bool, capabilities: bool, key: Key, model: str | None
) -> list[EndpointFacts]:
    from evalkit.checklist.schema import endpoint_at
    from evalkit.client import open_client
    from evalkit.serving.probe import probe

    endpoints = [endpoint_at(url, model=model, api_key_env=key.variable, api_key_header=key.header) for url in urls]
    async with aclosing(open_client(urls)) as client:
        return [
            await probe(e.endpoint or "", e, client=client, observe=observe, ask_capabilities=capabilities)
            for e in endpoints
        ]


def document(facts: EndpointFacts) -> dict[str, Any]:
    """One endpoint as `--json` prints it."""
    return {
        "endpoint": facts.endpoint,
        "engine": facts.engine,
        "engine_version": facts.engine_version,
        "model": facts.model,
        "declared_mode": facts.declared_mode,
        "observed_mode": facts.observed_mode,
        "known_by": facts.known_by,
        "block_size": facts.block_size,
        "context": facts.context.model_dump(),
        "capabilities": {
            c.name: {"value": c.value, "known_by": c.known_by, "detail": c.detail} for c in facts.capabilities
        },
        "warnings": [
            *([{"id": "serving.reachable", "summary": facts.error or "no answer"}] if not facts.reachable else []),
            *(w.model_dump() for w in facts.warnings),
        ],
    }


#: settings that a person looks for first
_SHOWN = {
    "dtype": "dtype",
    "quantization": "quantization",
    "KV cache": "kv_cache_dtype",
    "tensor parallel": "tp_size",
    "running requests": "max_running_requests",
    "page": "page_size",
    "no prefix cache": "disable_radix_cache",
    "tool parser": "tool_call_parser",
    "reasoning parser": "reasoning_parser",
    "attention": "attention_backend",
}


def text(facts: EndpointFacts) -> str:
    """One endpoint for people: eight lines at most, and its warnings."""
    if not facts.reachable:
        return f"{facts.endpoint}\n  unusable: {facts.error} ({facts.error_kind})"
    mode = facts.declared_mode or facts.observed_mode or "unknown"
    block = f", blocks of {facts.block_size}" if facts.block_size else ""
    engine = " ".join(filter(None, (facts.engine or "unknown engine", facts.engine_version)))
    lines = [
        facts.endpoint,
        f"  engine    {engine} ({facts.release})",
        f"  model     {facts.model or 'unknown'}  {' '.join(facts.architectures)}".rstrip(),
        f"  mode      {mode}{block} ({facts.known_by or 'not known'})",
        f"  declared  {facts.declared_mode or '-'}: {facts.declared_why}",
        f"  observed  {facts.observed_mode or '-'}: {facts.observed_why or 'not tried'}",
    ]
    told = {name: facts.settings[key] for name, key in _SHOWN.items() if facts.settings.get(key) is not None}
    if told:
        lines.append(f"  settings  {', '.join(f'{name} {value}' for name, value in told.items())}")
    if facts.place_why:
        lines.append(f"  place     {facts.place}: {facts.place_why}")
    if facts.context.max_model_len:
        lines.append(f"  context   {facts.context.max_model_len} tokens")
    return "\n".join([*lines, *(f"  warning   {w.id}: {w.summary}" for w in facts.warnings)])
