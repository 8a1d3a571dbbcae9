"""Turn tests/fixtures/tiny_trimode/prompts.jsonl into evalkit's quality suites and chat prompts, and make a ladder.

make_suites.py          rewrites tests/fixtures/tiny_trimode/tasks/*.yaml and prompts/chat.jsonl
make_suites.py --check  exit status 1 when a file differs from what would be written
"""

from __future__ import annotations

import json
import random
import re
import sys
from pathlib import Path
from typing import Any

import yaml

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "tiny_trimode"
MAX_TOKENS = 600  # the longest right answer has about 250 tokens; a list that does not end runs into this
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
SUITES = {  # file name -> (suite name, kind, tasks)
    "structured": ("tiny city records", "structured", ("table",)),
    "tools": ("tiny weather calls", "tools", ("weather",)),
    "long": ("tiny long answers", "long", ("count", "numbered")),
    "custom": (
        "tiny short answers",
        "custom",
        ("capital", "reverse", "copy", "arithmetic", "sort", "choice"),
    ),
}
#: lines of the ladder's lists: training saw 3 to 60, of one to three words
SIZES = (3, 4, 8, 16, 32, 48)
EACH = 40
LONGEST = 400  # a right list of 48 lines has about 300 tokens
_CALL = re.compile(r"<tool_call>\n(.*)\n</tool_call>", re.DOTALL)

Row = dict[str, Any]


def _expect(row: Row) -> list[Row]:
    """The graders of one case: the answer is right when all agree."""
    answer = row["answer"]
    if row["task"] == "table":
        return [{"json": {"where": "whole"}}, {"json_match": json.loads(answer)}]
    if row["task"] == "weather":
        call = _CALL.fullmatch(answer)
        if call is None:
            raise ValueError(f"{row['id']}: the answer is no tool call")
        wanted = json.loads(call.group(1))
        return [{"tool_calls": [{"name": wanted["name"], "args": wanted["arguments"]}]}]
    return [{"equals": {"any": [answer]}}]


def _case(row: Row) -> Row:
    return {"id": row["id"], "prompt": row["prompt"], "tags": [row["task"]], "expect": _expect(row)}


class _Dumper(yaml.SafeDumper):
    pass


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    """Lists of many lines as lists of many lines."""
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def _suite(rows: list[Row], name: str, kind: str, tasks: tuple[str, ...]) -> str:
    chosen = [row for row in rows if row["task"] in tasks]
    defaults: Row = {"max_tokens": MAX_TOKENS}
    if all(row["tools"] for row in chosen):
        defaults["tools"] = [TOOL]
    suite = {
        "suite": {"name": name, "kind": kind, "defaults": defaults},
        "cases": [_case(row) for row in chosen],
    }
    return _dumped(suite)


def _dumped(suite: Row) -> str:
    text: str = yaml.dump(suite, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)
    return "# Written by tests/real/make_suites.py from prompts.jsonl.\n" + text


def rows() -> list[Row]:
    """The 200 prompts with their answers."""
    return [json.loads(line) for line in (FIXTURE / "prompts.jsonl").read_text().splitlines()]


def ladder() -> str:
    """A suite of the task `numbered` at each of `SIZES`, with words that the model knows."""
    known = rows()
    words = sorted({word for row in known if row["task"] == "reverse" for word in row["answer"].split(", ")})
    asked = {row["prompt"] for row in known}
    rng = random.Random(31)
    found: list[Row] = []
    for size in SIZES:
        made = 0
        while made < EACH:
            chosen = rng.sample(words, rng.randint(2, 3))
            prompt = f"Write a numbered list of {size} lines using: {', '.join(chosen)}."
            if prompt in asked:
                continue
            asked.add(prompt)
            made += 1
            answer = "\n".join(f"{n + 1}. {chosen[n % len(chosen)]}" for n in range(size))
            case = {"id": f"items-{size:02}-{made:02}", "prompt": prompt, "tags": [f"items:{size}"]}
            found.append({**case, "expect": [{"equals": {"any": [answer]}}]})
    suite = {"name": "tiny numbered lists", "kind": "custom", "defaults": {"max_tokens": LONGEST}}
    return _dumped({"suite": suite, "cases": found})


def outputs() -> dict[Path, str]:
    """Every file that is made, with its text."""
    known = rows()
    made = {FIXTURE / "tasks" / f"{file}.yaml": _suite(known, *spec) for file, spec in SUITES.items()}
    # Weather is left out: without its tool the model does not know what to do with it.
    chat = [
        {"id": row["id"], "prompt": row["prompt"], "max_tokens": MAX_TOKENS, "tags": [row["task"]]}
        for row in known
        if not row["tools"]
    ]
    made[FIXTURE / "prompts" / "chat.jsonl"] = "".join(json.dumps(line) + "\n" for line in chat)
    return made


def main(arguments: list[str]) -> int:
    """Write the files, or compare them."""
    stale = [path for path, text in outputs().items() if not path.exists() or path.read_text() != text]
    if arguments == ["--check"]:
        for path in stale:
            print(f"out of date: {path.relative_to(FIXTURE)}")
        return int(bool(stale))
    for path, text in outputs().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
