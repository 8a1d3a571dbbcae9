"""Loads the model that was allowed, and serves it until a signal."""

from __future__ import annotations

import ipaddress
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from evalkit.environment import is_secret
from evalkit.errors import LaunchError, UsageError
from evalkit.reference.server import bind, url_of
from evalkit.serve.engine import Engine, Limits
from evalkit.serve.model import Loaded, Options, load
from evalkit.serve.trust import Consent, code_of
from evalkit.serving.engines.own_code import LABEL

_GRACE_S = 3
#: tokens of context where the model's configuration says none
_WINDOW = 4096


@dataclass(frozen=True)
class Start:
    """One server. `context` and `max_tokens` None: as the model's configuration says."""

    options: Options
    said: Consent
    name: str
    host: str
    port: int
    context: int | None = None
    max_tokens: int | None = None
    waiting: int = 8
    seconds: float = 600.0
    stats_file: Path | None = None
    key: str | None = None


def serve(start: Start) -> None:
    """Serves until SIGINT or SIGTERM; replies under way end.

    Raises:
        UsageError: the port is taken, or the model's code does not load, or changed while it did.
    """
    import uvicorn

    from evalkit.serve.app import About, build_app

    try:
        listening = bind(start.host, start.port)  # before minutes of loading
    except LaunchError as error:
        raise UsageError(error.message, where=error.where, hint=error.hint) from None
    code = code_of(start.options.folder)
    for name in [one for one in os.environ if is_secret(one)]:
        del os.environ[name]  # no key is the model's code's business
    sys.pycache_prefix = tempfile.mkdtemp(prefix="evalkit-compiled-")  # compiled files beside the code are not read
    _say(f"loading {start.said.model} ({start.options.mode}); code sha256 {code.sha256}")
    loaded = load(start.options)
    if code_of(start.options.folder) != code:
        raise UsageError("its code changed while it was loaded", where=str(start.options.folder))
    engine = Engine(loaded, start.options, limits(loaded, start), start.stats_file)
    about = About(
        model=start.said.model, name=start.name, commit=start.said.commit, code=code.sha256,
        dtype=str(loaded.config.get("dtype") or start.options.dtype), started=int(time.time()),
    )  # fmt: skip
    config = uvicorn.Config(
        build_app(engine, about, start.key), ws="none", lifespan="off", log_config=None, access_log=False,
        timeout_graceful_shutdown=_GRACE_S, timeout_keep_alive=600,
    )  # fmt: skip
    _say(f"ready: {url_of(listening)} ({LABEL})")
    _warn(start)

    class Server(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            """Ends on a signal as on any other wish: with code 0, and not by raising it again."""
            known = {one: signal.signal(one, self.handle_exit) for one in (signal.SIGINT, signal.SIGTERM)}
            try:
                yield
            finally:
                for one, before in known.items():
                    signal.signal(one, before)

    try:
        Server(config).run(sockets=[listening])
    finally:
        engine.close()
        listening.close()


def limits(loaded: Loaded, start: Start) -> Limits:
    """The window of the model, or the smaller one that was asked for."""
    window = loaded.config.get("max_position_embeddings")
    known = window if isinstance(window, int) and not isinstance(window, bool) and window > 0 else _WINDOW
    context = min(start.context or known, known)
    return Limits(context, min(start.max_tokens or context, context), start.waiting, start.seconds)


def _warn(start: Start) -> None:
    """That anybody who reaches the address may ask."""
    try:
        near = ipaddress.ip_address(start.host).is_loopback
    except ValueError:
        near = start.host == "localhost"
    if not near and start.key is None:
        _say(f"warning: {start.host} can be reached from elsewhere and no key is asked for: --api-key-env")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201  a server's log
