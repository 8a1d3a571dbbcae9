"""Where cells run: one file an engine, and one line here."""

from __future__ import annotations

from evalkit.matrix.engines.base import Engine, Handle, State
from evalkit.matrix.engines.local import Local
from evalkit.matrix.engines.ray import Ray
from evalkit.matrix.engines.slurm import Slurm

__all__ = ["Engine", "Handle", "Local", "Ray", "Slurm", "State"]
