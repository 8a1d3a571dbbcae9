"""What the buyer declares of the hardware: a card's name, "cpu", or the JSON of `evalkit hardware --json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from evalkit.findings import Frozen
from evalkit.gpu.cards import Card, counted, find
from evalkit.gpu.facts import Gpu
from evalkit.text import one_line

_MOST = 128


class Declared(Frozen):
    """A declaration, read. `usable`: it names hardware; memory may still be unknown."""

    text: str | None = None
    gpus: tuple[Gpu, ...] = ()
    cpu_only: bool = False
    memory_bytes: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def usable(self) -> bool:
        return self.cpu_only or bool(self.gpus)

    def matches(self, name: str) -> bool:
        """Whether a found card's name is one of those declared."""
        card = find(name)
        for gpu in self.gpus:
            said = find(gpu.name)
            if (card and said and card.name == said.name) or gpu.name.lower() in name.lower():
                return True
        return False


def read_declared(value: str | Mapping[str, Any] | None) -> Declared:
    """The declaration in the shape of found hardware. Never raises: what cannot be used is said in `notes`."""
    if value is None:
        return Declared()
    if isinstance(value, Mapping):
        return _from_json(value)
    text = one_line(value, limit=120).strip()
    if not text:
        return Declared(notes=("hardware.declared is empty",))
    if text.lower() == "cpu":
        return Declared(text="cpu", cpu_only=True)
    count, name = counted(text)
    card = find(name)
    notes = (
        () if card else (f"{name!r} is not in the table of cards: its memory is unknown, so what fits is unknown too",)
    )
    return Declared(text=text, gpus=_cards(count, card, name), notes=notes)


def _cards(count: int, card: Card | None, name: str) -> tuple[Gpu, ...]:
    memory = card.usable_bytes if card else None
    why = {} if card else {"memory": "the card is in no table"}
    return tuple(
        Gpu(index=index, name=card.name if card else name, memory_total_bytes=memory, unreadable=why)
        for index in range(count)
    )


def _from_json(value: Mapping[str, Any]) -> Declared:
    rows = value.get("gpus")
    if not isinstance(rows, list):
        return Declared(
            text="JSON without gpus",
            notes=("hardware.declared has no list `gpus`: paste the whole JSON of evalkit hardware --json",),
        )
    gpus: list[Gpu] = []
    notes: list[str] = []
    for index, row in enumerate(rows[:_MOST]):
        try:
            known = {key: row[key] for key in Gpu.model_fields if key in row}
            gpus.append(Gpu(**{"index": index, **known}))
        except (ValidationError, TypeError) as error:
            notes.append(
                f"hardware.declared: gpus[{index}] was left out ({one_line(str(error).splitlines()[0], limit=80)})"
            )
    if not rows:
        return Declared(text="cpu", cpu_only=True, notes=("hardware.declared lists no GPU: taken as cpu",))
    names = ", ".join(dict.fromkeys(one_line(gpu.name, limit=60) for gpu in gpus))
    return Declared(text=f"{len(gpus)}x {names}" if gpus else None, gpus=tuple(gpus), notes=tuple(notes))
