"""`evalkit reference-server`: run the embedded server by itself."""

from __future__ import annotations

from typing import Annotated

import typer


def reference_server_command(
    mode: Annotated[str, typer.Option(help="autoregressive, diffusion, self-speculation or speculative.")] = (
        "autoregressive"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 picks a free port.")] = 30000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="FIELD=VALUE of the script (repeat); a wrong one lists all.")
    ] = None,
) -> None:
    """Run the embedded reference server: SGLang's protocol with scripted timing and faults."""
    import sys

    from evalkit.reference import ordered, serve_forever

    script = ordered(mode, set_ or [])

    def up(address: str) -> None:
        print(f"reference-server: {script.mode.value} at {address} (Ctrl-C ends it)", file=sys.stderr, flush=True)  # noqa: T201  a message

    serve_forever(script, host, port, on_ready=up)
