"""Cases with short replies: form, JSON, tokens that depend on each other, code."""

from __future__ import annotations

import random
from typing import Any

from words import ANIMALS, CITIES, COLOURS, NAMES, NOUNS, TOPICS, Cases, Kind, kinds_in_turn

NOTHING_ELSE = "Nothing else."


def instructions(rng: random.Random, n: int) -> Cases:
    """Form on request: counts, keywords, case, endings, initials."""

    def kinds(rng: random.Random) -> list[Kind]:
        topic, (word, third), other = rng.choice(TOPICS), rng.sample(NOUNS, 2), rng.choice(COLOURS)
        count = rng.randint(3, 7)
        made: list[tuple[str, dict[str, Any]]] = [
            (f"Write about {topic} as exactly {count} bullet points, each starting with '- '. {NOTHING_ELSE}", {"bullets": count}),
            (f"Write {count} sentences about {topic} without using any comma.", {"sentences": count, "no_commas": True}),
            (f"Write one short paragraph about {topic} that contains the words '{word}' and '{other}'.", {"paragraphs": 1, "keywords": [word, other]}),
            (f"Describe {topic} in at most {count * 10} words, in small letters only.", {"words": {"max": count * 10}, "case": "lower"}),
            (f"Write a notice about {topic} in capital letters only, at most {count * 6} words.", {"words": {"max": count * 6}, "case": "upper"}),
            (f"Write {count} numbered steps, '1.' to '{count}.', on dealing with {topic}. {NOTHING_ELSE}", {"numbered": count}),
            (f"Write a sentence about {topic} that uses the word '{word}' exactly twice.", {"frequency": {word: 2}}),
            (f"Write about {topic} in one paragraph that ends with the word '{word}'.", {"last_word": word}),
            (f"Write about {topic} in {count - 1} paragraphs separated by blank lines. Do not use the word 'very'.", {"paragraphs": count - 1, "forbidden": ["very"]}),
            (f"Write one sentence about {topic} and put the whole reply in double quotation marks.", {"quoted": True}),
            (f"Begin your reply with the word '{word.capitalize()}' and write two sentences about {topic}.", {"first_word": word, "sentences": 2}),
            (f"Write a short note about {topic} and end it with a postscript that begins with 'P.S.'", {"postscript": True}),
            (f"Write a title in double angle brackets, such as <<Title>>, and below it one sentence about {topic}.", {"title": True}),
            (f"Write {count} lines about {topic}; every line is one sentence. No blank lines. {NOTHING_ELSE}", {"lines": count}),
            (f"Write a letter template about {topic} with at least {count - 1} placeholders in square brackets, such as [name].", {"placeholders": {"min": count - 1}}),
            (f"Describe {topic} in {count * 8} to {count * 8 + 12} words, and use '{word}', '{third}' and '{other}'.", {"words": {"min": count * 8, "max": count * 8 + 12}, "keywords": [word, third, other]}),
        ]  # fmt: skip
        return [(prompt, [{"instructions": rule}, "no_special_tokens"]) for prompt, rule in made]

    return list(kinds_in_turn("form", n, rng, kinds))


