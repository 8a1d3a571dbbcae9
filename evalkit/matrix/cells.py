"""From axes to cells: the combinations, and the complete checklist of each. Pure."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from evalkit.checklist.schema import Checklist, Endpoint, LoadedChecklist
from evalkit.errors import InputFileError
from evalkit.gpu.fit import Precision
from evalkit.hub.facts import CandidateFacts
from evalkit.matrix.load import Loaded
from evalkit.matrix.schema import MOST_CELLS, Hardware, Match, Recipe, Variant
from evalkit.run.setup import Setup
from evalkit.run.sweep.plan import standing
from evalkit.run.sweep.settings import from_disk, settings
from evalkit.serving.support import recipes_for, unknown
from evalkit.text import cut

#: keys of a mode that say where it is served
_PLACE = ("endpoint", "launch", "ready_url", "stop")


class Point(NamedTuple):
    """A place on every axis."""

    variant: Variant
    engine: Recipe
    hardware: Hardware
    precision: Precision
    load: int | None

    @property
    def id(self) -> str:
        """The name of the cell's folder."""
        parts = [self.variant.label, self.engine.name, self.hardware.name, self.precision]
        return "--".join([*parts, *([f"c{self.load}"] if self.load is not None else [])])

    def names(self) -> dict[str, Any]:
        """What it is on each axis, for JSON."""
        return {
            "variant": self.variant.label, "engine": self.engine.name, "hardware": self.hardware.name,
            "precision": self.precision, "load": self.load,
        }  # fmt: skip

    def matches(self, match: Match) -> bool:
        """Whether it is one of the cells that an entry of `exclude` is about."""
        mine = self.names()
        return all(mine[key] == value for key, value in match.key().items())


@dataclass(frozen=True)
class Made:
    """A cell's checklist, the files that its servers read, and what stands against it. No checklist: no recipe."""

    checklist: Checklist | None
    files: dict[str, str]
    why: str = ""


def expand(loaded: Loaded) -> tuple[list[Point], list[Point]]:
    """The cells in the order of the axes, and those that `exclude` leaves out.

    Raises:
        InputFileError: no cell, too many, or one twice.
    """
    matrix, axes = loaded.matrix, loaded.matrix.axes
    count = len(axes.variants) * len(axes.engines) * len(axes.hardware) * len(axes.precision) * max(len(axes.load), 1)
    if count > MOST_CELLS:
        raise InputFileError(f"axes: {count:,} cells, at most {MOST_CELLS:,}", where=loaded.where("axes"))
    loads: list[int | None] = [*axes.load] or [None]
    every = [Point(*one) for one in product(axes.variants, axes.engines, axes.hardware, axes.precision, loads)]
    out = [point for point in every if any(point.matches(match) for match in matrix.exclude)]
    gone = {point.id for point in out}
    kept = [point for point in every if point.id not in gone]
    for number, entry in enumerate(matrix.include):
        point = _included(loaded, entry)
        if any(point.id == one.id for one in kept):
            raise InputFileError(
                f"include.{number}: the cell is there already", where=loaded.where(f"include.{number}")
            )
        kept.append(point)
    if not kept:
        raise InputFileError("exclude leaves no cell", where=loaded.where("exclude"))
    return kept, [point for point in out if point.id not in {one.id for one in kept}]


def _included(loaded: Loaded, entry: Match) -> Point:
    axes = loaded.matrix.axes
    return Point(
        next(one for one in axes.variants if one.label == entry.variant),
        next(one for one in axes.engines if one.name == entry.engine),
        next(one for one in axes.hardware if one.name == entry.hardware),
        entry.precision or axes.precision[0],
        entry.load if entry.load is not None else next(iter(axes.load), None),
    )


def make(loaded: Loaded, point: Point, candidate: CandidateFacts, folder: Path) -> Made:
    """The checklist of a cell in `folder`, or why there is none."""
    extra = point.engine.precision.get(point.precision)
    if extra is None:
        return Made(None, {}, f"no recipe: the engine {point.engine.name} has no entry for {point.precision}")
    served = _served(loaded.base.checklist, point, candidate, folder)
    if isinstance(served, str):
        return Made(None, {}, served)
    modes, files = served
    for mode in modes.values():
        if "launch" in mode:
            mode["launch"] = [*mode["launch"], *extra]
    checklist = Checklist.model_validate(_laid_over(loaded, point, modes))
    if why := why_not(checklist, files, folder):
        return Made(None, {}, why)
    return Made(checklist, files)


