"""What the files hold that a checklist names, against what the run was made with: none is taken at its name.

Prompts, suites, images, traces, results, snapshots and texts of local models, license texts. A file that is not there
may be anything, so it is a change too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from typing import Any

from evalkit.checklist.files import read_bytes, resolve, sha256_of
from evalkit.checklist.schema import LoadedChecklist
from evalkit.errors import InputFileError
from evalkit.facts import Facts
from evalkit.harness.registry import given
from evalkit.hub.facts import CandidateFacts
from evalkit.importers.convert import sha256_of_file
from evalkit.importers.direct import load_prompts, load_suites
from evalkit.stored.changes import Change, short

#: of a model's card, configuration or license text, and of a snapshot
_MOST_BYTES = 64 << 20


def readable(loaded: LoadedChecklist) -> tuple[list[str], list[Change]]:
    """Which of `prompts` and `tasks` are files here, so that they can be compared; and a change for each of the others:
    what is not here may be anything.
    """
    here, missing = [], []
    for name, written in (("prompts", loaded.checklist.prompts), ("tasks", loaded.checklist.suites)):
        paths = [resolve(loaded.folder, one) for one in written or []]
        gone = [path.name for path in paths if not path.exists()]
        if gone:
            missing.append(Change(f"{name} (files)", "those of the run", f"not here: {', '.join(gone)}", looser=True))
        elif paths:
            here.append(name)
    return here, missing


def contents(loaded: LoadedChecklist, facts: Facts, names: Sequence[str]) -> list[Change]:
    """Files that are named now and are not, by hash, those that the run was made with; of prompts and suites those
    that are here (`names`).
    """
    return [
        *_prompts_and_suites(loaded, facts, names),
        *_results(facts, loaded),
        *_traces(facts, loaded),
        *_models(facts, loaded),
        *_license_text(facts, loaded),
    ]


def _prompts_and_suites(loaded: LoadedChecklist, facts: Facts, names: Sequence[str]) -> Iterator[Change]:
    checklist = loaded.checklist
    shown = {short(one.sha256): one.images_sha256 for one in facts.prompts}

    def prompts(paths: list[Path]) -> list[str]:
        now = load_prompts(paths, checklist.request)[0].facts
        return [_with_images(short(one.sha256), one.images_sha256, shown) for one in now]

    def suites(paths: list[Path]) -> list[str]:
        return [short(one.sha256) for one in load_suites(paths, checklist.request)[0]]

    asked = (
        ("prompts", checklist.prompts, prompts, [_with_images(*one, shown) for one in shown.items()]),
        ("tasks", checklist.suites, suites, [short(one.sha256) for one in facts.suites]),
    )
    for name, written, load, before in asked:
        if name not in names or written is None:
            continue
        try:
            now: Any = load([resolve(loaded.folder, one) for one in written])
        except InputFileError as error:
            now = f"cannot be read: {error}"
        if not isinstance(now, list) or sorted(now) != sorted(before):
            yield Change(f"{name} (sha256)", before, now, looser=True)


def _with_images(text: str, images: str | None, kept: dict[str, str | None]) -> str:
    """The hash of a prompts file, with that of its images where the run has one: older runs have none."""
    return f"{text}, images {short(images or 'none')}" if kept.get(text) else text


def _results(facts: Facts, loaded: LoadedChecklist) -> Iterator[Change]:
    """Results of other harnesses whose files are no longer those of the run."""
    before = sorted(short(sha) for one in facts.harness.values() if not one.ran_here for _, sha in one.sources)
    try:
        now: Any = sorted(short(sha) for one in given(loaded) for _, sha in one.sources)
    except InputFileError as error:
        now = f"cannot be read: {error}"
    if now != before:
        yield Change("results (sha256)", before, now, looser=True)


def _traces(facts: Facts, loaded: LoadedChecklist) -> Iterator[Change]:
    """Traces that are replayed; runs of earlier versions hold no hash of them."""
    kept = {one.source: one.sha256 for one in facts.traffic.values() if one.kind == "trace" and one.sha256}
    for written in dict.fromkeys(one.trace for one in loaded.checklist.items.modes.load if one.trace):
        before = kept.get(PurePath(written).name)
        if before is not None:
            yield from _compared(f"trace {written} (sha256)", before, resolve(loaded.folder, written), most=None)


def _models(facts: Facts, loaded: LoadedChecklist) -> Iterator[Change]:
    """Snapshots, and card, configuration and license texts of model folders."""
    asked = loaded.checklist.candidate
    for written in (asked.model, *asked.variants) if asked else ():
        read = next((one for one in facts.candidates if _is_of(written, one)), None)
        path = loaded.folder / written
        if read is None:
            continue
        if read.kind == "snapshot":
            before = (read.revision or "").removeprefix("sha256:")
            yield from _compared(f"candidate {path.name} (sha256)", before, path)
        elif path.is_dir():  # weights lie on the machine that serves them, and seldom here
            for text in (*read.texts, *read.license_texts):
                if text.origin == "repository":
                    yield from _compared(f"{path.name}/{text.name} (sha256)", text.sha256, path / text.name)


def _is_of(written: str, read: CandidateFacts) -> bool:
    names = (PurePath(one).name for one in (read.asked, read.model) if one)
    return read.kind in ("folder", "snapshot") and PurePath(written).name in names


def _license_text(facts: Facts, loaded: LoadedChecklist) -> Iterator[Change]:
    written, candidate = loaded.checklist.items.license.text, facts.candidate
    if written is None or candidate is None:
        return
    before = next((one.sha256 for one in candidate.license_texts if one.origin == "given"), "none")
    yield from _compared("items.license.text (sha256)", before, resolve(loaded.folder, written))


def _compared(name: str, before: str, path: Path, most: int | None = _MOST_BYTES) -> Iterator[Change]:
    """A change where the file is not the one with the hash `before`. `most`: bytes that are read at most."""
    try:
        now = sha256_of_file(path) if most is None else sha256_of(read_bytes(path, max_bytes=most))
    except InputFileError as error:
        yield Change(name, short(before), f"cannot be read: {error.message}", looser=True)
        return
    if now != before:
        yield Change(name, short(before), short(now), looser=True)
