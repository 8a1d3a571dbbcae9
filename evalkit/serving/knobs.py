"""From one start command to the commands of its settings: each knob is said where the engine reads it. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from evalkit.checklist.sweep import spelled
from evalkit.errors import InputFileError
from evalkit.secrets import redact_words
from evalkit.serving.engines import ENGINES
from evalkit.serving.engines.base import Engine, Knob, argument
from evalkit.text import one_line


@dataclass(frozen=True)
class Command:
    """The words of a start command, and the texts of files that it reads, by path."""

    words: tuple[str, ...]
    files: tuple[tuple[str, str], ...] = ()


def engine_in(words: Sequence[str]) -> Engine | None:
    """The engine that a start command runs: by its program or module."""
    for engine in ENGINES.values():
        name = engine.package
        if name and any(Path(word).name == name or word.startswith(f"{name}.") for word in words):
            return engine
    return None


def turned(words: Sequence[str], knobs: Mapping[str, float], own: Path, read: Callable[[str], str]) -> Command:
    """The start command with `knobs` set. A YAML file that it needs is made anew, for `own`; `read` gives the old one.

    A word that holds the name of a knob in braces, such as `{threshold}`, says it by itself.

    Raises:
        InputFileError: nothing says how the command takes a knob, or its configuration cannot be read.
    """
    made = Command(tuple(words))
    engine = engine_in(words)
    known = engine.knobs(words) if engine else {}
    for name, value in knobs.items():
        mark = f"{{{name}}}"
        if any(mark in word for word in made.words):
            made = replace(made, words=tuple(word.replace(mark, spelled(value)) for word in made.words))
        elif name in known:
            made = _set(made, known[name], value, own, read)
        else:
            shown = one_line(" ".join(redact_words(words)), limit=80)
            raise InputFileError(
                f"sweep.knobs.{name}: evalkit does not know how the start command takes it: {shown}",
                hint=f"write {mark} where the command has it",
            )
    return made


def _set(command: Command, knob: Knob, value: float, own: Path, read: Callable[[str], str]) -> Command:
    number = int(value) if float(value).is_integer() and "threshold" not in knob.key else value
    if knob.form == "value":
        words = command.words
        for flag in (knob.flag, *knob.also):
            words = _with(words, flag, spelled(value))
        return replace(command, words=words)
    given = argument(command.words, knob.flag)
    if knob.form == "json":
        data = _object(json.loads, given or "{}", knob.flag)
        return replace(command, words=_with(command.words, knob.flag, json.dumps({**data, knob.key: number})))
    files = dict(command.files)
    text = files.get(given) if given else ""
    data = _object(yaml.safe_load, text if text is not None else read(given or ""), given or knob.flag)
    files = {str(own): yaml.safe_dump({**data, knob.key: number}, sort_keys=False)}
    return Command(_with(command.words, knob.flag, str(own)), tuple(files.items()))


def _object(parse: Callable[[str], Any], text: str, what: str) -> dict[str, Any]:
    try:
        data = parse(text) if text.strip() else {}
    except (ValueError, yaml.YAMLError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise InputFileError(f"{one_line(what, limit=80)}: not an object that a knob can be set in")
    return data


def _with(words: Sequence[str], flag: str, value: str) -> tuple[str, ...]:
    """`words` with `flag` at `value`, where it stands or behind all others."""
    for at, word in enumerate(words):
        if word == flag and at + 1 < len(words):
            return (*words[: at + 1], value, *words[at + 2 :])
        if word.startswith(f"{flag}="):
            return (*words[:at], f"{flag}={value}", *words[at + 1 :])
    return (*words, flag, value)
