"""Cases with tools: one or several offered, parallel calls, nested and optional arguments, none wanted."""

from __future__ import annotations

import random
from typing import Any

from words import CITIES, NAMES, NOUNS, Cases

TEXT = {"type": "string"}
WHOLE = {"type": "integer"}


def tool(name: str, about: str, required: list[str], **properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": required}
    return {"type": "function", "function": {"name": name, "description": about, "parameters": parameters}}


WEATHER = tool(
    "get_weather", "Current weather in a city.", ["city"],
    city=TEXT, unit={"type": "string", "enum": ["celsius", "fahrenheit"]},
)  # fmt: skip
TIMER = tool("set_timer", "Starts a timer.", ["minutes"], minutes=WHOLE, label=TEXT)
MAIL = tool(
    "send_message", "Sends a message to a person.", ["to", "text"],
    to={"type": "object", "properties": {"name": TEXT}, "required": ["name"]}, text=TEXT,
)  # fmt: skip
MONEY = tool(
    "convert_money", "Converts an amount.", ["amount", "source", "target"], amount=WHOLE, source=TEXT, target=TEXT
)
ORDER = tool(
    "place_order", "Orders items from the warehouse.", ["items"],
    items={"type": "array", "items": {"type": "object", "properties": {"sku": TEXT, "count": WHOLE}, "required": ["sku", "count"]}},
    express={"type": "boolean"},
)  # fmt: skip
TICKET = tool("close_ticket", "Closes a support ticket by its id.", ["ticket_id"], ticket_id=TEXT, reason=TEXT)
TOOLS = [WEATHER, TIMER, MAIL, MONEY, ORDER, TICKET]
_ANY = {"any": True, "optional": True}
_UNIT = {"any_of": ["celsius", "fahrenheit"], "optional": True}


def _weather(city: str, unit: Any = _UNIT) -> dict[str, Any]:
    return {"name": "get_weather", "args": {"city": city, "unit": unit}}


def _timer(minutes: int) -> dict[str, Any]:
    return {"name": "set_timer", "args": {"minutes": minutes, "label": _ANY}}


def _money(amount: int, source: str, target: str) -> dict[str, Any]:
    return {"name": "convert_money", "args": {"amount": amount, "source": source, "target": target}}


def tool_calls(rng: random.Random, n: int) -> Cases:
    """Fourteen kinds in turn. A case that says nothing of tools is offered all of the suite's."""
    cases: Cases = []
    for i in range(n):
        first, second, third = rng.sample(list(CITIES), 3)
        who, minutes, amount = rng.choice(NAMES), rng.randint(2, 90), rng.randint(5, 900)
        later = minutes + rng.randint(1, 30)
        skus = [f"{rng.choice('KLMN')}-{rng.randint(100, 999)}" for _ in range(2)]
        counts = [rng.randint(1, 30), rng.randint(31, 60)]
        ticket = f"{rng.choice('ABC')}{rng.randint(1000, 9999)}/{rng.randint(1, 9)}"
        express = rng.random() < 0.5
        message = f"back in {minutes} minutes"
        order = [{"sku": s, "count": c} for s, c in zip(skus, counts, strict=True)]
        kinds: list[tuple[str, list[Any] | None, list[Any]]] = [
            (f"What is the weather in {first} right now?", [WEATHER], [{"tool_calls": [_weather(first)]}]),
            (f"Set a timer for {minutes} minutes.", None, [{"tool_calls": [_timer(minutes)]}]),
            (f"What is the weather in {first} and in {second}? Look both up at once.", None, [{"tool_calls": [_weather(first), _weather(second)]}]),
            (
                f"Send {who} this message, word for word: {message}", None,
                [{"tool_calls": [{"name": "send_message", "args": {"to": {"name": who}, "text": {"equals": message, "normalize": ["casefold", "whitespace"]}}}]}],
            ),
            (f"Convert {amount} EUR to USD.", [MONEY], [{"tool_calls": [_money(amount, "EUR", "USD")]}]),
            (f"In which country is {first}? Answer from memory, in one word.", [TIMER, MONEY], ["no_tool_call", {"contains": CITIES[first].split()[-1]}]),
            (f"What is the weather in {first}, in fahrenheit?", None, [{"tool_calls": [_weather(first, "fahrenheit")]}]),
            (f"Thank you, {who} here. No action is needed about the {rng.choice(NOUNS)}; just wish me a good day.", None, ["no_tool_call", "no_special_tokens"]),
            (
                f"Order {counts[0]} of {skus[0]} and {counts[1]} of {skus[1]} in one order{', express' if express else ', not express'}.", None,
                [{"tool_calls": [{"name": "place_order", "args": {"items": order, "express": {"equals": express, "optional": not express}}}]}],
            ),
            (f"Close the ticket {ticket}.", None, [{"tool_calls": [{"name": "close_ticket", "args": {"ticket_id": ticket, "reason": _ANY}}]}]),
            (f"At once: the weather in {first}, and a timer for {minutes} minutes.", None, [{"tool_calls": [_weather(first), _timer(minutes)]}]),
            (f"Set two timers at the same time, one for {minutes} and one for {later} minutes.", [TIMER, TICKET], [{"tool_calls": [_timer(minutes), _timer(later)]}]),
            (f"Look up the weather in {first}, {second} and {third}, all three at once.", [WEATHER, MAIL], [{"tool_calls": [_weather(first), _weather(second), _weather(third)]}]),
            (f"Without looking anything up: how many letters has the name {first}? Answer with the number only.", None, ["no_tool_call", {"number": len(first)}]),
        ]  # fmt: skip
        prompt, tools, expect = kinds[i % len(kinds)]
        offered = {} if tools is None else {"tools": tools}
        cases.append({"id": f"tool-{i:03}", "prompt": prompt, **offered, "expect": expect})
    return cases
