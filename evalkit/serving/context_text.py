"""Long prompts with planted facts, from a seed: the text that the context probe sends."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

DEPTHS = (0.02, 0.25, 0.5, 0.75, 0.98)
_PLACES = ("harbour", "mill", "quarry", "orchard", "foundry", "ferry", "market", "library", "station", "garden")
_GOODS = ("copper", "barley", "timber", "salt", "linen", "paper", "honey", "glass", "wool", "slate")
_NAMES = ("Amber", "Birch", "Cedar", "Dorn", "Elm", "Fern", "Grove", "Hazel", "Iris", "Juniper", "Kestrel", "Larch")
_ENDS = ("field", "ford", "gate", "ham", "mere", "stead", "wick", "worth")


@dataclass(frozen=True)
class Planted:
    """A fact of the text. `depth` is its place, 0 the beginning."""

    depth: float
    name: str
    code: str

    @property
    def sentence(self) -> str:
        return f"The code of {self.name} is {self.code}."

    @property
    def question(self) -> str:
        return f"What is the code of {self.name}? Answer with the code only."


def plant(rng: Random) -> tuple[Planted, ...]:
    """One fact for each depth; names and codes differ, and no code is part of another."""
    names = rng.sample([f"{name}{end}" for name in _NAMES for end in _ENDS], len(DEPTHS))
    codes = rng.sample(range(10_000, 100_000), len(DEPTHS))
    return tuple(Planted(d, name, str(code)) for d, name, code in zip(DEPTHS, names, codes, strict=True))


def document(rng: Random, lines: int, facts: tuple[Planted, ...]) -> str:
    """`lines` ledger lines of about equal length with the facts' sentences at their depths."""
    text = [
        f"On day {rng.randint(100, 999)} the {rng.choice(_PLACES)} took in {rng.randint(100, 999)} crates of "
        f"{rng.choice(_GOODS)}."
        for _ in range(lines)
    ]
    for fact in sorted(facts, key=lambda one: -one.depth):
        text.insert(round(fact.depth * lines), fact.sentence)
    return "\n".join(text)


def ask(text: str, question: str) -> str:
    """The prompt: the text first, so that several questions share it as a cached prefix."""
    return f"Read this record.\n{text}\n\n{question}"
