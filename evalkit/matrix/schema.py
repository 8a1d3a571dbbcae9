"""matrix.yaml: the axes, what is added and left out, and the checklist that every cell starts from. Strict."""

# ruff: noqa: RUF012  pydantic copies defaults
from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from evalkit.checklist.base import Positive, Section
from evalkit.checklist.schema import Endpoint
from evalkit.checklist.sweep import Sweep
from evalkit.gpu.fit import Precision
from evalkit.modes import canonical
from evalkit.text import cut

#: cells that one file may expand to
MOST_CELLS = 1000

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")]
Level = Annotated[int, Field(gt=0, le=1024)]
#: an option of sbatch in one word, without anything that a shell would read
SbatchOption = Annotated[str, Field(pattern=r"^--[a-z][a-z-]*(=[A-Za-z0-9_.,:/@%+&|!*\[\]-]+)?$", max_length=200)]


def _model(value: object) -> object:
    """A model's id alone is a variant of that model."""
    return {"model": value} if isinstance(value, str) else value


def _named(value: object) -> object:
    """A name alone is an entry of that name."""
    return {"name": value} if isinstance(value, str) else value


class Variant(Section):
    """A model."""

    model: Annotated[str, Field(min_length=1, max_length=512)]
    """Hub id, folder or snapshot file."""
    revision: Annotated[str, Field(min_length=1, max_length=200)] = "main"
    """Branch, tag or commit."""
    name: Name | None = None
    """What it is called in the table; default: the last part of `model`."""

    @property
    def label(self) -> str:
        last = self.model.rstrip("/").rsplit("/", 1)[-1].removesuffix(".json")
        safe = (c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in cut(last, 40))
        return self.name or "".join(safe).lstrip("._-") or "model"


class Recipe(Section):
    """An engine, and how it is started in each mode: by its own commands, else by those of the shipped records."""

    name: Name
    """Name of the engine: `sglang`, `vllm`, `sglang-fork`, or one of your own with `modes`."""
    modes: Annotated[dict[str, Endpoint], Field(max_length=24)] = {}
    """By mode: `launch`, or `endpoint` of a server that is up. Absent: the start commands of the shipped records."""
    precision: dict[Precision, list[str]] = {"bf16": []}
    """By precision: words that are added to every `launch`. A precision that is not listed has no recipe."""

    @field_validator("modes", mode="before")
    @classmethod
    def _canonical(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {canonical(label) if isinstance(label, str) else label: one for label, one in value.items()}


class RayPlace(Section):
    """Nodes of a Ray cluster."""

    labels: Annotated[dict[str, str], Field(max_length=20)] = {}
    """Labels of the nodes, as `ray start --labels` gives them."""
    accelerator: Annotated[str, Field(min_length=1, max_length=60)] | None = None
    """Ray's name of the accelerator: `H100`, `L4`, `A100`."""
    resources: Annotated[dict[str, Annotated[float, Field(gt=0)]], Field(max_length=20)] = {}
    """Resources of your own that the nodes have, with how much a cell takes."""
    cpus: Annotated[int, Field(gt=0)] | None = None
    """CPUs of one node; absent: what the cluster's nodes of this kind have. A cell takes them all."""


class Hardware(Section):
    """A kind of machine."""

    name: Name
    """What it is called in the table."""
    card: Annotated[str, Field(min_length=1, max_length=120)]
    """The card, with the number of them: `H100-80GB`, `2x L4`, `cpu`."""
    usd_per_gpu_hour: Annotated[float, Field(ge=0)] | None = None
    """What an hour of one GPU costs."""
    sbatch: list[SbatchOption] = []
    """Options of sbatch that lead to such a node: `[--partition=gpu, --constraint=h100]`."""
    ray: RayPlace = RayPlace()
    """What leads to such a node of a Ray cluster."""


class Axes(Section):
    """Every combination of these is a cell."""

    variants: Annotated[list[Annotated[Variant, BeforeValidator(_model)]], Field(min_length=1, max_length=100)]
    """Models."""
    engines: Annotated[list[Annotated[Recipe, BeforeValidator(_named)]], Field(min_length=1, max_length=20)]
    """Engines with their recipes."""
    hardware: Annotated[list[Hardware], Field(min_length=1, max_length=50)]
    """Kinds of machine."""
    precision: Annotated[list[Precision], Field(min_length=1)] = ["bf16"]
    """Precisions of the weights."""
    load: Annotated[list[Level], Field(max_length=12)] = []
    """Concurrencies that cells decide at, one a cell; absent: what the base checklist says."""

    @model_validator(mode="after")
    def _distinct(self) -> Axes:
        for axis, names in (
            ("variants", [one.label for one in self.variants]), ("engines", [one.name for one in self.engines]),
            ("hardware", [one.name for one in self.hardware]), ("precision", self.precision), ("load", self.load),
        ):  # fmt: skip
            twice = next((str(name) for n, name in enumerate(names) if name in names[:n]), None)
            if twice is not None:
                raise ValueError(f"{axis} has {twice} twice: give each entry a name of its own")
        return self


class Match(Section):
    """Cells by their place on the axes. A key that is absent matches every cell."""

    variant: str | None = None
    """Name of a variant."""
    engine: str | None = None
    """Name of an engine."""
    hardware: str | None = None
    """Name of a kind of machine."""
    precision: Precision | None = None
    """A precision."""
    load: Level | None = None
    """A concurrency."""

    def key(self) -> dict[str, Any]:
        return self.model_dump(exclude_none=True)


class Matrix(Section):
    """One file, many runs."""

    schema_version: Literal[1] = 1
    """Version of this format."""
    name: Annotated[str, Field(min_length=1, max_length=200)] = "unnamed matrix"
    """Title of the report."""
    base: Annotated[str, Field(min_length=1, max_length=1024)]
    """The checklist that every cell starts from, relative to this file."""
    axes: Axes
    """What is combined."""
    include: Annotated[list[Match], Field(max_length=200)] = []
    """Cells in addition, also at a precision or load that is on no axis. Each has variant, engine and hardware."""
    exclude: Annotated[list[Match], Field(max_length=200)] = []
    """Cells to leave out. What `include` gives is not left out."""
    sweep: Sweep | None = None
    """Settings of one mode that every cell screens before it decides the best; default: those of the base checklist."""
    cell_minutes: Positive | None = None
    """Longest time of one cell, in minutes; default: twice its estimate and half an hour. A cell that takes longer is
    ended, and has failed."""
