"""Traces of requests with time stamps: Mooncake's and AIPerf's in milliseconds, GuideLLM's in seconds."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from evalkit.importers.base import Entry, Head, Importer, Reading
from evalkit.importers.chat import as_tools, request
from evalkit.importers.stream import json_lines

#: tokens that one hash id stands for
_BLOCK = 512
_MOST_TOKENS = 600_000
#: short, common words: each is a token of its own in the usual tokenizers
_WORDS = (
    "time", "year", "people", "way", "day", "man", "thing", "woman", "life", "child", "world", "school", "state",
    "family", "student", "group", "country", "problem", "hand", "part", "place", "case", "week", "company", "system",
    "program", "question", "work", "number", "night", "point", "home", "water", "room", "mother", "area", "money",
    "story", "fact", "month", "lot", "right", "study", "book", "eye", "job", "word", "business", "issue", "side",
)  # fmt: skip


def _is_trace(head: Head) -> bool:
    first = head.first
    return isinstance(first, dict) and "timestamp" in first and (
        "input_length" in first or "text_input" in first or ("messages" in first and "output_length" in first)
    )  # fmt: skip


def _read(reading: Reading, scale: float) -> Iterator[Entry]:
    first: float | None = None
    for line, row in json_lines(reading):
        at = row.get("timestamp")
        if at is not None and (isinstance(at, bool) or not isinstance(at, int | float) or not at >= 0):
            reading.bad(line, "`timestamp` must be a number that is not negative")
            continue
        if first is None and at is not None:
            first = float(at)
        if at is not None and first is not None and at < first:
            reading.bad(line, "`timestamp` is earlier than that of the first line")
            continue
        data = asked(reading, line, row)
        if data is None:
            continue
        if at is not None and first is not None:
            data["at_ms"] = round((float(at) - first) * scale, 3)
        else:
            reading.lose(line, "a turn without a time stamp of its own (`delay`)")
        yield Entry(line, data)
    reading.note(f"time stamps were read as {'milliseconds' if scale == 1 else 'seconds'}, and are kept as `at_ms`")


def asked(reading: Reading, line: int, row: dict[str, Any]) -> dict[str, Any] | None:
    """A row as a line of a prompts file, without `id` and time; None when it is left out."""
    data = _said(reading, line, row)
    if data is None:
        return None
    length = row.get("output_length")
    if isinstance(length, int) and not isinstance(length, bool) and 0 < length <= 1_000_000:
        data["max_tokens"] = length
    if isinstance(row.get("extra"), dict):
        data["extra_body"] = row["extra"]
    if isinstance(row.get("session_id"), str | int):
        data["cluster"] = str(row["session_id"])
    return data


def _said(reading: Reading, line: int, row: dict[str, Any]) -> dict[str, Any] | None:
    if row.get("message_mode") == "delta":
        reading.leave_out(line, "a turn that holds only new messages (message_mode delta)")
        return None
    if isinstance(row.get("messages"), list):
        data = request(reading, line, {"messages": row["messages"]})
        tools = as_tools(row.get("tools"))
        return data and data | ({"tools": tools} if tools else {})
    if isinstance(row.get("text_input"), str) and row["text_input"].strip():
        return {"prompt": row["text_input"]}
    length, ids = row.get("input_length"), row.get("hash_ids") or []
    if isinstance(length, bool) or not isinstance(length, int) or length < 1 or not isinstance(ids, list):
        reading.bad(line, "neither messages, text_input nor a positive `input_length`")
        return None
    if length > _MOST_TOKENS:
        reading.leave_out(line, f"longer than {_MOST_TOKENS:,} tokens")
        return None
    reading.note("the texts are made up: of a trace only lengths and shared beginnings (hash_ids) are known")
    return {"prompt": _text(length, [str(one) for one in ids], line), "tags": ["made-up"]}


def _text(tokens: int, ids: list[str], line: int) -> str:
    """So many words; blocks of equal ids are equal, and what no id names is the line's own."""
    words: list[str] = []
    for one in ids:
        words += _block(one)
        if len(words) >= tokens:
            break
    draw = random.Random(f"line {line}")
    words += draw.choices(_WORDS, k=max(0, tokens - len(words)))
    return " ".join(words[:tokens])


@lru_cache(maxsize=4096)
def _block(name: str) -> tuple[str, ...]:
    return tuple(random.Random(f"block {name}").choices(_WORDS, k=_BLOCK))


_CARRIES = (
    "time stamp (as `at_ms`), messages, tools and text where they are there, else a made-up text of the length with "
)
_CARRIES += "the shared beginnings of hash_ids; output length, session (as cluster), extra"
IMPORTER = Importer(
    kind="trace",
    title="traces of Mooncake and AIPerf (JSON lines, milliseconds)",
    carries=_CARRIES,
    drops="turns by `delay` keep no time; sessions of new messages only; WEKA and OpenTelemetry traces",
    sniff=_is_trace,
    read=lambda reading: _read(reading, 1.0),
)
GUIDELLM = Importer(
    kind="guidellm",
    title="traces of GuideLLM (JSON lines, seconds): say --from guidellm",
    carries=_CARRIES,
    drops="as trace",
    sniff=lambda _: False,
    read=lambda reading: _read(reading, 1000.0),
)
