"""`evalkit doctor`: what this machine brings for a run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer


def doctor_command(
    folder: Annotated[
        Path, typer.Option("--output-dir", help="Where runs would be written.", envvar="EVALKIT_OUTPUT_DIR")
    ] = Path("evalkit-runs"),
    concurrency: Annotated[
        list[int] | None,
        typer.Option(min=1, max=1024, help="Streams at which the clock is checked (repeat); default: 1, 4, 16."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Look at this machine: versions, Hub access, GPU, limits, proxies, and evalkit's own timing error on loopback.

    Exit codes: 0 all there, 3 something is missing. Values of keys and tokens are never shown.
    """
    from evalkit.doctor import examine
    from evalkit.text import json_page

    document = examine(folder, concurrency or [1, 4, 16])
    sys.stdout.write(json_page(document) if as_json else _text(document))
    raise typer.Exit(3 if document["missing"] else 0)


def _text(document: dict[str, Any]) -> str:
    cpu, gpu, hub, net, folder = (document[name] for name in ("cpu", "gpu", "hub", "network", "folder"))
    gpus = ", ".join(f"{one['name']} ({(one['memory_total_bytes'] or 0) / 2**30:.0f} GiB)" for one in gpu["gpus"])
    token = "set" if hub["token"] else "not set (only gated models need one)"
    proxies = ", ".join(f"{scheme} {url}" for scheme, url in net["proxies"].items()) or "none"
    free = (folder["free_bytes"] or 0) / 2**30
    rows = [
        ("evalkit", f"{document['evalkit']}, Python {document['python']}, {document['platform']}"),
        ("packages", ", ".join(_package(name, version) for name, version in document["packages"].items())),
        ("hub", f"{hub['endpoint']}, {_reached(hub)}, token {token}"),
        ("gpu", (gpus or "none") + (f", driver {gpu['driver']}" if gpu["driver"] else "")),
        ("cpu", f"{cpu['name'] or 'unknown'}, {cpu['usable']} usable cores, load {_known(cpu['load_1m'])}"),
        ("folder", f"{folder['path']}: {'' if folder['writable'] else 'not '}writable, {free:.1f} GiB free"),
        ("limits", f"{_known(document['open_files'])} open files (ulimit -n)"),
        ("sandbox", _sandboxed(document["sandbox"])),
        ("proxies", f"{proxies}; an https endpoint is reached by {net['transport']['https']}"),
    ]  # fmt: skip
    lines = [_row(label, text) for label, text in rows]
    lines += ["timing    streams  TTFT error  E2E error  of E2E   lag p99  (own error)"]
    for row in document["timing"]:
        if "error" not in row:
            times = f"{row['streams']:>17}{row['ttft_error_ms']:>9.2f} ms{row['e2e_error_ms']:>8.2f} ms"
            lines.append(f"{times}{row['e2e_error_share']:>8.2%}{row['lag_p99_ms']:>7.1f} ms")
    for kind in ("missing", "advice"):
        for problem in document[kind]:
            lines += [_row(kind, problem["summary"]), _row("  hint", problem["hint"])]
    return "\n".join([*lines, f"{len(document['missing']) or 'nothing'} missing"]) + "\n"


def _package(name: str, version: str | None) -> str:
    from evalkit.doctor import OPTIONAL

    return f"{name} {version or ('not installed' if name in OPTIONAL else 'MISSING')}"


def _sandboxed(found: dict[str, Any]) -> str:
    if found["refused"]:
        return str(found["refused"])
    none = "none: code from replies (--allow-exec) is limited, but can read this user's files"
    return none if found["kind"] == "none" else f"{found['kind']}, for code from replies (--allow-exec)"


def _known(value: float | None) -> str:
    return "not known" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _reached(hub: dict[str, Any]) -> str:
    if hub["online"] is None:
        return f"offline ({hub['tried']})"
    return f"online ({hub['tried']})" if hub["online"] else f"not reached ({hub['tried']})"


def _row(label: str, text: str) -> str:
    """One line of at most 80 columns, or several, indented."""
    import textwrap

    from evalkit.text import one_line

    return textwrap.fill(one_line(text, limit=1000), 80, initial_indent=f"{label:<10}", subsequent_indent=" " * 10)
