"""Finds, reads and validates a checklist."""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path

from pydantic import ValidationError

from evalkit.checklist.errors import input_error, suggest
from evalkit.checklist.files import decode, read_bytes, sha256_of
from evalkit.checklist.schema import Checklist, LoadedChecklist
from evalkit.checklist.yaml import MAX_BYTES, parse_yaml, refuse_words
from evalkit.errors import InputFileError, Mistakes
from evalkit.modes import ALIASES

DEFAULT = "nemotron-labs-diffusion-8b"


def shipped_folder(name: str) -> Path:
    """The installed folder `checklists` or `prompts`; the repository's own when run from a checkout."""
    installed = Path(str(resources.files("evalkit"))) / "shipped" / name
    return installed if installed.is_dir() else Path(str(resources.files("evalkit"))).parent / name


@cache
def _shipped_hashes() -> frozenset[str]:
    files = [path for path in shipped_folder("prompts").rglob("*") if path.suffix in (".jsonl", ".yaml")]
    return frozenset(sha256_of(path.read_bytes()) for path in files)


def is_shipped(path: Path, sha256: str) -> bool:
    """Whether prompts or a suite came with evalkit: the file itself, or a copy of it under another name."""
    return path.resolve().is_relative_to(shipped_folder("prompts").resolve()) or sha256 in _shipped_hashes()


def shipped_names() -> list[str]:
    """Names of the shipped checklists, as `evalkit run NAME` takes them."""
    return sorted(path.stem for path in shipped_folder("checklists").glob("*.yaml"))


def shipped_checklist(name: str) -> Path:
    """A shipped checklist, whatever the working folder holds."""
    return shipped_folder("checklists") / f"{name}.yaml"


def find_checklist(given: str | None) -> Path:
    """A path, or the name of a shipped checklist; the default one when nothing is given.

    Raises:
        InputFileError: neither a file nor a shipped name.
    """
    if given is None:
        return shipped_checklist(DEFAULT)
    path = Path(given)
    if path.is_file() or "/" in given or path.suffix in (".yaml", ".yml"):
        return path
    if given in shipped_names():
        return shipped_checklist(given)
    if path.exists():
        return path  # reading it says what it is
    hint = suggest(given, shipped_names()) or f"shipped checklists: {', '.join(shipped_names())}"
    raise InputFileError("no such file, and no shipped checklist of that name", where=given, hint=hint)


def load_checklist(path: Path) -> LoadedChecklist:
    """Read and validate a checklist.

    Raises:
        InputFileError: with FILE:LINE and a suggestion.
    """
    data = read_bytes(path, max_bytes=MAX_BYTES)
    mistakes = Mistakes()
    document = parse_yaml(decode(data, path), path, mistakes)
    if document.data is None and not mistakes.found:
        raise InputFileError("the file is empty", where=str(path), hint="evalkit init writes a checklist to start from")
    if not isinstance(document.data, dict):
        mistakes.end()
        raise InputFileError("a checklist is a mapping of keys to values", where=f"{path}:1")

    lines = _with_standard_names(document.lines)
    try:
        checklist = Checklist.model_validate(document.data)
    except ValidationError as error:
        with mistakes:
            raise input_error(error, path, lines, schema=Checklist) from None
    refuse_words(document, _free, mistakes)
    mistakes.in_order()
    mistakes.end()
    return LoadedChecklist(
        checklist=checklist,
        path=path,
        folder=path.resolve().parent,
        sha256=sha256_of(data),
        lines=lines,
    )


def _free(dotted: str) -> bool:
    """Whether any kind of value may be at this path."""
    return "extra_body" in dotted.split(".") or dotted.startswith("items.hardware.declared.")


def _with_standard_names(lines: dict[str, int]) -> dict[str, int]:
    """Lines also under a mode's standard spelling: an error in `modes.ar` is reported at `modes.autoregressive`."""
    more = dict(lines)
    for dotted, line in lines.items():
        parts = dotted.split(".")
        if parts[0] == "modes" and len(parts) > 1 and parts[1] in ALIASES:
            more.setdefault(".".join(["modes", ALIASES[parts[1]].value, *parts[2:]]), line)
    return more


#: where a command without an argument looks, in this order, before it takes the shipped default
DISCOVERED = ("checklist.yaml", "evalkit/checklist.yaml")


def discovered() -> str | None:
    """The checklist of the working folder; None where there is none."""
    return next((f"./{name}" for name in DISCOVERED if Path(name).is_file()), None)
