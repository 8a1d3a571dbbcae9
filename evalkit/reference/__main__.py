"""`python -m evalkit.reference --mode diffusion --port 0`: one JSON line with the address, then serve."""

from __future__ import annotations

import argparse
import json
import os
import sys

from evalkit.errors import EvalkitError
from evalkit.modes import Mode
from evalkit.reference.answers import Answers
from evalkit.reference.script import Script, ordered
from evalkit.reference.server import serve_forever


def main(argv: list[str] | None = None) -> int:
    """Serve until a signal; 2 for wrong arguments, 3 when it cannot listen."""
    args = _parser().parse_args(argv)
    try:
        script = _script(args)
        answers = Answers.load(args.answers) if args.answers else None
    except (EvalkitError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201  this is a command
        return 2
    try:
        serve_forever(
            script,
            args.host,
            args.port,
            answers=answers,
            emission_log=args.emission_log,
            on_ready=_announce,
        )
    except EvalkitError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201  this is a command
        return error.exit_code
    return 0


def _announce(base_url: str) -> None:
    print(json.dumps({"base_url": base_url, "pid": os.getpid()}), flush=True)  # noqa: T201  the protocol of start


def _script(args: argparse.Namespace) -> Script:
    if args.script:
        return Script.model_validate(json.loads(args.script))
    return ordered(args.mode, args.set)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m evalkit.reference", description="The embedded reference server.")
    parser.add_argument("--mode", default=Mode.AUTOREGRESSIVE.value, choices=[m.value for m in Mode])
    parser.add_argument("--script", help="a whole script as JSON; --mode is ignored")
    parser.add_argument(
        "--set", action="append", default=[], metavar="FIELD=VALUE", help="change a field of the script"
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 (the default) takes a free port")
    parser.add_argument("--answers", help="YAML or JSON file of prompts and replies")
    parser.add_argument("--emission-log", help="file that gets one JSON line per request")
    return parser


if __name__ == "__main__":
    sys.exit(main())