def _served(
    base: Checklist, point: Point, candidate: CandidateFacts, folder: Path
) -> tuple[dict[str, dict[str, Any]], dict[str, str]] | str:
    """Each mode with its place by the engine's own recipe or by the records', and files to write; else why not."""
    labels = list(base.modes) or list(point.engine.modes)
    if not labels:
        return "no recipe: neither the base checklist nor the engine lists a mode"
    found: dict[str, dict[str, Any]] = {}
    files: dict[str, str] = {}
    for label in labels:
        asked = base.modes.get(label)
        kept = asked.model_dump(exclude_unset=True) if asked else {}
        kept = {key: value for key, value in kept.items() if key not in _PLACE}
        own = point.engine.modes.get(label)
        if own is not None:
            if own.endpoint is None and own.launch is None:
                return f"no recipe: {label} of {point.engine.name} has neither launch nor endpoint"
            found[label] = {**kept, **own.model_dump(exclude_unset=True)}
            continue
        if point.engine.modes:
            return f"no recipe: the engine {point.engine.name} has no entry for {label}"
        known = recipes_for(candidate.model, label, candidate.architectures)
        recipe = next((one for one in known if one.record.engine == point.engine.name), None)
        if recipe is None:
            return f"no recipe of {point.engine.name}: {unknown(candidate.model, label, candidate.architectures)}"
        places = {one.name: str(folder / one.name) for one in recipe.side_files}
        files |= {one.name: one.text for one in recipe.side_files}
        found[label] = {**kept, "launch": [places.get(word, word) for word in recipe.argv]}
    return found, files


def _laid_over(loaded: Loaded, point: Point, modes: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The base checklist's own keys with the cell's over them."""
    base = loaded.base.checklist
    data: dict[str, Any] = base.model_dump(mode="python", exclude_unset=True)
    items: dict[str, Any] = dict(data.get("items", {}))
    timed = dict(items.get("modes", {}))
    if point.load is not None:
        timed |= {"concurrency": [point.load], "decide_at": point.load}
    items |= {
        "modes": timed,
        "hardware": {**items.get("hardware", {}), "declared": point.hardware.card, "precision": point.precision},
    }
    old = base.candidate
    same = old is not None and old.model == point.variant.model
    if old is not None and not same:  # what was given for one model says nothing of another
        about = items.get("license", {})
        items["license"] = {key: value for key, value in about.items() if key not in ("text", "provider_terms")}
    kept = {k: v for k, v in data.get("candidate", {}).items() if k != "variants"} if same else {}
    price = point.hardware.usd_per_gpu_hour
    return {
        **data,
        "name": cut(f"{base.name}: {point.id}", 200),
        "candidate": {**kept, "model": point.variant.model, "revision": point.variant.revision},
        "modes": modes,
        "items": items,
        **({"cost": {"gpus": base.cost.gpus, "usd_per_gpu_hour": price}} if price is not None else {}),
        **({"sweep": asked.model_dump(mode="python", exclude_unset=True)} if (asked := loaded.matrix.sweep) else {}),
    }


def moved(loaded: LoadedChecklist, checklist: Checklist, matrix: Path, folder: Path) -> dict[str, Any]:
    """The checklist's data with relative paths rewritten for a file in `folder`; `matrix`: folder of matrix.yaml."""
    data: dict[str, Any] = checklist.model_dump(mode="python", exclude_unset=True)

    def from_base(written: str) -> str:
        return written if Path(written).is_absolute() else os.path.relpath(loaded.folder / written, folder)

    for key in ("prompts", "tasks"):
        if data.get(key):
            data[key] = [from_base(one) for one in data[key]]
    items = data["items"]
    if items.get("license", {}).get("text"):
        items["license"]["text"] = from_base(items["license"]["text"])
    for one in items["modes"].get("load", ()):
        if one.get("trace"):
            one["trace"] = from_base(one["trace"])
    model = data["candidate"]["model"]
    if not Path(model).is_absolute() and (matrix / model).exists():
        data["candidate"]["model"] = str((matrix / model).resolve())
    return data


class _Quoting(yaml.SafeDumper):
    """Every text in quotes: no reader of YAML takes one for a number, a date or a truth value."""


def _quoted(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", str(value), style='"')


_Quoting.add_representer(str, _quoted)
_Quoting.add_multi_representer(str, _quoted)
_Quoting.ignore_aliases = lambda self, data: True  # type: ignore[method-assign]  # noqa: ARG005  PyYAML's own hook


def text_of(data: Mapping[str, Any]) -> str:
    """A checklist as YAML."""
    return yaml.dump(dict(data), Dumper=_Quoting, sort_keys=False, allow_unicode=True, width=1 << 20)


def addresses(checklist: Checklist) -> Iterator[tuple[str, Endpoint]]:
    """Modes that are served by a server that is up already, with their addresses."""
    for one in checklist.modes.values():
        if one.endpoint is not None:
            yield one.endpoint, one


#: keys of a swept run's frozen plan that are the same whichever settings screening left
SWEPT = ("prompts", "suites", "seed", "skip", "sweep")


def why_not(checklist: Checklist, files: Mapping[str, str], folder: Path) -> str:
    """Why the settings of a cell cannot be made; `files`: of its start commands, for `folder`. Empty: they can."""
    if checklist.sweep is None:
        return ""
    own = {str(folder / name): text for name, text in files.items()}

    def read(path: str) -> str:
        return own[path] if path in own else from_disk(path)

    try:
        settings(checklist, folder, read)
    except InputFileError as error:
        return error.message
    return ""


def planned(loaded: LoadedChecklist) -> tuple[Setup, tuple[Setup, ...], dict[str, Any]]:
    """The setup of the run that decides, those of its stages, and what its frozen plan says of the sweep."""
    found = standing(loaded, Path(), read=lambda _: "")  # the files were read by `why_not`
    return found.run, found.stages, {"sweep": found.plan.sha256}
