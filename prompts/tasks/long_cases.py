"""Cases with long replies: ordered sections, counted lists, tables, copies with edits, asked length."""

from __future__ import annotations

import random
from typing import Any

from words import ANIMALS, CITIES, COLOURS, NOUNS, TOPICS, Cases, Kind, kinds_in_turn

TITLES = (
    "Summary", "Background", "Causes", "Effects", "Costs", "Options", "Risks", "Next steps", "Timeline", "People",
    "Sources", "Open questions",
)  # fmt: skip
WHOLE: list[Any] = ["no_loop", "no_duplicates", "clean_end", {"max_repetition": 0.3}]
#: of the longest replies; a server that cannot hold them is found out by the context item
MAX_TOKENS = 4096


def long_output(rng: random.Random, n: int) -> Cases:
    """From some hundred to some thousand tokens, each part checked."""

    def kinds(rng: random.Random) -> list[Kind]:
        topic, count = rng.choice(TOPICS), rng.randint(40, 120)
        titles = list(TITLES[: rng.randint(6, 12)])
        old, new = rng.sample(ANIMALS, 2)
        rest = [a for a in ANIMALS if a != new]
        lines = [
            f"{k}. the {rng.choice(COLOURS)} {old if k % 3 == 0 else rng.choice(rest)} sleeps" for k in range(1, 41)
        ]
        words, rows = rng.choice([300, 500, 800, 1200]), rng.randint(20, 40)
        first = rng.randint(100, 900)
        names = rng.sample(NOUNS, 12)
        cities = rng.sample(list(CITIES), 15)
        return [
            (
                f"Write a report on {topic} with exactly these headings, in this order, each on its own line behind '## ': {', '.join(titles)}. Two or three sentences under each.",
                [{"sections": {"titles": titles}}, *WHOLE],
            ),
            (
                f"Write a numbered list from 1. to {count}. with one different short fact about animals or plants a line. Nothing else.",
                [{"sections": {"numbered": count}}, "no_loop", "clean_end"],
            ),
            (
                f"Write a Markdown table with a header and exactly {rows} rows: the numbers 1 to {rows}, and their squares. Nothing else.",
                [
                    {"instructions": {"table_rows": rows, "table_columns": 2}},
                    {"contains": {"all": [str(rows * rows), str((rows // 2) ** 2)]}},
                ],
            ),
            (
                f"Copy the following lines exactly, but write '{new}' wherever '{old}' stands. Nothing else.\n\n" + "\n".join(lines),
                [{"equals": {"any": ["\n".join(lines).replace(old, new)]}}],
            ),
            (
                f"Write an essay about {topic} of about {words} words.",
                [{"length": {"target": words, "tolerance": 0.3}}, {"language": "en"}, *WHOLE],
            ),
            (
                f"Reply with nothing but a JSON array of {rows} objects with the keys n and square: n runs from {first} to {first + rows - 1}, in order.",
                [{"json_match": {"value": [{"n": k, "square": k * k} for k in range(first, first + rows)], "exact": True}}],
            ),
            (
                f"Write a glossary of these {len(names)} words, in this order, one a line, each as 'word: one sentence': {', '.join(names)}. Nothing else.",
                [{"sections": {"titles": [f"{name}:" for name in names]}}, "no_loop", "clean_end"],
            ),
            (
                f"Write a travel plan of {len(cities)} days. Begin the line of each day with 'Day 1:' to 'Day {len(cities)}:' and name the city of the day, in this order: {', '.join(cities)}. One or two sentences a day, each day one line. Nothing else.",
                [{"sections": {"numbered": len(cities), "prefix": "Day "}}, {"contains": {"all": cities}}, "no_loop", "clean_end"],
            ),
        ]  # fmt: skip

    return [
        {"id": case["id"], "prompt": case["prompt"], "params": {"max_tokens": MAX_TOKENS}, "expect": case["expect"]}
        for case in kinds_in_turn("long", n, rng, kinds)
    ]
