"""How each harness is run against one server. One function a tool; a further one is a line in `RUNNERS`."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from evalkit.checklist.tasks import HarnessTask
from evalkit.errors import MeasurementError

#: takes the place of a key where a server asks for none: the clients of both tools want one
NO_KEY = "none"


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


RUNNERS: dict[str, Runner] = {
    one.name: one
    for one in (
        Runner("lm-eval", "lm_eval", "pip install 'lm-eval[api]'", ("OPENAI_API_KEY",), _lm_eval),
        Runner(
            "inspect", "inspect", "pip install inspect-ai openai",
            ("EVALKIT_TARGET_API_KEY", "OPENAI_API_KEY"), _inspect,
        ),
    )
}  # fmt: skip


def command(task: HarnessTask, at: Against) -> tuple[list[str], tuple[str, ...]]:
    """The words of the command, and the variables that hold the key.

    Raises:
        MeasurementError: the tool is not installed; with the line that installs it.
    """
    if task.command is not None:
        values = {"{endpoint}": f"{at.base_url}/v1", "{model}": at.model, "{out}": str(at.out), "{mode}": at.mode}
        words = []
        for word in task.command:
            for name, value in values.items():
                word = word.replace(name, value)  # noqa: PLW2901  filled in step by step
            words.append(word)
        return [_program(words[0], at.folder, f"install {words[0]}, or name its path"), *words[1:]], ("OPENAI_API_KEY",)
    runner = RUNNERS[str(task.run)]
    hint = f"{runner.install} (in an environment of its own, then program: ENV/bin/{runner.program})"
    return [_program(task.program or runner.program, at.folder, hint), *runner.words(task, at)], runner.key_env


def _program(name: str, folder: Path, install: str) -> str:
    path = str(folder / name) if "/" in name and not name.startswith("/") else name
    found = shutil.which(path)
    if found is None:
        raise MeasurementError(f"{name} is not installed", hint=install)
    return found
