"""`evalkit serve`: a model's own remote code behind an OpenAI-style server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from evalkit.serve.trust import Consent


def serve_command(  # noqa: PLR0917  typer makes options of parameters
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A Hub id, or a folder with weights and code.")],
    mode: Annotated[str, typer.Option("--mode", help="autoregressive, diffusion or self-speculation.")],
    trust: Annotated[
        bool, typer.Option("--trust-remote-code", help="Run the model's own code at --revision with your rights.")
    ] = False,
    revision: Annotated[
        str, typer.Option("--revision", help="Commit (40 hex digits) whose code you read; a folder needs none.")
    ] = "main",
    code_sha256: Annotated[
        str | None, typer.Option("--code-sha256", help="Hash of the code that you read; other code is refused.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 picks a free port.")] = 30000,
    name: Annotated[str | None, typer.Option("--served-name", help="Default: the last part of MODEL.")] = None,
    context: Annotated[
        int | None, typer.Option(min=1, help="Tokens of prompt and reply; default: the model's window.")
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", min=1, help="Most tokens of a reply; default: the context.")
    ] = None,
    waiting: Annotated[
        int, typer.Option("--queue", min=0, max=1000, help="Requests that may wait; more are refused (503).")
    ] = 8,
    seconds: Annotated[float, typer.Option("--timeout", min=1, help="Seconds that a reply may take.")] = 600.0,
    block_length: Annotated[
        int, typer.Option("--block-length", min=1, max=4096, help="Tokens that are decoded at a time.")
    ] = 32,
    threshold: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Confidence; default: 0.9 for diffusion, 0 for self-speculation."),
    ] = None,
    lora: Annotated[
        str | None, typer.Option(help="The drafter's adapter for self-speculation: a folder, or one of the model's.")
    ] = None,
    dtype: Annotated[str, typer.Option(help="bfloat16, float16 or float32; auto: by the device.")] = "auto",
    device: Annotated[str, typer.Option(help="cuda, cuda:1, cpu; auto: a GPU where there is one.")] = "auto",
    stats_file: Annotated[
        Path | None, typer.Option("--stats-file", help="Append forward passes and tokens of each reply (JSON lines).")
    ] = None,
    api_key_env: Annotated[
        str | None, typer.Option("--api-key-env", help="Variable with the key that clients must send.")
    ] = None,
    plain: Annotated[bool, typer.Option("--plain", hidden=True, help="Classes that need no library.")] = False,
) -> None:
    """Serve a model by its own remote code: a reference implementation, not a serving speed.

    Answers one request at a time, streams each block, and counts forward passes. Needs the extra `serve` (torch and
    transformers). The model's code runs with your rights: on a terminal evalkit shows the commit and asks; elsewhere
    --revision and --trust-remote-code are needed. Code that changed since it was allowed is refused.
    Exit codes: 0 ended by a signal, 2 not started.
    """
    from evalkit.errors import UsageError
    from evalkit.modes import ALIASES
    from evalkit.serve.model import Options
    from evalkit.serve.server import Start, serve
    from evalkit.serving.engines.own_code import CALLS

    mode = ALIASES.get(mode, mode)
    if mode not in CALLS:
        raise UsageError(f"--mode {mode[:40]}: no such mode", hint=f"one of {', '.join(CALLS)}")
    if lora and mode != "self-speculation":
        raise UsageError("--lora is the drafter's adapter", hint="--mode self-speculation")
    folder, said = _allowed(model, revision, trust=trust, sha256=code_sha256)
    serve(
        Start(
            options=Options(folder, mode, block_length, threshold, lora, dtype, device, plain), said=said,
            name=name or model.rstrip("/").rpartition("/")[2] or model, host=host, port=port, context=context,
            max_tokens=max_tokens, waiting=waiting, seconds=seconds, stats_file=stats_file, key=_key(api_key_env),
        )
    )  # fmt: skip


def _allowed(model: str, revision: str, *, trust: bool, sha256: str | None) -> tuple[Path, Consent]:
    """The folder of the model, once a person allowed its code to run."""
    import re
    import sys

    from evalkit.serve.trust import Consent, code_of, confirm, only_its_own

    ask = _ask if sys.stdin is not None and sys.stdin.isatty() else None
    beside = Path(model).expanduser()
    if beside.is_dir():
        said, folder = Consent(str(beside), None, trust=trust, sha256=sha256), beside
    else:
        from evalkit.hub.weights import commit_of, download

        given = re.fullmatch(r"[0-9a-f]{40}", revision) is not None
        commit = revision if given else commit_of(model, revision)
        # a branch moves: its commit counts as confirmed only by an answer to the question
        said = Consent(model, commit, trust=trust and given, sha256=sha256)
        folder = download(model, commit, small=True)
    only_its_own(folder)
    confirm(said, code_of(folder), ask)
    if said.commit:
        from evalkit.hub.weights import download

        folder = download(model, said.commit, small=False)
    return folder, said


def _ask(question: str) -> bool:
    import sys

    print(question, end="", file=sys.stderr, flush=True)  # noqa: T201  a dialogue
    return sys.stdin.readline().strip().casefold() in ("y", "yes")


def _key(variable: str | None) -> str | None:
    import os

    from evalkit.errors import UsageError
    from evalkit.secrets import Secret

    if variable is None:
        return None
    key = Secret(os.environ.get(variable, ""))
    if not key:
        raise UsageError(f"--api-key-env {variable[:80]}: the variable is not set")
    return key.reveal()
