"""Words that the generated cases are made of, and how a case is put together."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

Cases = list[dict[str, Any]]
#: prompt, and what is expected of the reply
Kind = tuple[str, list[Any]]

NOUNS = (
    "river bridge garden window mountain teacher market engine letter island forest kitchen planet doctor camera"
    " harbour candle ladder basket violin tunnel lantern orchard compass mirror wagon anchor blanket hammer meadow"
).split()
ANIMALS = (
    "otter falcon badger lynx heron tortoise beetle salmon gecko marmot raven bison squid walrus ibex newt"
    " weasel pelican mole ferret stork viper moose cricket"
).split()
COLOURS = "red green blue yellow purple orange black white silver brown pink grey".split()
CITIES = {
    "Paris": "France", "Tokyo": "Japan", "Rome": "Italy", "Madrid": "Spain", "Berlin": "Germany", "Vienna": "Austria",
    "Lisbon": "Portugal", "Athens": "Greece", "Oslo": "Norway", "Cairo": "Egypt", "Lima": "Peru", "Ottawa": "Canada",
    "Warsaw": "Poland", "Prague": "Czechia", "Dublin": "Ireland", "Hanoi": "Vietnam", "Nairobi": "Kenya",
    "Havana": "Cuba", "Quito": "Ecuador", "Helsinki": "Finland", "Ankara": "Turkey", "Bern": "Switzerland",
    "Seoul": "South Korea", "Stockholm": "Sweden", "Sofia": "Bulgaria", "Baghdad": "Iraq", "Santiago": "Chile",
}  # fmt: skip
NAMES = "Ada Ben Cleo Dan Eva Finn Gus Hana Ivo Jana Kai Lena Max Nora Otto Pia Rosa Sven Tara Uwe Vera Yann".split()
TOPICS = (
    "a rainy morning", "the price of coffee", "a lost umbrella", "learning to swim", "a night train", "an old clock",
    "bees in a city", "a broken lift", "the first snow", "a long queue", "moving house", "a quiet library",
    "repairing a bicycle", "a school play", "a crowded ferry", "growing tomatoes", "a power cut", "a mountain hut",
    "baking bread", "a late parcel", "a stray cat", "walking to work", "an empty theatre", "a noisy neighbour",
    "a second-hand book", "the smell of paint", "a new pair of shoes", "a chess evening", "a flooded cellar", "a village fair",
)  # fmt: skip


def kinds_in_turn(
    prefix: str, n: int, rng: random.Random, kinds: Callable[[random.Random], list[Kind]]
) -> Iterator[dict[str, Any]]:
    """`n` cases, the kinds one after the other, each drawn anew."""
    for i in range(n):
        drawn = kinds(rng)
        prompt, expect = drawn[i % len(drawn)]
        yield {"id": f"{prefix}-{i:03}", "prompt": prompt, "expect": expect}


def distinct(make: Callable[[random.Random, int], Cases], seed: int, n: int) -> Cases:
    """`n` cases with prompts of their own: the same question twice is no second piece of evidence.

    Every kind keeps its turn: a kind that runs out of prompts of its own is an error of the script.
    """
    by_prompt: dict[str, dict[str, Any]] = {}
    for case in make(random.Random(seed), 6 * n):
        by_prompt.setdefault(case["prompt"], case)
    kept = list(by_prompt.values())[:n]
    assert len(kept) == n
    for i, case in enumerate(kept):
        case["id"] = f"{case['id'].partition('-')[0]}-{i:03}"
    return kept
