"""Reads matrix.yaml and its base checklist, with FILE:LINE for every mistake."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from evalkit.checklist.errors import input_error, suggest
from evalkit.checklist.files import decode, read_bytes, resolve
from evalkit.checklist.loader import load_checklist
from evalkit.checklist.schema import LoadedChecklist
from evalkit.checklist.yaml import MAX_BYTES, parse_yaml, refuse_words
from evalkit.errors import InputFileError, Mistakes
from evalkit.matrix.schema import Match, Matrix


@dataclass(frozen=True)
class Loaded:
    """A matrix with where it came from. `lines` maps dotted paths to line numbers."""

    matrix: Matrix
    path: Path
    base: LoadedChecklist
    lines: dict[str, int]

    @property
    def folder(self) -> Path:
        return self.path.resolve().parent

    def where(self, dotted: str) -> str:
        """FILE:LINE of a dotted path or of its nearest parent that has a line."""
        while dotted and dotted not in self.lines:
            dotted = dotted.rpartition(".")[0]
        return f"{self.path}:{self.lines.get(dotted, 1)}"


def load_matrix(path: Path) -> Loaded:
    """Read and validate a matrix and its base checklist.

    Raises:
        InputFileError: with FILE:LINE and a suggestion.
    """
    mistakes = Mistakes()
    document = parse_yaml(decode(read_bytes(path, max_bytes=MAX_BYTES), path), path, mistakes)
    if not isinstance(document.data, dict):
        mistakes.end()
        raise InputFileError(
            "a matrix is a mapping of keys to values", where=f"{path}:1", hint="it needs base and axes"
        )
    try:
        matrix = Matrix.model_validate(document.data)
    except ValidationError as error:
        with mistakes:
            raise input_error(error, path, document.lines, schema=Matrix) from None
    refuse_words(document, lambda dotted: "extra_body" in dotted.split("."), mistakes)
    mistakes.in_order()
    mistakes.end()
    at = f"{path}:{document.lines.get('base', 1)}"
    base = resolve(path.resolve().parent, matrix.base, where=at)
    if not base.is_file():
        raise InputFileError(f"base: no such checklist: {matrix.base}", where=at, hint="evalkit init writes one")
    loaded = Loaded(matrix, path, load_checklist(base), document.lines)
    _known(loaded, mistakes)
    _fitting(loaded, mistakes)
    mistakes.end()
    return loaded


def _known(loaded: Loaded, mistakes: Mistakes) -> None:
    """Entries of include and exclude say names that are on the axes."""
    axes = loaded.matrix.axes
    names: dict[str, list[str]] = {
        "variant": [one.label for one in axes.variants],
        "engine": [one.name for one in axes.engines],
        "hardware": [one.name for one in axes.hardware],
    }
    lists: tuple[tuple[str, list[Match]], ...] = (
        ("include", loaded.matrix.include),
        ("exclude", loaded.matrix.exclude),
    )
    for axis, entries in lists:
        for number, entry in enumerate(entries):
            at = f"{axis}.{number}"
            for key, known in names.items():
                given = getattr(entry, key)
                if given is not None and given not in known:
                    hint = suggest(given, known) or f"one of {', '.join(known)}"
                    mistakes.found.append(
                        InputFileError(
                            f"{at}.{key}: {given} is not on its axis", where=loaded.where(f"{at}.{key}"), hint=hint
                        )
                    )
                if given is None and axis == "include":
                    mistakes.found.append(InputFileError(f'"{key}" is missing in {at}', where=loaded.where(at)))
            if not entry.key():
                mistakes.found.append(
                    InputFileError(f"{at}: says no key, so it matches every cell", where=loaded.where(at))
                )


def _fitting(loaded: Loaded, mistakes: Mistakes) -> None:
    """What a base checklist must not ask, as cells could not keep it."""
    base, at = loaded.base, str(loaded.base.path)
    if base.checklist.harnesses:
        place = f"tasks.{base.checklist.harnesses[0][0]}"
        mistakes.found.append(
            InputFileError(
                f"{place}: results of another harness belong to one run, and a matrix has many",
                where=f"{at}:{base.line(place) or 1}", hint="give files of cases in the base checklist of a matrix",
            )
        )  # fmt: skip
    asks_load = loaded.matrix.axes.load or any(one.load is not None for one in loaded.matrix.include)
    if asks_load and base.checklist.items.modes.decides != "concurrency":
        decides = base.checklist.items.modes.decides
        mistakes.found.append(
            InputFileError(
                f"load is an axis of concurrencies, and the base checklist decides at {decides}",
                where=loaded.where("axes.load"), hint="leave axes.load out, or decide_at in the base checklist",
            )
        )  # fmt: skip
