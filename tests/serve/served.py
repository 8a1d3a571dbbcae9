"""A model's own code behind the server, in a thread of this process or in one of its own."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from evalkit.checklist.schema import Endpoint
from evalkit.client.types import ChatRequest
from evalkit.client.wire import WireClient
from evalkit.reference.server import bind, url_of
from evalkit.serve.app import About, build_app
from evalkit.serve.engine import Engine, Limits
from evalkit.serve.model import Options, load
from evalkit.serving.probe import probe, target_for

HERE = Path(__file__).parent
MODEL = HERE / "tiny_code_model"
MODES = ("autoregressive", "diffusion", "self-speculation")


def copied(where: Path, *, vision: bool = False, **config) -> Path:
    """The tiny model in a folder of its own, with other values in its configuration."""
    where.mkdir(parents=True, exist_ok=True)
    for file in (*MODEL.glob("*.*"), *((HERE / "tiny_vision_model").glob("*.py") if vision else ())):
        shutil.copy(file, where)
    said = json.loads((where / "config.json").read_text())
    (where / "config.json").write_text(json.dumps({**said, **config}))
    return where


@contextmanager
def running(mode: str, folder: Path = MODEL, *, key=None, stats_file=None, limits=None, **options):
    """Its address and its engine."""
    asked = Options(folder, mode, plain=True, **options)
    engine = Engine(load(asked), asked, limits or Limits(2048, 2048), stats_file)
    about = About("acme/tiny", "tiny", None, "f" * 64, "float32", 1)
    config = uvicorn.Config(build_app(engine, about, key), ws="none", lifespan="off", log_config=None)
    server, listening = uvicorn.Server(config), bind("127.0.0.1", 0)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])))
    thread.start()
    try:
        yield url_of(listening), engine
    finally:
        server.should_exit = server.force_exit = True
        engine.close()
        thread.join()
        listening.close()


def argv(*flags: str, model: Path | str = MODEL, plain: bool = True, python: str = sys.executable) -> list[str]:
    how = ["--plain"] if plain else []
    return [python, "-m", "evalkit", "serve", str(model), *how, "--port", "0", *flags]


def environment(home: Path, **more: str) -> dict[str, str]:
    """What was allowed is remembered in `home`."""
    here = str(HERE.parents[1])
    return {
        **os.environ,
        "PYTHONPATH": here,
        "PYTHONPYCACHEPREFIX": str(home / "compiled"),
        "XDG_STATE_HOME": str(home),
        **more,
    }


@contextmanager
def process(home: Path, *flags: str, model: Path | str = MODEL, plain=True, python=sys.executable, **more: str):
    """Address and process of a server that was started by the command; what it says first is read away."""
    command = argv(*flags, model=model, plain=plain, python=python)
    started = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment(home, **more))
    try:
        said = ""
        for line in started.stderr:
            said += line
            if line.startswith("ready: "):
                break
        else:
            raise AssertionError(said)
        threading.Thread(target=started.stderr.read, daemon=True).start()
        yield line.split()[1], started
    finally:
        started.kill()
        started.wait()


def ask(url: str, *, api_key_env: str | None = None, stream: bool = True, text="one two three four", **more):
    """The server as evalkit sees it, and its reply to one request."""
    endpoint = Endpoint(endpoint=url, api_key_env=api_key_env)

    async def main():
        client = WireClient()
        try:
            facts = await probe("m", endpoint, client=client)
            request = ChatRequest(messages=({"role": "user", "content": text},), stream=stream, **more)
            return facts, await client.chat(target_for("m", endpoint, facts), request)
        finally:
            await client.aclose()

    return asyncio.run(main())
