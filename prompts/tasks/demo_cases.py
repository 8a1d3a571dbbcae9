"""Suites and prompts that the embedded reference server can do by its built-in rules, so that only scripted faults fail."""

from __future__ import annotations

import random
from typing import Any

from tool_cases import TEXT, tool
from words import ANIMALS, TOPICS, Cases

#: what the embedded reference server knows
DEMO_CITIES = {"Paris": "France", "Tokyo": "Japan", "Rome": "Italy", "Madrid": "Spain", "Berlin": "Germany", "London": "England", "Vienna": "Austria", "Lisbon": "Portugal", "Athens": "Greece", "Oslo": "Norway", "Cairo": "Egypt", "Lima": "Peru", "Delhi": "India", "Beijing": "China", "Ottawa": "Canada", "Warsaw": "Poland", "Prague": "Czechia", "Dublin": "Ireland", "Bern": "Switzerland", "Ankara": "Turkey", "Hanoi": "Vietnam", "Seoul": "Korea", "Nairobi": "Kenya", "Havana": "Cuba", "Quito": "Ecuador", "Santiago": "Chile", "Bogota": "Colombia", "Sofia": "Bulgaria", "Helsinki": "Finland", "Stockholm": "Sweden"}  # fmt: skip


def suites(rng: random.Random) -> dict[str, Cases]:
    """By kind."""
    weather = tool("get_weather", "Current weather in a city.", ["city"], city=TEXT)
    records: Cases = [
        {
            "id": f"record-{city.lower()}",
            "prompt": f"Give the record of {city} as JSON.",
            "expect": [{"json": {"where": "whole"}}, {"json_match": {"city": city, "country": country}}],
        }
        for city, country in DEMO_CITIES.items()
    ]
    for i in range(20):
        a, b = rng.randint(10, 99), rng.randint(10, 99)
        records.append({"id": f"sum-{i:02}", "prompt": f"What is {a} + {b}?", "expect": [{"number": a + b}]})
    tools: Cases = [
        {
            "id": f"weather-{city.lower()}",
            "prompt": f"What is the weather in {city}?",
            "tools": [weather],
            "expect": [{"tool_calls": [{"name": "get_weather", "args": {"city": city}}]}],
        }
        for city in DEMO_CITIES
    ]
    for i in range(10):
        a, b = rng.randint(10, 99), rng.randint(10, 99)
        tools.append(
            {
                "id": f"none-{i:02}",
                "prompt": f"What is {a} + {b}?",
                "tools": [weather],
                "expect": ["no_tool_call", {"number": a + b}],
            }
        )
    longs: Cases = []
    for i in range(30):
        n = 60 + 3 * i
        longs.append(
            {
                "id": f"list-{n}",
                "prompt": f"Write a numbered list of {n} lines.",
                "params": {"max_tokens": 2048},
                "expect": [{"sections": {"numbered": n}}, "clean_end", "no_special_tokens"],
            }
        )
    for i in range(15):
        text = " ".join(f"{k}:{rng.choice(ANIMALS[:16])}" for k in range(1, 41))
        longs.append(
            {
                "id": f"copy-{i:02}",
                "prompt": f"Repeat exactly: {text}",
                "params": {"max_tokens": 2048},
                "expect": [{"equals": text}],
            }
        )
    return {"structured": records, "tools": tools, "long": longs}


def chat() -> list[dict[str, Any]]:
    """Prompts for timing."""
    prompts = [f"Write {60 + 10 * i} words about {topic}." for i, topic in enumerate(TOPICS[:12])]
    prompts += [f"Write a numbered list of {10 + 4 * i} lines." for i in range(8)]
    prompts += [f"Give the record of {city} as JSON." for city in list(DEMO_CITIES)[:4]]
    prompts += [f"What is {11 * i} + {7 * i}?" for i in range(3, 7)]
    return [{"id": f"chat-{i:02}", "prompt": prompt, "max_tokens": 256} for i, prompt in enumerate(prompts)]
