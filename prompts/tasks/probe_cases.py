"""Cases that ask the same at growing sizes, so that the size at which a mode breaks is seen.

`python prompts/tasks/probe_cases.py FILE --distances 1000 4000` writes a suite of retrieval at distances of one's own, below
and above the length that a model was trained on: a line is about ten tokens.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

from words import ANIMALS, COLOURS, NOUNS, Cases

ITEMS = (2, 4, 8, 16, 32)
DISTANCES = (4, 16, 48)


def ladder(seed: int = 20, each: int = 60) -> Cases:
    """A list to be reversed, of 2 to 32 words: every token depends on the others."""
    rng = random.Random(seed)
    words = sorted({*ANIMALS, *COLOURS, *NOUNS})
    cases: Cases = []
    seen: set[str] = set()
    for size in ITEMS:
        made = 0
        while made < each:
            listed = rng.sample(words, size)
            text = ", ".join(listed)
            if text in seen:
                continue
            seen.add(text)
            made += 1
            cases.append(
                {
                    "id": f"items-{size:02}-{made:02}",
                    "prompt": f"Reverse the list: {text}. Reply with the reversed list only, separated by commas.",
                    "tags": [f"items:{size}"],
                    "expect": [{"items": {"of": listed, "order": "reversed"}}],
                }
            )
    return cases


def distance(distances: tuple[int, ...] = DISTANCES, seed: int = 21, each: int = 100) -> Cases:
    """A code among others, told so many lines before the question."""
    rng = random.Random(seed)
    cases: Cases = []
    for lines in distances:
        for made in range(each):
            names = [f"{rng.choice(COLOURS)} {rng.choice(NOUNS)} {n}" for n in range(lines + 4)]
            codes = rng.sample(range(10_000, 100_000), len(names))
            told = [f"The code of the {name} is {code}." for name, code in zip(names, codes, strict=True)]
            place = len(names) - lines
            cases.append(
                {
                    "id": f"distance-{lines:04}-{made:02}",
                    "prompt": "\n".join(told)
                    + f"\nWhat is the code of the {names[place]}? Reply with the number only.",
                    "tags": [f"distance:{lines}"],
                    "expect": [{"number": codes[place]}],
                }
            )
    return cases


def main() -> None:
    """Writes a suite of retrieval at the given distances."""
    from make import write

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--distances", type=int, nargs="+", required=True, help="lines before the question")
    parser.add_argument("--cases", type=int, default=100, help="of each distance")
    asked = parser.parse_args()
    cases = distance(tuple(asked.distances), each=asked.cases)
    write(asked.file.parent, asked.file.stem, "custom", cases, defaults={"max_tokens": 64})


if __name__ == "__main__":
    main()