def structured(rng: random.Random, n: int) -> Cases:
    """JSON from given facts: flat, nested, long arrays, null and boolean, text that must be escaped; each value counts."""
    only = "Reply with nothing but"

    def kinds(rng: random.Random) -> list[Kind]:
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
        stock = [{"sku": f"{rng.choice('ABCDEF')}{rng.randint(100, 999)}-{k}", "count": rng.randint(0, 40)} for k in range(1, 17)]  # fmt: skip
        shelf = "; ".join(f"{s['sku']}: {s['count']}" for s in stock)
        quote = f'{rng.choice(NAMES)} said: "the {items[0]} is {rng.choice(COLOURS)}"'
        path = f"C:\\{items[1]}\\{items[2]}{age}.txt"
        trip = {
            "traveller": {"name": who, "contact": {"city": city, "phone": None}},
            "legs": [
                {"from": a, "to": b, "seat": {"row": rng.randint(1, 40), "window": rng.random() < 0.5}}
                for a, b in (rng.sample(list(CITIES), 2) for _ in range(2))
            ],
        }
        legs = "; ".join(
            f"{leg['from']} to {leg['to']}, row {leg['seat']['row']}, {'' if leg['seat']['window'] else 'not '}at the window"
            for leg in trip["legs"]
        )
        flags = {name: rng.random() < 0.5 for name in rng.sample(["email", "sms", "post", "phone"], 3)}
        told = ", ".join(f"{name} {'on' if on else 'off'}" for name, on in flags.items())
        made: list[tuple[str, Any]] = [
            (f"{who} is {age} years old and lives in {city}. {only} a JSON object with the keys name, age and city.", flat),
            (f"{who} from {city} orders: {', '.join(f'{a} for {p} euros' for a, p in zip(items, prices, strict=True))}. {only} JSON: {{customer: {{name, city}}, items: [{{item, price}}]}}, the items in this order, prices as numbers.", order),
            (f"{table}. {only} a JSON array of objects with name and age, in this order.", people),
            (f"{only} a JSON array of the {len(items)} words {', '.join(items)} in reverse order.", items[::-1]),
            (f"Stock: {shelf}. {only} a JSON array of objects with sku (text) and count (number), in this order, all {len(stock)} of them.", stock),
            (f"{only} a JSON object with the key quote, whose value is this text, quotation marks included: {quote}", {"quote": quote}),
            (f"{only} a JSON object with the keys path and line; path is {path} and line is {age}, a number.", {"path": path, "line": age}),
            (f"{who} ({city}, no phone) travels: {legs}. {only} JSON: {{traveller: {{name, contact: {{city, phone}}}}, legs: [{{from, to, seat: {{row, window}}}}]}}, phone is null, window is true or false.", trip),
            (f"Notifications of {who}: {told}. {only} a JSON object: user (text) and channels, an object with true for on and false for off.", {"user": who, "channels": flags}),
            (f"{only} a JSON array of the whole numbers from {age} to {age + 24}, in order.", list(range(age, age + 25))),
        ]  # fmt: skip
        return [
            (prompt, [{"json_schema": {"schema": schema_of(value)}}, {"json_match": {"value": value, "exact": True}}])
            for prompt, value in made
        ]

    return list(kinds_in_turn("json", n, rng, kinds))


