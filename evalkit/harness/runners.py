"""How each harness is run against one server. One function a tool; a further one is a line in `RUNNERS`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from evalkit.checklist.tasks import HarnessTask
from evalkit.errors import MeasurementError

#: takes the place of a key where a server asks for none: the clients of both tools want one
NO_KEY = "none"
#: by itself it replays cached replies of whichever server had the same address, ends with exit code 100 where a test
#: fails, and asks its maker's servers for news
_PROMPTFOO = {
    "PROMPTFOO_CACHE_ENABLED": "false", "PROMPTFOO_FAILED_TEST_EXIT_CODE": "0", "PROMPTFOO_DISABLE_TELEMETRY": "1",
    "PROMPTFOO_DISABLE_UPDATE": "1", "PROMPTFOO_DISABLE_SHARING": "1",
}  # fmt: skip


@dataclass(frozen=True)
class Against:
    """The server of one mode. `base_url` has no `/v1`."""

    mode: str
    base_url: str
    model: str
    out: Path
    #: of the checklist: paths are relative to it
    folder: Path
    streams: int = 1


@dataclass(frozen=True)
class Runner:
    """One tool. `key_env`: the variables by which it takes its key."""

    name: str
    program: str
    install: str
    key_env: tuple[str, ...]
    words: Callable[[HarnessTask, Against], list[str]]


def _lm_eval(task: HarnessTask, at: Against) -> list[str]:
    arguments = ",".join([
        f"base_url={at.base_url}/v1/chat/completions", f"model={at.model}", f"num_concurrent={at.streams}",
        "tokenized_requests=False", "max_retries=2",
    ])  # fmt: skip
    return [
        "run", "--model", "local-chat-completions", "--model_args", arguments, "--tasks", ",".join(task.tasks),
        "--output_path", str(at.out), "--log_samples", "--apply_chat_template",
        *(["--limit", str(task.limit)] if task.limit else []),
        *(["--include_path", str(at.folder / task.include_path)] if task.include_path else []), *task.args,
    ]  # fmt: skip


def _inspect(task: HarnessTask, at: Against) -> list[str]:
    return [
        "eval", str(task.task), "--model", f"openai-api/evalkit-target/{at.model}",
        "--model-base-url", f"{at.base_url}/v1", "--log-dir", str(at.out), "--log-format", "json",
        "--display", "none", "--max-connections", str(at.streams), "--no-fail-on-error",
        *(["--limit", str(task.limit)] if task.limit else []), *task.args,
    ]  # fmt: skip


def _promptfoo(task: HarnessTask, at: Against) -> list[str]:
    return [
        "eval", "-c", str(task.task), "-o", str(at.out / "output.json"), "--max-concurrency", str(at.streams),
        "--no-cache", "--no-write", "--no-table", "--no-progress-bar",
        *(["--filter-first-n", str(task.limit)] if task.limit else []), *task.args,
    ]  # fmt: skip


RUNNERS: dict[str, Runner] = {
    one.name: one
    for one in (
        Runner("lm-eval", "lm_eval", "pip install 'lm-eval[api]'", ("OPENAI_API_KEY",), _lm_eval),
        Runner(
            "inspect", "inspect", "pip install inspect-ai openai",
            ("EVALKIT_TARGET_API_KEY", "OPENAI_API_KEY"), _inspect,
        ),
        Runner("promptfoo", "promptfoo", "npm install promptfoo", ("OPENAI_API_KEY",), _promptfoo),
    )
}  # fmt: skip


class Command(NamedTuple):
    """The words of a command, the variables that take the key, and the other variables that it needs."""

    argv: list[str]
    key_names: tuple[str, ...]
    env: dict[str, str]


def command(task: HarnessTask, at: Against) -> Command:
    """How the tool is run.

    Raises:
        MeasurementError: the tool is not installed; with the line that installs it.
    """
    endpoint = f"{at.base_url}/v1"
    env = {"EVALKIT_ENDPOINT": endpoint, "EVALKIT_MODEL": at.model, "EVALKIT_MODE": at.mode}
    if task.reader == "promptfoo":
        env |= _PROMPTFOO
    if task.run in (None, "promptfoo"):  # else what names no address of its own sends prompts and key to OpenAI
        env["OPENAI_BASE_URL"] = endpoint
    if task.command is not None:
        values = {"{endpoint}": endpoint, "{model}": at.model, "{out}": str(at.out), "{mode}": at.mode}
        words = []
        for word in task.command:
            for name, value in values.items():
                word = word.replace(name, value)  # noqa: PLW2901  filled in step by step
            words.append(word)
        program = _program(words[0], at.folder, f"install {words[0]}, or name its path")
        return Command([program, *words[1:]], ("OPENAI_API_KEY",), env)
    runner = RUNNERS[str(task.run)]
    hint = f"{runner.install} (in an environment of its own, then program: PATH/{runner.program})"
    program = _program(task.program or runner.program, at.folder, hint)
    # what came with the tool comes first, such as the Node.js that it needs
    env["PATH"] = os.pathsep.join([str(Path(program).parent), os.environ.get("PATH", os.defpath)])
    return Command([program, *runner.words(task, at)], runner.key_env, env)


def _program(name: str, folder: Path, install: str) -> str:
    path = str(folder / name) if "/" in name and not name.startswith("/") else name
    found = shutil.which(path)
    if found is None:
        raise MeasurementError(f"{name} is not installed", hint=install)
    return found
