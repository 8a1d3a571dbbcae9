"""The shipped prompts for timing."""

from __future__ import annotations

from typing import Any


def timed() -> list[dict[str, Any]]:
    """Prompts for timing: short and long questions, short and long answers."""
    rows = [
        ("short", 64, "Name three uses of copper."), ("short", 64, "What does a heat pump do? One sentence."),
        ("short", 96, "Suggest a name for a bakery and say why in one sentence."), ("short", 64, "Which is heavier, a litre of oil or of water, and why?"),
        ("chat", 256, "How do I remove a coffee stain from a cotton shirt?"), ("chat", 256, "Explain compound interest to a twelve-year-old."),
        ("chat", 256, "My bike chain keeps falling off. What should I check, in which order?"), ("chat", 256, "Compare renting and buying a flat in five sentences."),
        ("chat", 256, "Write a polite reply to a customer whose parcel is a week late."), ("chat", 256, "Plan a rainy Saturday for a family with two small children."),
        ("list", 384, "List 15 things to check before a long drive, one a line."), ("list", 384, "Give 12 ideas for a team lunch, each with one sentence."),
        ("json", 256, "Reply with a JSON array of five fruits, each with name, colour and a typical weight in grams."),
        ("json", 256, "Reply with a JSON object that describes a two-day trip to Rome: day, place and duration in hours of six visits."),
        ("code", 384, "Write a Python function that merges two sorted lists, with a docstring and type hints."),
        ("code", 384, "Write an SQL query that finds the three best-selling products a month from orders(id, product, day, amount)."),
        ("code", 384, "Explain what a race condition is and show one in Python."), ("reason", 384, "A train leaves at 9:40 and needs 2 hours 35 minutes, with a stop of 12 minutes. When does it arrive? Show the steps."),
        ("reason", 384, "Three friends split a bill of 87 euros; one pays 10 euros less than each of the others. Who pays what? Show the steps."),
        ("reason", 384, "Is it cheaper to drive 400 km at 6.5 l per 100 km and 1.80 euros a litre, or to take a train for 52 euros?"),
        ("long", 768, "Write a 500-word introduction to how glaciers form and move."), ("long", 768, "Write a step-by-step guide to setting up a small vegetable garden, with headings."),
        ("long", 768, "Tell a story of about 450 words about a lighthouse keeper who finds a letter."), ("long", 768, "Write a report of about 500 words on the pros and cons of working from home, with headings."),
    ]  # fmt: skip
    return [
        {"id": f"{tag}-{i:02}", "prompt": prompt, "max_tokens": tokens, "tags": [tag]}
        for i, (tag, tokens, prompt) in enumerate(rows)
    ]
