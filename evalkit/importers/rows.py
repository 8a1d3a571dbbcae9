"""Rows with columns (a table, JSON lines, Parquet, a data set) as prompts, or as cases where there is an answer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from evalkit.errors import InputFileError
from evalkit.importers.base import Entry, Reading
from evalkit.importers.chat import as_tools, request
from evalkit.text import one_line

#: our keys, and what a column of that meaning is usually called
GUESSES = {
    "prompt": ("prompt", "question", "query", "instruction", "input", "user_input", "user", "request", "problem",
               "text", "message"),
    "messages": ("messages", "conversation"),
    "answer": ("answer", "expected", "expected_output", "expected_answer", "gold", "target", "ground_truth", "label",
               "reference", "reference_answer", "ideal", "output", "completion", "response", "solution", "answers"),
    "id": ("id", "case_id", "sample_id", "uid", "key"),
    "system": ("system", "system_prompt", "system_message"),
    "context": ("context", "passage"),
    "cluster": ("cluster", "group", "template"),
    "tags": ("tags", "category", "subject", "topic"),
    "max_tokens": ("max_tokens", "max_new_tokens"),
    "temperature": ("temperature",),
    "tools": ("tools",),
}  # fmt: skip
KEYS = tuple(GUESSES)
#: a longer gold answer is hardly ever contained in a reply
LONG_ANSWER = 160
#: a short form for which a gold answer is the one parameter
GOLD_GRADERS = ("contains", "equals", "number", "regex", "starts_with", "ends_with", "json_match")


def check_options(reading: Reading) -> None:
    """Raises InputFileError for a column map or grader that cannot be."""
    unknown = sorted(set(reading.options.columns) - set(KEYS))
    if unknown:
        raise InputFileError(f"--map {unknown[0]}=…: no such key", hint=f"keys: {', '.join(KEYS)}")
    if reading.options.grader not in GOLD_GRADERS:
        raise InputFileError(
            f"--grader {reading.options.grader} cannot be made from one gold answer",
            hint=f"one of {', '.join(GOLD_GRADERS)}",
        )


def columns_of(reading: Reading, names: Iterable[str]) -> dict[str, str]:
    """Our keys and the columns that hold them: what is asked, and what is found by name.

    Raises:
        InputFileError: no column of prompts.
    """
    check_options(reading)
    asked = reading.options.columns
    names = list(names)
    plain = {name.strip().lower().replace(" ", "_").replace("-", "_"): name for name in reversed(names)}
    found = dict(asked)
    for key, guesses in GUESSES.items():
        if key not in asked:
            column = next((plain[one] for one in guesses if one in plain and plain[one] not in found.values()), None)
            if column is not None and not (key == "prompt" and "messages" in asked):
                found[key] = column
    if "prompt" in asked:
        found.pop("messages", None) if "messages" not in asked else None
    if "prompt" not in found and "messages" not in found:
        shown = ", ".join(one_line(name, limit=40) for name in names[:20])
        raise InputFileError(
            f"no column is known to hold prompts; columns: {shown or 'none'}", where=reading.at(1),
            hint="say which: --map prompt=COLUMN,answer=COLUMN",
        )  # fmt: skip
    return found


def entries(reading: Reading, rows: Iterable[tuple[int, dict[str, Any]]]) -> Iterator[Entry]:
    """Prompts and cases of rows; the columns are found in the first one."""
    columns: dict[str, str] | None = None
    ignored: set[str] = set()
    for line, row in rows:
        if columns is None:
            columns = columns_of(reading, row)
            named = ", ".join(f"{key} from {one_line(name, limit=40)!r}" for key, name in columns.items())
            reading.note(f"columns: {named}")
        ignored |= {key for key in row if key not in columns.values()} if len(ignored) < 100 else set()
        entry = _entry(reading, line, row, columns)
        if entry is not None:
            yield entry
    used = {name.split(".")[0] for name in (columns or {}).values()}
    used |= {"input"} if (columns or {}).get("prompt") == "instruction" else set()
    left = sorted(one_line(name, limit=40) for name in ignored - used)
    if left:
        reading.note(f"columns that were not used: {', '.join(left[:20])}" + (" …" if len(left) > 20 else ""))


def value_at(row: dict[str, Any], dotted: str) -> Any:
    """The value under a column, or under a path of keys with dots; None when there is none."""
    if dotted in row:
        return row[dotted]
    value: Any = row
    for part in dotted.split("."):
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def _entry(reading: Reading, line: int, row: dict[str, Any], columns: dict[str, str]) -> Entry | None:
    found = {key: value_at(row, column) for key, column in columns.items()}
    data = _asked(reading, line, found, row, columns)
    if data is None:
        return None
    for key, kind in (("max_tokens", int), ("temperature", float)):
        given = found.get(key)
        if given not in (None, ""):
            try:
                data[key] = kind(given)
            except (TypeError, ValueError):
                reading.lose(line, f"`{key}` that is not a number")
    tools = as_tools(found.get("tools")) if found.get("tools") else None
    if tools:
        data["tools"] = tools
    if isinstance(found.get("system"), str) and found["system"].strip():
        data["system"] = found["system"]
    cluster, tags = found.get("cluster"), found.get("tags")
    if isinstance(cluster, str | int) and str(cluster).strip():
        data["cluster"] = str(cluster)
    if tags:
        listed = tags if isinstance(tags, list) else [tags]
        data["tags"] = [one_line(str(tag), limit=80) for tag in listed[:16] if str(tag).strip()]
    name = found.get("id")
    expect = gold(reading, line, found.get("answer")) if "answer" in columns else None
    return Entry(line, data, str(name) if isinstance(name, str | int) and str(name).strip() else None, expect)


def _asked(
    reading: Reading, line: int, found: dict[str, Any], row: dict[str, Any], columns: dict[str, str]
) -> dict[str, Any] | None:
    messages = found.get("messages")
    if isinstance(messages, str) and messages.lstrip().startswith("["):
        try:
            messages = json.loads(messages)
        except (ValueError, RecursionError):
            messages = None
    if isinstance(messages, list):
        return request(reading, line, {"messages": messages})
    prompt = found.get("prompt")
    if isinstance(prompt, list) and prompt and all(isinstance(one, dict) and "role" in one for one in prompt):
        return request(reading, line, {"messages": prompt})
    if not isinstance(prompt, str) or not prompt.strip():
        reading.bad(line, f"no text under {columns.get('prompt', columns.get('messages'))!r}")
        return None
    # Alpaca's shape: the instruction says what to do, the input with what
    given = row.get("input") if columns.get("prompt") == "instruction" else None
    context = found.get("context")
    if isinstance(given, str) and given.strip():
        reading.note("instruction and input are joined by a blank line")
        prompt = f"{prompt}\n\n{given}"
    if isinstance(context, str) and context.strip():
        reading.note("context and question are joined by a blank line")
        prompt = f"{context}\n\n{prompt}"
    return {"prompt": prompt}


def gold(reading: Reading, line: int, answer: Any) -> list[Any] | None:
    """The grader of a gold answer; None without one, so that the row becomes a prompt."""
    grader = reading.options.grader
    if isinstance(answer, dict):
        answer = answer.get("text", answer.get("value"))
    if isinstance(answer, str) and grader == "json_match":
        try:
            return [{"json_match": json.loads(answer)}]
        except (ValueError, RecursionError):
            reading.bad(line, "the gold answer is not JSON")
            return None
    listed = [text for one in (answer if isinstance(answer, list) else [answer]) if (text := _text(one))]
    if not listed:
        reading.change(line, "no gold answer: it became a prompt")
        return None
    listed = [_final(reading, line, text) for text in listed]
    if grader == "number":
        try:
            return [{"number": float(listed[0].replace(",", ""))}]
        except ValueError:
            reading.bad(line, "the gold answer is not a number")
            return None
    if grader == "regex":
        return [{"regex": listed[0]}]
    if max(map(len, listed)) > LONG_ANSWER and grader in ("contains", "equals"):
        reading.change(line, f"a gold answer of over {LONG_ANSWER} characters: hardly any reply has it word for word")
    return [{grader: {"any": listed}}] if len(listed) > 1 else [{grader: listed[0]}]


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else ""


def _final(reading: Reading, line: int, text: str) -> str:
    """What comes after `####`, as in GSM8K, where the way to the answer is given too."""
    way, mark, final = text.rpartition("\n####")
    if mark and way and final.strip():
        reading.change(line, "of the gold answer what comes after #### is expected")
        return final.strip()
    return text
