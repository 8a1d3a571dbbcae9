"""`sweep` of a checklist or matrix: settings of one mode that are screened first, and the best of them decided."""

# ruff: noqa: RUF012  pydantic copies defaults
from __future__ import annotations

import math
from itertools import product
from typing import Annotated, Literal

from pydantic import Field, model_validator

from evalkit.checklist.base import ModeLabel, Section
from evalkit.modes import LONGEST_CONFIG

Knob = Literal["threshold", "block_size", "steps", "max_running_requests"]
#: as labels have them, in the order in which a label says them
SHORT: dict[Knob, str] = {"block_size": "b", "threshold": "t", "steps": "s", "max_running_requests": "r"}
#: settings of one sweep: a checklist has at most 24 modes
MOST_SETTINGS = 23

Count = Annotated[int, Field(gt=0, le=1 << 20)]
_Many = Field(max_length=MOST_SETTINGS)


class Knobs(Section):
    """Values to try of each knob of the mode's server. Every combination is one setting."""

    threshold: Annotated[list[Annotated[float, Field(ge=0, le=1)]], _Many] = []
    """Confidence from which a position is decoded."""
    block_size: Annotated[list[Count], _Many] = []
    """Tokens of a block."""
    steps: Annotated[list[Count], _Many] = []
    """Denoising steps of a block, at most."""
    max_running_requests: Annotated[list[Count], _Many] = []
    """Requests that the server decodes together, at most."""

    def lists(self) -> dict[Knob, list[float]]:
        """Values of the knobs that are swept, in the order of labels."""
        return {name: list(values) for name in SHORT if (values := getattr(self, name))}

    def points(self) -> list[dict[Knob, float]]:
        """Every combination; none where no knob is given."""
        lists = self.lists()
        return [dict(zip(lists, values, strict=True)) for values in product(*lists.values())] if lists else []

    @model_validator(mode="after")
    def _grid(self) -> Knobs:
        lists = self.lists()
        for name, values in lists.items():
            if len(set(values)) != len(values):
                raise ValueError(f"{name} lists a value twice")
        count = math.prod(len(values) for values in lists.values())
        if lists and not 2 <= count <= MOST_SETTINGS:
            raise ValueError(f"the knobs make {count} settings: 2 to {MOST_SETTINGS} can be swept")
        return self


class Sweep(Section):
    """Finds the fastest setting of a mode that loses at most the margin, with less than the whole grid."""

    mode: ModeLabel
    """The mode whose settings are swept, such as `diffusion`. Its `launch` is the template of every setting."""
    knobs: Knobs = Knobs()
    """Values to try. Absent: the settings are the configurations of the mode that are under `modes`."""
    finalists: Annotated[int, Field(ge=1, le=6)] | None = None
    """Settings that are decided after screening; default: 1 to 3, as half of the requests of the grid allow."""

    @model_validator(mode="after")
    def _labelled(self) -> Sweep:
        if "@" in self.mode:
            raise ValueError(f"mode is a mode, not a configuration of one: write {self.mode.partition('@')[0]}")
        labels = [label_of(self.mode, point) for point in self.knobs.points()]
        if len(set(labels)) < len(labels):
            raise ValueError("two values of a knob are the same to six digits")
        if any(len(label.partition("@")[2]) > LONGEST_CONFIG for label in labels):
            raise ValueError(f"a setting's label is longer than {LONGEST_CONFIG} characters: use rounder values")
        return self


def spelled(value: float) -> str:
    """A value as a command or a label has it: `8`, `0.95`; never with an exponent where it is whole."""
    return str(int(value)) if float(value).is_integer() else f"{value:g}"


def label_of(mode: str, knobs: dict[Knob, float]) -> str:
    """`diffusion@b8-t0.5`."""
    return f"{mode}@{'-'.join(f'{SHORT[name]}{spelled(value)}' for name, value in knobs.items())}"
