"""How replies go wrong: wrong values, broken JSON, broken tool calls, leaked masks, loops."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from random import Random
from typing import Any

from evalkit.reference.faults import Faults, fault_rng, strikes
from evalkit.reference.question import Call, Reply, parse_calls
from evalkit.reference.tokenizer import pieces

MASK = "<|mask|>"
#: tokens of the phrase that a loop repeats
_PHRASE = 12


def spoil(faults: Faults, seed: int, key: str, reply: Reply, running: int = 1) -> Reply:
    """The reply after every fault on its text that strikes this prompt while so many requests run."""
    stages: tuple[tuple[float, str, Callable[[Reply, Random], Reply]], ...] = (
        (faults.error_rate, "error", _wrong),
        (faults.error_items_rate if _entries(reply) >= faults.error_items else 0.0, "items", _wrong),
        (faults.error_full_rate if running >= faults.error_full else 0.0, "full", _wrong),
        (faults.corrupt_json_rate, "json", _broken_json),
        (faults.malformed_tool_calls, "tool", _broken_call),
        (faults.leak_mask_tokens, "mask", _masked),
    )
    for rate, name, change in stages:
        if strikes(rate, seed, name, key):
            reply = change(reply, fault_rng(seed, name + " how", key))
    return reply


def _entries(reply: Reply) -> int:
    """Entries of a reply that is a list with commas."""
    return reply.text.count(",") + 1


def loop(tokens: list[str], long_tokens: int, limit: int) -> list[str]:
    """The reply up to `long_tokens`, then its last phrase again and again, up to `limit` tokens."""
    start = tokens[:long_tokens]
    phrase = start[-_PHRASE:]
    repeats = max(0, limit - len(start)) // len(phrase) + 1
    return (start + phrase * repeats)[:limit]


def _wrong(reply: Reply, rng: Random) -> Reply:
    if reply.wrong is not None:
        return Reply(reply.wrong, reply.kind)
    calls = parse_calls(reply.text)
    if calls:
        arguments = json.dumps(_wrong_value(json.loads(calls[0].arguments), rng), ensure_ascii=False)
        return Reply(Call(calls[0].name, arguments).text(), "call")
    if reply.kind == "json":
        return Reply(json.dumps(_wrong_value(json.loads(reply.text), rng), ensure_ascii=False), "json")
    numbers = list(re.finditer(r"\d+", reply.text))
    if numbers:
        at = numbers[-1]
        other = str(int(at.group()) + rng.randint(1, 9))
        return Reply(reply.text[: at.start()] + other + reply.text[at.end() :], reply.kind)
    longest = max(reply.text.split(), key=len, default="")
    return Reply(reply.text.replace(longest, "something") if longest else "something", reply.kind)


def _wrong_value(value: Any, rng: Random) -> Any:
    """The same shape with one wrong leaf, so that it still fits its schema's types."""
    if isinstance(value, dict) and value:
        key = rng.choice(sorted(value))
        return {**value, key: _wrong_value(value[key], rng)}
    if isinstance(value, list) and value:
        return [_wrong_value(value[0], rng), *value[1:]]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + rng.randint(1, 9)
    return "Atlantis" if isinstance(value, str) else value


def _broken_json(reply: Reply, rng: Random) -> Reply:
    if reply.kind != "json":
        return reply
    text = reply.text
    broken = (text[:-1], text.replace('": ', '" ', 1), text[:-1] + ",,}", text + text[-1])
    return Reply(rng.choice(broken), "exact")


def _broken_call(reply: Reply, rng: Random) -> Reply:
    calls = parse_calls(reply.text)
    if not calls:
        return reply
    call = calls[0]
    variants = (
        call.text().removesuffix("\n</tool_call>")[:-1],  # never closed: the parser sees text
        Call(call.name, call.arguments[: max(1, len(call.arguments) - 3)]).text(),  # cut arguments
        Call(call.name, "").text(),  # no arguments at all
    )
    return Reply(rng.choice(variants), "call")


def _masked(reply: Reply, rng: Random) -> Reply:
    tokens = pieces(reply.text)
    for _ in range(rng.randint(1, 3)):
        tokens.insert(rng.randint(0, len(tokens)), MASK)
    return Reply("".join(tokens), "exact")
