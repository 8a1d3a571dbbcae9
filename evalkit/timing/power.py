"""Watches the devices of this machine while modes are timed: one thread for the whole run, labelled by the mode under
load. Does nothing where the endpoints are elsewhere or no device is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from evalkit.gpu.facts import HardwareFacts, TelemetrySample

if TYPE_CHECKING:
    from evalkit.gpu.telemetry import Sampler

_EVERY_S = 0.2


class Devices:
    """`on_load` is what `Settings.on_load` wants; `samples` are the readings under load so far."""

    def __init__(self, sampler: Sampler | None) -> None:
        self._sampler = sampler

    def on_load(self, mode: str | None, level: int) -> None:
        if self._sampler is not None:
            self._sampler.mode, self._sampler.concurrency = mode or "", level

    @property
    def samples(self) -> Iterable[TelemetrySample]:
        return [s for s in self._sampler.samples if s.mode] if self._sampler is not None else []


@contextmanager
def watched(hardware: HardwareFacts | None, *, every_s: float = _EVERY_S) -> Iterator[Devices]:
    """The devices, watched for as long as the block lasts."""
    if hardware is None or hardware.place != "here" or not hardware.gpus:
        yield Devices(None)
        return
    from evalkit.gpu.telemetry import Sampler

    with Sampler("", 0, interval_s=every_s) as sampler:
        yield Devices(sampler)
