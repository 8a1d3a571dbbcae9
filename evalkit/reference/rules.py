"""Built-in skills: small closed questions with one right answer, recognised by their wording."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable
from random import Random

from evalkit.reference.prose import words
from evalkit.reference.question import Question, Reply

Rule = Callable[[Question], Reply | None]

#: city -> country, thousands of people (round figures: the truth of this table is the table)
CITIES: dict[str, tuple[str, int]] = {
    "Paris": ("France", 2148), "Tokyo": ("Japan", 13960), "Rome": ("Italy", 2873), "Madrid": ("Spain", 3223),
    "Berlin": ("Germany", 3645), "London": ("England", 8982), "Vienna": ("Austria", 1897),
    "Lisbon": ("Portugal", 505), "Athens": ("Greece", 664), "Oslo": ("Norway", 697), "Cairo": ("Egypt", 9540),
    "Lima": ("Peru", 9752), "Delhi": ("India", 16787), "Beijing": ("China", 21540), "Ottawa": ("Canada", 994),
    "Warsaw": ("Poland", 1790), "Prague": ("Czechia", 1309), "Dublin": ("Ireland", 544),
    "Bern": ("Switzerland", 133), "Ankara": ("Turkey", 5663), "Hanoi": ("Vietnam", 8053),
    "Seoul": ("Korea", 9776), "Nairobi": ("Kenya", 4397), "Havana": ("Cuba", 2106), "Quito": ("Ecuador", 1978),
    "Santiago": ("Chile", 6310), "Bogota": ("Colombia", 7181), "Sofia": ("Bulgaria", 1241),
    "Helsinki": ("Finland", 656), "Stockholm": ("Sweden", 975),
}  # fmt: skip
_CAPITALS = {country: city for city, (country, _) in CITIES.items()}
_ITEMS = ("apple", "book", "cloud", "door", "field", "glass", "hill", "lamp")
_OPERATORS: dict[str, Callable[[int, int], int]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "×": operator.mul, "x": operator.mul,
}  # fmt: skip

_FACT = re.compile(r"\bwhat (?:is|was) the ([a-z][\w -]*?) (?:of|for) (?:the )?([^?\n]+?)\s*\?", re.IGNORECASE)
_MAX_LINES = 20_000


def recall(question: Question) -> Reply | None:
    """Answers "What is the code of X?" from "the code of X is Y" anywhere in the context."""
    asked = _FACT.findall(question.tail)
    if not asked:
        return None
    noun, name = asked[-1]
    told = rf"\b{re.escape(noun)} (?:of|for) (?:the )?{re.escape(name)}\s*(?:is|was|=|:)+\s*[\"'`]?([\w-]+(?:\.\d+)?)"
    found = re.search(told, question.context or question.text, re.IGNORECASE)
    if found:
        return _brief(question, f"The {noun} of {name} is {found.group(1)}.", found.group(1))
    if noun.lower().endswith(("code", "number", "key", "password", "secret")):
        return Reply(f"I do not know the {noun} of {name}.")
    return None


def arithmetic(question: Question) -> Reply | None:
    """Answers "What is A + B?"; the last one asked counts."""
    asked = re.findall(r"(-?\d{1,12})\s*([-+*×x])\s*(\d{1,12})", question.tail)
    if not asked or not re.search(r"what is|compute|calculate", question.tail, re.IGNORECASE):
        return None
    left, sign, right = asked[-1]
    value = _OPERATORS[sign](int(left), int(right))
    return _brief(question, f"{left} {sign} {right} = {value}", str(value))


def record(question: Question) -> Reply | None:
    """Answers "Give the record of CITY as JSON"."""
    asked = re.search(r"record of ([A-Z]\w+)", question.tail)
    if not asked or "json" not in question.tail.lower():
        return None
    city = asked.group(1)
    country, people = CITIES.get(city, ("Nowhere", 0))
    return Reply(json.dumps({"city": city, "country": country, "people": people}), "json")


def capital(question: Question) -> Reply | None:
    asked = re.search(r"capital of ([A-Z]\w+)", question.tail)
    if not asked or asked.group(1) not in _CAPITALS:
        return None
    city = _CAPITALS[asked.group(1)]
    return _brief(question, f"The capital of {asked.group(1)} is {city}.", city)


def weather(question: Question) -> Reply | None:
    """The weather without a tool to ask."""
    asked = re.search(r"weather (?:like )?in ([A-Z]\w+)", question.tail)
    return Reply(f"I cannot look up the weather in {asked.group(1)}.") if asked and not question.tools else None


def numbered(question: Question) -> Reply | None:
    """Answers "Write a numbered list of N lines", with items behind `using:` or its own."""
    asked = re.search(r"numbered list of (\d+)", question.tail, re.IGNORECASE)
    if not asked:
        return None
    using = re.search(r"using: ([^.\n]+)", question.tail[asked.end() :])
    items = [item.strip() for item in using.group(1).split(",")] if using else list(_ITEMS)
    lines = min(int(asked.group(1)), _MAX_LINES)
    return Reply("\n".join(f"{i + 1}. {items[i % len(items)]}" for i in range(lines)), "exact")


def count_up(question: Question) -> Reply | None:
    """Answers "Count from A to B"."""
    asked = re.search(r"count from (\d+) to (\d+)", question.tail, re.IGNORECASE)
    if not asked:
        return None
    first, last = int(asked.group(1)), int(asked.group(2))
    return Reply(" ".join(str(i) for i in range(first, min(last, first + _MAX_LINES) + 1)), "exact")


def repeat(question: Question) -> Reply | None:
    """Answers "Repeat exactly: ..." and "Copy this sentence: ...": everything behind the colon."""
    start = r"\A\W*(?:\S+\s+){0,6}?(?:repeat|copy)\b[^:\n]{0,80}:\s*(.*)\Z"
    asked = re.search(start, question.text, re.IGNORECASE | re.DOTALL)
    return Reply(asked.group(1).strip(), "exact") if asked and asked.group(1).strip() else None


def reverse(question: Question) -> Reply | None:
    """Answers "Reverse the list: a, b, c"."""
    asked = re.search(r"reverse the list: ([^.\n]+)", question.tail, re.IGNORECASE)
    return Reply(", ".join(w.strip() for w in asked.group(1).split(",")[::-1]), "exact") if asked else None


def sort_digits(question: Question) -> Reply | None:
    """Answers "Sort the digits: 3 1 2"."""
    asked = re.search(r"sort the digits: ([\d ]+)", question.tail, re.IGNORECASE)
    return Reply(" ".join(sorted(asked.group(1).split())), "exact") if asked else None


def essay(question: Question) -> Reply | None:
    """Answers "... N words ...": prose of that many words."""
    asked = re.search(r"\b(\d{2,5}) words\b", question.tail, re.IGNORECASE)
    return Reply(words(min(int(asked.group(1)), _MAX_LINES), Random(question.tail))) if asked else None


def after_tool(question: Question) -> Reply | None:
    """The turn after a tool's result: tell it."""
    return Reply(f"The tool says: {question.text}") if question.role == "tool" else None


def _brief(question: Question, sentence: str, value: str) -> Reply:
    """The sentence, or the bare value where the question asks for it only."""
    return Reply(value, "exact") if re.search(r"\bonly\b", question.tail[-200:], re.IGNORECASE) else Reply(sentence)


#: In the order in which they are asked.
BUILT_IN: tuple[Rule, ...] = (
    after_tool, repeat, recall, arithmetic, record, capital, weather, numbered, count_up, reverse, sort_digits, essay,
)  # fmt: skip