def schema_of(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return {"type": "object", "properties": {k: schema_of(v) for k, v in value.items()}, "required": list(value)}
    if isinstance(value, list):
        return {"type": "array", "items": schema_of(value[0])}
    if value is None:
        return {"type": "null"}
    return {"type": "boolean" if isinstance(value, bool) else "integer" if isinstance(value, int) else "string"}


def token_dependent(rng: random.Random, n: int) -> Cases:
    """Each token depends on the others: what parallel decoding breaks first."""

    def kinds(rng: random.Random) -> list[Kind]:
        words = rng.sample(ANIMALS, rng.randint(5, 9))
        listed = ", ".join(words)
        swap_from, swap_to = words[1], rng.choice(COLOURS)
        depth, start = rng.randint(3, 9), rng.randint(10, 400)
        initials = "".join(rng.sample("abcdefghilmnoprstw", 4))
        word, step = rng.choice(NOUNS + ANIMALS), rng.randint(3, 9)
        moved = [*words[1:], words[0]]
        digits = [str(rng.randint(0, 9)) for _ in range(rng.randint(7, 12))]
        pairs = [f"{a}-{b}" for a, b in zip(words[::2], words[1::2], strict=False)]
        return [
            (f"Reverse this list and reply with the list only, separated by commas: {listed}", [{"items": {"of": words, "order": "reversed"}}]),
            (f"Sort this list alphabetically and reply with the list only, separated by commas: {listed}", [{"items": {"of": words, "order": "sorted"}}]),
            (f"Shuffle this list: reply with the same entries, each once, in another order, separated by commas: {listed}", [{"items": {"of": words, "order": "different"}}]),
            (f"Reply with this list, separated by commas, but with '{swap_to}' in place of '{swap_from}': {listed}", [{"items": {"of": [swap_to if w == swap_from else w for w in words]}}]),
            (f"Reply with {depth} round brackets that open, directly followed by as many that close, {depth} pairs in all around {word.upper()}.", [{"regex": {"pattern": rf"\({{{depth}}}{word.upper()}\){{{depth}}}", "where": "whole"}}]),
            (f"Count down from {start} to {start - 12}, numbers separated by commas. {NOTHING_ELSE}", [{"items": {"of": [str(start - k) for k in range(13)]}}]),
            (f"Write four lines; the first letters of the lines are, in order: {', '.join(initials)}. {NOTHING_ELSE}", [{"instructions": {"lines": 4, "first_letters": initials}}]),
            (f"Spell the word '{word}' backwards, letters separated by hyphens. {NOTHING_ELSE}", [{"equals": {"any": ["-".join(word[::-1])], "ignore_case": True}}]),
            (f"Move the first entry of this list to its end, and reply with the list only, separated by commas: {listed}", [{"items": {"of": moved}}]),
            (f"Count from {start} upwards in steps of {step}, ten numbers in all, separated by commas. {NOTHING_ELSE}", [{"items": {"of": [str(start + step * k) for k in range(10)]}}]),
            (f"Reply with these digits in reverse order, separated by commas: {', '.join(digits)}", [{"items": {"of": digits, "order": "reversed"}}]),
            (f"Join neighbours of this list two by two with a hyphen, as in a-b, leave out a last one without a partner, and separate the pairs by commas. {NOTHING_ELSE} List: {listed}", [{"items": {"of": pairs}}]),
            (f"Write this list twice, the second time reversed, all in one list separated by commas: {', '.join(words[:4])}", [{"items": {"of": [*words[:4], *words[3::-1]]}}]),
            (f"Number the entries of this list from 1, one a line, as in '1. name': {listed}. {NOTHING_ELSE}", [{"equals": {"any": ["\n".join(f"{k}. {w}" for k, w in enumerate(words, 1))], "ignore_whitespace": True}}]),
        ]  # fmt: skip

    return list(kinds_in_turn("dep", n, rng, kinds))


def code(rng: random.Random, n: int) -> Cases:
    """Small functions: they parse and define the name; the tests run only with --allow-exec."""

    def kinds(rng: random.Random) -> list[Kind]:
        a, b, word = rng.randint(2, 30), rng.randint(10, 99), rng.choice(NOUNS)
        made: list[tuple[str, str, str]] = [
            (f"multiply_by_{a}", f"returns its argument times {a}", f"assert multiply_by_{a}(7) == {7 * a}"),
            (f"count_over_{b}", f"takes a list of numbers and returns how many are greater than {b}", f"assert count_over_{b}([{b}, {b + 1}, {b + 2}]) == 2"),
            (f"one_in_{a}", f"takes a list and returns every {a}th element, beginning with the first", f"assert one_in_{a}(list(range(99))) == list(range(99))[::{a}]"),
            (f"repeat_{a}", f"takes a text and returns it {a} times in a row", f"assert repeat_{a}('ab') == 'ab' * {a}"),
            (f"divisible_by_{a}", f"takes a whole number and tells whether {a} divides it", f"assert divisible_by_{a}({a * 6}) and not divisible_by_{a}({a * 6 + 1})"),
            (f"clamp_to_{b}", f"takes a number and returns it, but at least 0 and at most {b}", f"assert [clamp_to_{b}(x) for x in (-1, 3, {b + 5})] == [0, 3, {b}]"),
            (f"count_{word}", f"takes a text and returns how often the word '{word}' stands in it, whatever its case", f"assert count_{word}('A {word}, a {word.upper()} and a chair') == 2"),
            (f"split_at_{a}", f"takes a list and returns two lists, its first {a} elements and the rest", f"first, rest = split_at_{a}(list(range(40)))\nassert list(first) == list(range({a})) and list(rest) == list(range({a}, 40))"),
            (f"add_{word}", f"takes a dictionary and returns a copy with the key '{word}' set to {b}, and leaves the argument as it is", f"d = {{'x': 1}}\nassert add_{word}(d) == {{'x': 1, '{word}': {b}}} and d == {{'x': 1}}"),
            (f"rotate_{a}", f"takes a text and returns it with its first {a} characters moved to its end", f"assert rotate_{a}('abcdefghijklmnopqrstuvwxyzABCDEFGH') == 'abcdefghijklmnopqrstuvwxyzABCDEFGH'[{a}:] + 'abcdefghijklmnopqrstuvwxyzABCDEFGH'[:{a}]"),
        ]  # fmt: skip
        return [
            (
                f"Write a Python function `{name}` that {what}. Reply with one fenced Python code block and nothing else.",
                [{"code_parses": {"defines": [name]}}, {"python_tests": test}],
            )
            for name, what, test in made
        ]

    return list(kinds_in_turn("code", n, rng, kinds))
