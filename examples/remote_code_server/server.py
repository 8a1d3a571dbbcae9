"""Serves a diffusion language model by its own remote code: autoregressive, block diffusion or self-speculation.

A QUALITY BASELINE AND A COUNT OF FORWARD PASSES. NOT A TIMING REFERENCE: one request at a time, no cache shared between
requests, the whole reply at once.

The code that runs is the model's own, from its repository. It can do whatever you can do on this machine. Read it,
then start the server with --i-trust-this-code. See README.md.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import os
import re
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from loading import CALLS, Loaded, load

ENGINE = "remote-code"
LABEL = "the model's own code: a quality baseline, not a timing reference"
MAX_BODY = 4 * 1024 * 1024
COMMIT = re.compile(r"[0-9a-f]{40}\Z")


class RefusedError(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


# -- one reply ---------------------------------------------------------------------------------------------------------


class Engine:
    """Answers one request at a time."""

    def __init__(self, loaded: Loaded, options: argparse.Namespace) -> None:
        self.loaded, self.options = loaded, options
        self.call = CALLS[options.mode]
        self.lock = threading.Lock()
        self.context = int(options.context or loaded.config.get("max_position_embeddings") or 4096)
        self.tokens = self.passes = self.requests = 0

    def reply(self, body: Any) -> dict[str, Any]:
        """Text, token counts and forward passes.

        Raises:
            RefusedError: a request that this server does not answer.
        """
        if not isinstance(body, dict):
            raise RefusedError(400, "the body must be a JSON object")
        for name in ("tools", "response_format", "logprobs"):
            if body.get(name):
                raise RefusedError(400, f"{name} is not supported by the model's own code")
        if body.get("n") not in (None, 1):
            raise RefusedError(400, "n must be 1")
        messages = body.get("messages")
        if not isinstance(messages, list) or not all(isinstance(m, dict) for m in messages) or not messages:
            raise RefusedError(400, "messages must be a list of objects")
        most = body.get("max_tokens") or body.get("max_completion_tokens") or 512
        if not isinstance(most, int) or isinstance(most, bool) or most < 1:
            raise RefusedError(400, "max_tokens must be a positive integer")
        temperature = float(body.get("temperature") or 0.0)
        with self.lock:
            ids = self.loaded.encode(messages)
            if len(ids) + most > self.context:
                raise RefusedError(
                    400, f"{len(ids)} prompt tokens and {most} of reply exceed the context of {self.context}"
                )
            found, passes = self.loaded.call(self.call, ids, **self.arguments(most, temperature))
            return self.counted(ids, trimmed(found, self.loaded.stops, most), passes)

    def arguments(self, most: int, temperature: float) -> dict[str, Any]:
        options = self.options
        more: dict[str, Any] = {"max_new_tokens": most, "temperature": temperature}
        if options.mode != "autoregressive":
            # whole blocks are decoded; what is over is cut off afterwards
            more["max_new_tokens"] = -(-most // options.block_length) * options.block_length
            more["block_length"] = options.block_length
            more["threshold"] = options.threshold
        if self.loaded.stops:
            more["eos_token_id"] = min(self.loaded.stops)
        return more

    def counted(self, ids: list[int], reply: tuple[list[int], str], passes: int) -> dict[str, Any]:
        kept, reason = reply
        self.tokens, self.passes, self.requests = self.tokens + len(kept), self.passes + passes, self.requests + 1
        if self.options.stats_file:
            row = {"forward_passes": passes, "tokens": len(kept), "tokens_per_fp": round(len(kept) / max(1, passes), 4)}
            with Path(self.options.stats_file).open("a", encoding="utf-8") as log:
                log.write(json.dumps(row) + "\n")
        usage = {
            "prompt_tokens": len(ids),
            "completion_tokens": len(kept),
            "total_tokens": len(ids) + len(kept),
            "forward_passes": passes,
        }
        return {
            "text": self.loaded.decode([i for i in kept if i not in self.loaded.stops]),
            "reason": reason,
            "usage": usage,
        }


def trimmed(found: list[int], stops: frozenset[int], most: int) -> tuple[list[int], str]:
    """Up to the first stop token (it counts, as servers count it) or the limit; and why it ended."""
    for place, token in enumerate(found[:most]):
        if token in stops:
            return found[: place + 1], "stop"
    return found[:most], "length"


# -- HTTP: the protocol of SGLang, as far as evalkit speaks it ---------------------------------------------------------


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    engine: Engine
    key: str | None = None

    def do_GET(self) -> None:
        pages = {"/v1/models": self.models, "/server_info": self.server_info, "/model_info": self.model_info}
        path = self.path.partition("?")[0]
        if path in ("/ready", "/health"):
            self.send(200, b"", "text/plain")
        elif path not in pages:
            self.refuse(404, "Not Found")
        elif self.allowed():
            self.send_json(200, pages[path]())

    def do_POST(self) -> None:
        try:
            length = int(self.headers.get("content-length") or 0)
        except ValueError:
            length = -1
        if not 0 <= length <= MAX_BODY:
            self.close_connection = True
            self.refuse(413, f"a body of 0 to {MAX_BODY} bytes is taken")
            return
        raw = self.rfile.read(length)
        path = self.path.partition("?")[0]
        if not self.allowed():
            return
        if path == "/flush_cache":
            self.send(200, b"nothing is cached\n", "text/plain")
        elif path == "/v1/chat/completions":
            self.chat(raw)
        else:
            self.refuse(404, "Not Found")

    def chat(self, raw: bytes) -> None:
        try:
            body = json.loads(raw)
            reply = self.engine.reply(body)
        except RefusedError as error:
            self.refuse(error.status, str(error))
        except (ValueError, RecursionError, TypeError) as error:
            self.refuse(400, f"the request was not understood ({type(error).__name__})")
        except Exception as error:  # noqa: BLE001  the model's own code may raise anything
            print(f"error in the model's code: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            self.refuse(500, f"the model's code raised {type(error).__name__}")
        else:
            self.answer(reply, stream=bool(body.get("stream")))

    def answer(self, reply: dict[str, Any], *, stream: bool) -> None:
        head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": self.engine.options.name}
        if not stream:
            message = {"role": "assistant", "content": reply["text"]}
            choice = {"index": 0, "message": message, "finish_reason": reply["reason"]}
            self.send_json(200, {**head, "object": "chat.completion", "choices": [choice], "usage": reply["usage"]})
            return
        events = [
            {
                "choices": [
                    {"index": 0, "delta": {"role": "assistant", "content": reply["text"]}, "finish_reason": None}
                ],
                "usage": reply["usage"],
            },
            {"choices": [{"index": 0, "delta": {}, "finish_reason": reply["reason"]}]},
            {"choices": [], "usage": reply["usage"]},
        ]
        lines = [f"data: {json.dumps({**head, 'object': 'chat.completion.chunk', **event})}\n\n" for event in events]
        self.send(200, ("".join(lines) + "data: [DONE]\n\n").encode(), "text/event-stream")

    def models(self) -> dict[str, Any]:
        engine = self.engine
        card = {
            "id": engine.options.name,
            "object": "model",
            "created": int(time.time()),
            "owned_by": ENGINE,
            "root": engine.options.name,
            "parent": None,
            "max_model_len": engine.context,
        }
        return {"object": "list", "data": [card]}

    def model_info(self) -> dict[str, Any]:
        config = self.engine.loaded.config
        return {
            "model_path": self.engine.options.model,
            "served_model_name": self.engine.options.name,
            "model_type": config.get("model_type"),
            "architectures": config.get("architectures") or [],
        }

    def server_info(self) -> dict[str, Any]:
        engine, options = self.engine, self.engine.options
        return {
            "engine": ENGINE,
            "label": LABEL,
            "timing_reference": False,
            "version": engine.loaded.versions,
            "model_path": options.model,
            "served_model_name": options.name,
            "revision": options.revision,
            "remote_code_sha256": options.code,
            "decoding_mode": options.mode,
            "call": engine.call,
            "block_size": options.block_length if options.mode != "autoregressive" else None,
            "threshold": options.threshold,
            "adapter": options.lora,
            "dtype": options.dtype,
            "quantization": None,
            "context_length": engine.context,
            "max_running_requests": 1,
            "tool_call_parser": None,
            "requests": engine.requests,
            "tokens": engine.tokens,
            "forward_passes": engine.passes,
        }

    def allowed(self) -> bool:
        given = self.headers.get("authorization") or ""
        if self.key is None or hmac.compare_digest(given.encode(), f"Bearer {self.key}".encode()):
            return True
        self.send_json(401, {"error": "Unauthorized"})
        return False

    def refuse(self, status: int, message: str) -> None:
        self.send_json(
            status, {"object": "error", "message": message, "type": "BadRequest", "param": None, "code": status}
        )

    def send_json(self, status: int, body: dict[str, Any]) -> None:
        self.send(status, json.dumps(body, ensure_ascii=False).encode(), "application/json")

    def send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


# -- start -------------------------------------------------------------------------------------------------------------


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("model", help="Hub id, or a folder with the weights and the code")
    add("--mode", required=True, choices=list(CALLS))
    add("--i-trust-this-code", action="store_true", help="run the model's own code on this machine")
    add("--revision", help="commit (40 hex digits) of the repository whose code you read; needed for a Hub id")
    add("--loader", choices=["transformers", "plain"], default="transformers")
    add("--block-length", type=int, default=32)
    add("--threshold", type=float, help="default: 0.9 for diffusion, 0 for self-speculation")
    add("--lora", help="the drafter's adapter (peft): a folder, also one inside the model's repository")
    add("--dtype", default="bfloat16")
    add("--device", default="cuda")
    add("--context", type=int, help="tokens; default: max_position_embeddings")
    add("--name", help="served name; default: the last part of the model's name")
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=30000)
    add("--api-key-env", help="variable with the key that clients must send")
    add("--stats-file", help="append forward passes and tokens of each reply, one JSON object a line")
    options = parser.parse_args(argv)
    options.name = options.name or options.model.rstrip("/").rpartition("/")[2]
    if options.threshold is None:
        options.threshold = 0.0 if options.mode == "self-speculation" else 0.9
    if options.lora and (options.mode != "self-speculation" or options.loader == "plain"):
        parser.error("--lora is for the drafter of --mode self-speculation (--loader transformers)")
    if options.block_length < 1:
        parser.error("--block-length must be at least 1")
    return options


def consent(options: argparse.Namespace) -> None:
    """Stops unless the user said that this very code may run.

    Raises:
        SystemExit: no consent, or consent to code that may change.
    """
    folder = Path(options.model)
    local = folder.is_dir()
    files = sorted(folder.glob("*.py")) if local else []
    if not local and not COMMIT.match(options.revision or ""):
        raise SystemExit(
            f"error: {options.model} is a repository: name the commit whose code you read, --revision <40 hex digits>"
        )
    if not options.i_trust_this_code:
        where = ", ".join(str(f) for f in files) or f"https://huggingface.co/{options.model}/tree/{options.revision}"
        raise SystemExit(
            f"error: this runs the code in {where} with your rights\n"
            "  hint: read it, then start again with --i-trust-this-code"
        )
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    options.code = digest.hexdigest() if files else None


def main(argv: list[str]) -> int:
    options = parse(argv)
    consent(options)
    key = os.environ.get(options.api_key_env, "").strip() if options.api_key_env else None
    if options.api_key_env and not key:
        raise SystemExit(f"error: the environment variable {options.api_key_env} is not set")
    print(f"loading {options.model} ({options.mode}): {LABEL}", file=sys.stderr, flush=True)
    engine = Engine(load(options), options)
    handler = type("Bound", (Handler,), {"engine": engine, "key": key})
    server = ThreadingHTTPServer((options.host, options.port), handler)
    print(f"ready: http://{options.host}:{server.server_address[1]}", file=sys.stderr, flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
