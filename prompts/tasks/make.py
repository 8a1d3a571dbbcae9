"""Writes the shipped suites: `python prompts/tasks/make.py`. Same seed, same files; a test compares them."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
Cases = list[dict[str, Any]]

NOUNS = "river bridge garden window mountain teacher market engine letter island forest kitchen planet doctor camera".split()
ANIMALS = (
    "otter falcon badger lynx heron tortoise beetle salmon gecko marmot raven bison squid walrus ibex newt".split()
)
COLOURS = "red green blue yellow purple orange black white silver brown pink grey".split()
CITIES = {
    "Paris": "France", "Tokyo": "Japan", "Rome": "Italy", "Madrid": "Spain", "Berlin": "Germany", "Vienna": "Austria",
    "Lisbon": "Portugal", "Athens": "Greece", "Oslo": "Norway", "Cairo": "Egypt", "Lima": "Peru", "Ottawa": "Canada",
    "Warsaw": "Poland", "Prague": "Czechia", "Dublin": "Ireland", "Hanoi": "Vietnam", "Nairobi": "Kenya",
    "Havana": "Cuba", "Quito": "Ecuador", "Helsinki": "Finland",
}  # fmt: skip
NAMES = "Ada Ben Cleo Dan Eva Finn Gus Hana Ivo Jana Kai Lena Max Nora Otto Pia".split()
TOPICS = (
    "a rainy morning", "the price of coffee", "a lost umbrella", "learning to swim", "a night train", "an old clock",
    "bees in a city", "a broken lift", "the first snow", "a long queue", "moving house", "a quiet library",
)  # fmt: skip


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        del data
        return True


def write(folder: Path, name: str, kind: str, cases: Cases, **head: Any) -> None:
    """One suite as YAML."""
    data = {"suite": {"name": name, "kind": kind, "version": "1", **head}, "cases": cases}
    text = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120, default_flow_style=None)
    (folder / f"{name.removeprefix('demo-')}.yaml").write_text(
        f"# written by prompts/tasks/make.py\n{text}", encoding="utf-8"
    )


def instructions(rng: random.Random, n: int) -> Cases:
    """Form on request: counts, keywords, case, endings, initials."""
    cases: Cases = []
    for i in range(n):
        topic, word, other = rng.choice(TOPICS), rng.choice(NOUNS), rng.choice(COLOURS)
        count = rng.randint(3, 6)
        kinds: list[tuple[str, dict[str, Any]]] = [
            (
                f"Write about {topic} as exactly {count} bullet points, each starting with '- '. Nothing else.",
                {"bullets": count},
            ),
            (
                f"Write {count} sentences about {topic} without using any comma.",
                {"sentences": count, "no_commas": True},
            ),
            (
                f"Write one short paragraph about {topic} that contains the words '{word}' and '{other}'.",
                {"paragraphs": 1, "keywords": [word, other]},
            ),
            (
                f"Describe {topic} in at most {count * 10} words, in small letters only.",
                {"words": {"max": count * 10}, "case": "lower"},
            ),
            (
                f"Write a notice about {topic} in capital letters only, at most 30 words.",
                {"words": {"max": 30}, "case": "upper"},
            ),
            (
                f"Write {count} numbered steps, '1.' to '{count}.', on dealing with {topic}. Nothing else.",
                {"numbered": count},
            ),
            (f"Write a sentence about {topic} that uses the word '{word}' exactly twice.", {"frequency": {word: 2}}),
            (f"Write about {topic} in one paragraph that ends with the word '{word}'.", {"last_word": word}),
            (
                f"Write about {topic} in {count - 1} paragraphs separated by blank lines. Do not use the word 'very'.",
                {"paragraphs": count - 1, "forbidden": ["very"]},
            ),
            (f"Write one sentence about {topic} and put the whole reply in double quotation marks.", {"quoted": True}),
        ]
        prompt, rule = kinds[i % len(kinds)]
        cases.append({"id": f"form-{i:03}", "prompt": prompt, "expect": [{"instructions": rule}, "no_special_tokens"]})
    return cases


def structured(rng: random.Random, n: int) -> Cases:
    """JSON from given facts: flat, nested, lists; every value is checked."""
    cases: Cases = []
    for i in range(n):
        who, city, age = rng.choice(NAMES), rng.choice(list(CITIES)), rng.randint(18, 80)
        items = rng.sample(NOUNS, 3)
        prices = [rng.randint(1, 90) for _ in items]
        flat = {"name": who, "age": age, "city": city}
        order = {
            "customer": {"name": who, "city": city},
            "items": [{"item": a, "price": p} for a, p in zip(items, prices, strict=True)],
        }
        people = [{"name": a, "age": rng.randint(18, 80)} for a in rng.sample(NAMES, 8)]
        table = "; ".join(f"{p['name']} is {p['age']}" for p in people)
        kinds: list[tuple[str, Any, dict[str, Any]]] = [
            (f"{who} is {age} years old and lives in {city}. Reply with nothing but a JSON object with the keys name, age and city.", flat, _object(flat)),
            (
                f"{who} from {city} orders: {', '.join(f'{a} for {p} euros' for a, p in zip(items, prices, strict=True))}. Reply with nothing but "
                "JSON: {customer: {name, city}, items: [{item, price}]}, the items in this order, prices as numbers.",
                order, _object(order),
            ),
            (f"{table}. Reply with nothing but a JSON array of objects with name and age, in this order.", people, {"type": "array", "items": _object(people[0])}),
            (
                f"Reply with nothing but a JSON array of the {len(items)} words {', '.join(items)} in reverse order.",
                items[::-1], {"type": "array", "items": {"type": "string"}},
            ),
        ]  # fmt: skip
        prompt, value, schema = kinds[i % len(kinds)]
        expect = [{"json_schema": {"schema": schema}}, {"json_match": {"value": value, "exact": True}}]
        cases.append({"id": f"json-{i:03}", "prompt": prompt, "expect": expect})
    return cases


def _object(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return {"type": "object", "properties": {k: _object(v) for k, v in value.items()}, "required": list(value)}
    if isinstance(value, list):
        return {"type": "array", "items": _object(value[0])}
    return {"type": "integer" if isinstance(value, int) else "string"}


def _tool(name: str, about: str, required: list[str], **properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": required}
    return {"type": "function", "function": {"name": name, "description": about, "parameters": parameters}}


TEXT = {"type": "string"}
WHOLE = {"type": "integer"}
WEATHER = _tool(
    "get_weather",
    "Current weather in a city.",
    ["city"],
    city=TEXT,
    unit={"type": "string", "enum": ["celsius", "fahrenheit"]},
)
TIMER = _tool("set_timer", "Starts a timer.", ["minutes"], minutes=WHOLE, label=TEXT)
MAIL = _tool(
    "send_message", "Sends a message to a person.", ["to", "text"],
    to={"type": "object", "properties": {"name": TEXT}, "required": ["name"]}, text=TEXT,
)  # fmt: skip
MONEY = _tool(
    "convert_money", "Converts an amount.", ["amount", "source", "target"], amount=WHOLE, source=TEXT, target=TEXT
)
TOOLS = [WEATHER, TIMER, MAIL, MONEY]


def tool_calls(rng: random.Random, n: int) -> Cases:
    """Single, several tools, parallel, nested, optional, and none wanted."""
    unit = {"any_of": ["celsius", "fahrenheit"], "optional": True}
    cases: Cases = []
    for i in range(n):
        first, second = rng.sample(list(CITIES), 2)
        who, minutes, amount = rng.choice(NAMES), rng.randint(2, 90), rng.randint(5, 900)
        weather = [{"name": "get_weather", "args": {"city": city, "unit": unit}} for city in (first, second)]
        kinds: list[tuple[str, list[Any], list[Any]]] = [
            (f"What is the weather in {first} right now?", [WEATHER], [{"tool_calls": weather[:1]}]),
            (f"Set a timer for {minutes} minutes.", TOOLS, [{"tool_calls": [{"name": "set_timer", "args": {"minutes": minutes, "label": {"any": True, "optional": True}}}]}]),
            (f"What is the weather in {first} and in {second}? Look both up at once.", TOOLS, [{"tool_calls": weather}]),
            (
                f"Send {who} this message, word for word: back in {minutes} minutes", TOOLS,
                [{"tool_calls": [{"name": "send_message", "args": {"to": {"name": who}, "text": {"equals": f"back in {minutes} minutes", "normalize": ["casefold", "whitespace"]}}}]}],
            ),
            (f"Convert {amount} EUR to USD.", TOOLS, [{"tool_calls": [{"name": "convert_money", "args": {"amount": amount, "source": "EUR", "target": "USD"}}]}]),
            (f"In which country is {first}? Answer from memory, in one word.", [TIMER, MONEY], ["no_tool_call", {"contains": CITIES[first]}]),
            (f"What is the weather in {first}, in fahrenheit?", TOOLS, [{"tool_calls": [{"name": "get_weather", "args": {"city": first, "unit": "fahrenheit"}}]}]),
            (f"Thank you, {who} here. No action is needed; just wish me a good day.", TOOLS, ["no_tool_call", "no_special_tokens"]),
        ]  # fmt: skip
        prompt, tools, expect = kinds[i % len(kinds)]
        cases.append({"id": f"tool-{i:03}", "prompt": prompt, "tools": tools, "expect": expect})
    return cases


def long_output(rng: random.Random, n: int) -> Cases:
    """Ordered sections, counted lists, tables, copies with edits, asked length."""
    whole = ["no_loop", "no_duplicates", "clean_end", {"max_repetition": 0.3}]
    cases: Cases = []
    for i in range(n):
        topic, count = rng.choice(TOPICS), rng.randint(20, 60)
        titles = ["Summary", "Background", "Causes", "Effects", "Costs", "Options", "Risks", "Next steps"][
            : rng.randint(5, 8)
        ]
        old, new = rng.sample(ANIMALS, 2)
        rest = [a for a in ANIMALS if a != new]
        lines = [
            f"{k}. the {rng.choice(COLOURS)} {old if k % 3 == 0 else rng.choice(rest)} sleeps" for k in range(1, 25)
        ]
        words = rng.choice([300, 500, 800])
        rows = rng.randint(12, 25)
        kinds: list[tuple[str, list[Any]]] = [
            (
                f"Write a report on {topic} with exactly these headings, in this order, each on its own line behind '## ': {', '.join(titles)}. Two or three sentences under each.",
                [{"sections": {"titles": titles}}, *whole],
            ),
            (
                f"Write a numbered list from 1. to {count}. with one different short fact about animals or plants a line. Nothing else.",
                [{"sections": {"numbered": count}}, *whole[:1], "clean_end"],
            ),
            (
                f"Write a Markdown table with a header and exactly {rows} rows: the numbers 1 to {rows}, and their squares. Nothing else.",
                [
                    {"instructions": {"table_rows": rows, "table_columns": 2}},
                    {"contains": {"all": [str(rows * rows), str((rows // 2) ** 2)]}},
                ],
            ),
            (
                "Copy the following lines exactly, but write '"
                + new
                + "' wherever '"
                + old
                + "' stands. Nothing else.\n\n"
                + "\n".join(lines),
                [{"equals": {"any": ["\n".join(lines).replace(old, new)]}}],
            ),
            (
                f"Write an essay about {topic} of about {words} words.",
                [{"length": {"target": words, "tolerance": 0.3}}, {"language": "en"}, *whole],
            ),
        ]
        prompt, expect = kinds[i % len(kinds)]
        cases.append({"id": f"long-{i:03}", "prompt": prompt, "params": {"max_tokens": 2048}, "expect": expect})
    return cases


def token_dependent(rng: random.Random, n: int) -> Cases:
    """Each token depends on the others: what parallel decoding breaks first."""
    cases: Cases = []
    for i in range(n):
        words = rng.sample(ANIMALS, rng.randint(5, 9))
        listed = ", ".join(words)
        swap_from, swap_to = words[1], rng.choice(COLOURS)
        depth = rng.randint(3, 7)
        start = rng.randint(10, 400)
        initials = "".join(rng.sample("abcdefghilmnoprst", 4))
        kinds: list[tuple[str, list[Any]]] = [
            (
                f"Reverse this list and reply with the list only, separated by commas: {listed}",
                [{"items": {"of": words, "order": "reversed"}}],
            ),
            (
                f"Sort this list alphabetically and reply with the list only, separated by commas: {listed}",
                [{"items": {"of": words, "order": "sorted"}}],
            ),
            (
                f"Shuffle this list: reply with the same entries, each once, in another order, separated by commas: {listed}",
                [{"items": {"of": words, "order": "different"}}],
            ),
            (
                f"Reply with this list, separated by commas, but with '{swap_to}' in place of '{swap_from}': {listed}",
                [{"items": {"of": [swap_to if w == swap_from else w for w in words]}}],
            ),
            (
                f"Reply with {depth} round brackets that open, directly followed by as many that close. Nothing else.",
                [{"balanced": {"brackets": "()", "depth": depth, "pairs": depth}}],
            ),
            (
                f"Count down from {start} to {start - 12}, numbers separated by commas. Nothing else.",
                [{"items": {"of": [str(start - k) for k in range(13)]}}],
            ),
            (
                f"Write four lines; the first letters of the lines are, in order: {', '.join(initials)}. Nothing else.",
                [{"instructions": {"lines": 4, "first_letters": initials}}],
            ),
            (
                f"Spell the word '{words[0]}' backwards, letters separated by hyphens. Nothing else.",
                [{"equals": {"any": ["-".join(words[0][::-1])], "ignore_case": True}}],
            ),
        ]
        prompt, expect = kinds[i % len(kinds)]
        cases.append({"id": f"dep-{i:03}", "prompt": prompt, "expect": expect})
    return cases


def code(rng: random.Random, n: int) -> Cases:
    """Small functions: they parse and define the name; the tests run only with --allow-exec."""
    cases: Cases = []
    for i in range(n):
        a, b = rng.randint(2, 30), rng.randint(10, 99)
        kinds: list[tuple[str, str, str]] = [
            (f"multiply_by_{a}", f"returns its argument times {a}", f"assert multiply_by_{a}(7) == {7 * a}"),
            (
                f"count_over_{b}",
                f"takes a list of numbers and returns how many are greater than {b}",
                f"assert count_over_{b}([{b}, {b + 1}, {b + 2}]) == 2",
            ),
            (
                f"one_in_{a}",
                f"takes a list and returns every {a}th element, beginning with the first",
                f"assert one_in_{a}(list(range(99))) == list(range(99))[::{a}]",
            ),
            (
                f"repeat_{a}",
                f"takes a text and returns it {a} times in a row",
                f"assert repeat_{a}('ab') == 'ab' * {a}",
            ),
            (
                f"divisible_by_{a}",
                f"takes a whole number and tells whether {a} divides it",
                f"assert divisible_by_{a}({a * 6}) and not divisible_by_{a}({a * 6 + 1})",
            ),
        ]
        name, what, test = kinds[i % len(kinds)]
        prompt = (
            f"Write a Python function `{name}` that {what}. Reply with one fenced Python code block and nothing else."
        )
        cases.append(
            {
                "id": f"code-{i:03}",
                "prompt": prompt,
                "expect": [{"code_parses": {"defines": [name]}}, {"python_tests": test}],
            }
        )
    return cases


def distinct(make: Callable[[random.Random, int], Cases], seed: int, n: int) -> Cases:
    """`n` cases with prompts of their own: the same question twice is no second piece of evidence."""
    by_prompt: dict[str, dict[str, Any]] = {}
    for case in make(random.Random(seed), 8 * n):
        by_prompt.setdefault(case["prompt"], case)
    kept = list(by_prompt.values())[:n]
    for i, case in enumerate(kept):
        case["id"] = f"{case['id'].partition('-')[0]}-{i:03}"
    return kept


def quick() -> Cases:
    """A first look: a few cases of every kind."""
    makers = (instructions, structured, tool_calls, long_output, token_dependent, code)
    return [case for make, n in zip(makers, (20, 16, 16, 5, 16, 7), strict=True) for case in distinct(make, 17, n)]


#: what the embedded reference server knows
DEMO_CITIES = {"Paris": "France", "Tokyo": "Japan", "Rome": "Italy", "Madrid": "Spain", "Berlin": "Germany", "London": "England", "Vienna": "Austria", "Lisbon": "Portugal", "Athens": "Greece", "Oslo": "Norway", "Cairo": "Egypt", "Lima": "Peru", "Delhi": "India", "Beijing": "China", "Ottawa": "Canada", "Warsaw": "Poland", "Prague": "Czechia", "Dublin": "Ireland", "Bern": "Switzerland", "Ankara": "Turkey", "Hanoi": "Vietnam", "Seoul": "Korea", "Nairobi": "Kenya", "Havana": "Cuba", "Quito": "Ecuador", "Santiago": "Chile", "Bogota": "Colombia", "Sofia": "Bulgaria", "Helsinki": "Finland", "Stockholm": "Sweden"}  # fmt: skip


def demo(folder: Path, rng: random.Random) -> None:
    """Suites that the reference server can do by its built-in rules, so that scripted faults are what fails."""
    weather = _tool("get_weather", "Current weather in a city.", ["city"], city=TEXT)
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
        text = " ".join(f"{k}:{rng.choice(ANIMALS)}" for k in range(1, 41))
        longs.append(
            {
                "id": f"copy-{i:02}",
                "prompt": f"Repeat exactly: {text}",
                "params": {"max_tokens": 2048},
                "expect": [{"equals": text}],
            }
        )
    write(folder, "demo-structured", "structured", records)
    write(folder, "demo-tools", "tools", tools)
    write(folder, "demo-long", "long", longs)
    prompts = [f"Write {60 + 10 * i} words about {topic}." for i, topic in enumerate(TOPICS)]
    prompts += [f"Write a numbered list of {10 + 4 * i} lines." for i in range(8)]
    prompts += [f"Give the record of {city} as JSON." for city in list(DEMO_CITIES)[:4]]
    prompts += [f"What is {11 * i} + {7 * i}?" for i in range(3, 7)]
    rows = [{"id": f"chat-{i:02}", "prompt": prompt, "max_tokens": 256} for i, prompt in enumerate(prompts)]
    _jsonl(folder / "chat.jsonl", rows)


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


def _jsonl(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def main(root: Path) -> None:
    """Writes everything under `root` (prompts/)."""
    tasks, demos = root / "tasks", root / "demo"
    for folder in (tasks, demos):
        folder.mkdir(parents=True, exist_ok=True)
    write(tasks, "instructions", "chat", distinct(instructions, 11, 120))
    write(tasks, "structured", "structured", distinct(structured, 12, 120))
    write(tasks, "tool-calls", "tools", distinct(tool_calls, 13, 160))
    write(tasks, "long-output", "long", distinct(long_output, 14, 60))
    write(tasks, "token-dependent", "custom", distinct(token_dependent, 15, 120))
    write(tasks, "code", "custom", distinct(code, 16, 80))
    write(tasks, "quick", "custom", quick())
    demo(demos, random.Random(18))
    _jsonl(root / "quick.jsonl", timed())


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent)
