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
    set_: Annotated[list[str] | None, typer.Option("--set", help="FIELD=VALUE of the script (repeat).")] = None,
) -> None:
    """Run the embedded reference server: SGLang's protocol with scripted timing and faults."""
    import json

    from evalkit.errors import UsageError
    from evalkit.reference import preset, serve_forever

    changes = {}
    for text in set_ or []:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--set {text}: write FIELD=VALUE")
        try:
            changes[name] = json.loads(value)
        except ValueError:
            changes[name] = value
    try:
        script = preset(mode, **changes)
    except ValueError as error:
        raise UsageError(str(error).splitlines()[0]) from None
    serve_forever(script, host, port)
