"""The suite that `evalkit init` writes: small cases to be replaced by the user's own, enough of them to decide."""

from __future__ import annotations

import random
from typing import Any

from words import CITIES, NAMES, Cases

ITEMS = "lamp desk chair rug cup shelf plate mirror stool vase basket clock".split()
_GOOD = (
    "The lamp came early and looks better than in the picture.", "Quiet, quick, easy to clean. I bought a second one.",
    "Exactly the shade I hoped for; the fabric feels lovely.", "My father put it together alone in ten minutes. Great manual.",
    "Three years of daily use and it still works like on the first day.", "The staff called back within the hour and solved it.",
    "Light, sturdy, and it folds flat. Perfect for the balcony.", "My daughter has not put it down since her birthday.",
    "Better than the one that cost twice as much.", "Packed with care, not a scratch on it.",
    "The taste reminds me of my grandmother's kitchen. Wonderful.", "I was doubtful, and I was wrong: a joy to use.",
)  # fmt: skip
_BAD = (
    "The box was open and one leg of the table is cracked.", "After two days the screen went black for good.",
    "Support never answered, and the refund took a month.", "It smells of glue and the drawer will not close.",
    "The zip broke on the first trip.", "Half of the parts were missing, and the other half did not fit.",
    "It leaks wherever I put it. Straight back to the shop.", "The colour washed out at once and ruined my shirts.",
    "So loud that the neighbours complained.", "The battery lasts twenty minutes, not the promised ten hours.",
    "Cold on arrival, and the driver was rude.", "I waited six weeks for the wrong size.",
)  # fmt: skip
#: question, and texts of which one must stand in the answer
_FACTS = (
    ("Which planet is closest to the sun?", "Mercury"), ("What is the chemical formula of water?", "H2O"),
    ("Which ocean lies between Europe and North America?", "Atlantic"), ("Which metal has the symbol Fe?", "iron"),
    ("How many minutes does an hour have? Give the number in digits.", "60"), ("How many sides does a hexagon have? Give the number in digits.", "6"),
    ("Which gas do plants take in for photosynthesis?", "carbon dioxide"), ("How many days does a leap year have? Give the number in digits.", "366"),
)  # fmt: skip


def example() -> Cases:
    """80 cases: orders as JSON, labels of one word, short facts."""
    rng = random.Random(19)
    cases: Cases = []
    numbers = rng.sample(range(100, 9999), 32)
    for number in numbers:
        count, item, name, city = rng.randint(2, 40), rng.choice(ITEMS), rng.choice(NAMES), rng.choice(list(CITIES))
        prompt = (
            f"Order {number}: {count} x {item} for {name}, to {city}. Give it as JSON with the keys order, count, item,"
            " name and city. JSON only."
        )
        expect = [{"json_match": {"order": number, "count": count, "city": city}}]
        cases.append({"id": f"order-{number}", "prompt": prompt, "expect": expect, "tags": ["json"]})
    reviews = [(text, "positive") for text in _GOOD] + [(text, "negative") for text in _BAD]
    rng.shuffle(reviews)
    for i, (text, label) in enumerate(reviews, 1):
        prompt = f"Is this review positive or negative? Answer with one word. Review: {text}"
        starts: dict[str, Any] = {"starts_with": {"any": [label], "ignore_case": True}}
        cases.append({"id": f"review-{i}", "prompt": prompt, "expect": [starts], "tags": ["label"]})
    capitals = [(f"Which city is the capital of {land}?", city) for city, land in list(CITIES.items())[:16]]
    for i, (question, answer) in enumerate((*_FACTS, *capitals), 1):
        holds = {"contains": {"any": [answer], "ignore_case": True}}
        cases.append({"id": f"fact-{i}", "prompt": question, "expect": [holds], "tags": ["fact"]})
    return cases
