"""promptfoo's assertions as graders. Whatever runs code, asks a model or looks at more than the reply has none."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from evalkit.quality.expectations import Problem, expectation
from evalkit.text import one_line

#: assertion -> grader, for docs/import.md; each may be written with `not-` in front
TABLE = (
    ("equals", "`equals`, exact; an object: `json_match` with `exact`"),
    ("contains, icontains", "`contains`"),
    ("contains-any, contains-all, icontains-any, icontains-all", "`contains` with `any` or `all`"),
    ("starts-with", "`starts_with`"),
    ("regex", "`regex`, where the pattern is one of Python's too"),
    ("is-json, contains-json", "`json`, or `json_schema` where a schema is given"),
    ("is-valid-openai-tools-call, is-valid-openai-function-call, is-valid-function-call", "`tool_schema_valid`"),
    ("finish-reason", "`finish_reason`"),
    ("word-count", "`length` in words"),
    ("assert-set", "`all`, or `at_least` where a threshold is given and the weights are equal"),
    ("javascript, python, ruby, webhook", "none: nothing of a config is executed"),
    ("llm-rubric, factuality, g-eval, similar, classifier, moderation and others that ask a model", "none"),
    ("latency, cost, perplexity", "none: speed and cost are decided by item 2"),
    ("levenshtein, rouge-n, bleu, is-xml, is-sql, is-html, tool-call-f1, trajectory and others", "none"),
)
_WORDS = {"contains-any": "any", "contains-all": "all"}
_SCRIPTS = (".js", ".mjs", ".cjs", ".ts", ".mts", ".cts", ".py", ".rb", ".sh")


@dataclass
class Mapped:
    """Graders, and the assertions that have none (type and why)."""

    expect: list[Any] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


def mapped(assertions: list[Any], threshold: object = None) -> Mapped:
    """The assertions of one test; `threshold` is the share of them that must hold, None: all."""
    found = Mapped()
    weights = []
    for one in assertions:
        if not isinstance(one, dict) or not isinstance(one.get("type"), str):
            found.lost.append("an assertion without a type")
            continue
        if one.get("weight") == 0:
            found.lost.append(f"{one_line(one['type'], limit=40)} of weight 0, which never decides")
            continue
        try:
            found.expect.append(_one(one))
            weights.append(one.get("weight", 1))
        except Problem as error:
            found.lost.append(f"{one_line(one['type'], limit=40)} ({error})")
    if threshold is not None and found.expect:
        _at_least(found, threshold, weights)
    return found


def _at_least(found: Mapped, threshold: object, weights: list[Any]) -> None:
    """A threshold on the score is a number of assertions only where they weigh the same and none is missing."""
    if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not 0 < threshold <= 1:
        found.lost.append("a threshold that is not between 0 and 1")
    elif any(lost for lost in found.lost if "weight 0" not in lost) or len(set(map(str, weights))) > 1:
        found.lost += ["a threshold over assertions of which some have no grader, or of different weights"]
        found.expect = []
    else:
        need = max(1, math.ceil(threshold * len(found.expect) - 1e-9))
        if need < len(found.expect):
            found.expect = [{"at_least": {"n": need, "of": found.expect}}]


def _one(one: dict[str, Any]) -> Any:
    kind = str(one["type"]).strip()
    if kind == "assert-set":
        held = one.get("assert")
        inner = mapped(held if isinstance(held, list) else [], one.get("threshold"))
        if inner.lost or not inner.expect:
            raise Problem("", f"inside it: {'; '.join(inner.lost) or 'nothing'}")
        return inner.expect[0] if len(inner.expect) == 1 else {"all": inner.expect}
    if one.get("transform"):
        raise Problem("", "it transforms the reply by code")
    negated = kind.startswith("not-")
    written = _grader(kind.removeprefix("not-"), one.get("value"))
    written = {"not": written} if negated else written
    expectation(written, "expect.0")  # what the grader itself does not take is lost, not written
    return written


def _grader(kind: str, value: Any) -> Any:
    if isinstance(value, str) and value.startswith(("file://", "package:")):
        raise Problem("", "its value is in another file")
    plain = kind.removeprefix("i") if kind.startswith("icontains") else kind
    if plain == "contains" or plain in _WORDS:
        return {"contains": _contained(plain, value, ignore=plain != kind)}
    if kind in ("is-json", "contains-json"):
        return _json(value, "whole" if kind == "is-json" else "anywhere")
    made = _SIMPLE.get(kind)
    if made is None:
        raise Problem("", "no grader of that kind")
    return made(value)


def _contained(plain: str, value: Any, *, ignore: bool) -> dict[str, Any]:
    if plain == "contains":
        words = [_text(value)]
    else:
        words = [_text(word) for word in (value if isinstance(value, list) else _listed(value))]
    # white space around a word counts there; here only when asked
    space: dict[str, Any] = {"strip": False} if any(word != word.strip() for word in words) else {}
    return {_WORDS.get(plain, "any"): words, **({"ignore_case": True} if ignore else {}), **space}


def _json(value: Any, where: str) -> dict[str, Any]:
    if isinstance(value, dict):
        return {"json_schema": {"schema": value, "where": where}}
    if value not in (None, ""):
        raise Problem("", "its value is not a schema")
    return {"json": {"where": where}}


def _equals(value: Any) -> dict[str, Any]:
    if isinstance(value, dict | list):
        return {"json_match": {"value": value, "exact": True, "where": "whole"}}
    return {"equals": {"any": [_text(value)], "strip": False}}


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float) or value == "":
        raise Problem("", "its value is not a text")
    return str(value)


def _listed(value: Any) -> list[str]:
    """The compact form of a list in a table: words between commas."""
    return [word.strip() for word in _text(value).split(",") if word.strip()]


def _words(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        bounds = {key: value[key] for key in ("min", "max") if isinstance(value.get(key), int)}
        return {"unit": "words", **bounds}
    if isinstance(value, str) and value.strip().isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Problem("", "its value is not a number of words")
    return {"unit": "words", "min": value, "max": value}


_SIMPLE: dict[str, Callable[[Any], Any]] = {
    "equals": _equals,
    "starts-with": lambda value: {"starts_with": {"any": [_text(value)], "strip": False}},
    "regex": lambda value: {"regex": {"pattern": _text(value)}},
    "is-valid-openai-tools-call": lambda _: "tool_schema_valid",
    "is-valid-openai-function-call": lambda _: "tool_schema_valid",
    "is-valid-function-call": lambda _: "tool_schema_valid",
    "finish-reason": lambda value: {"finish_reason": _text(value)},
    "word-count": lambda value: {"length": _words(value)},
}


def compact(text: str) -> dict[str, Any] | None:
    """An assertion as tables hold it: `contains-any: a, b`; a bare text means equals. None when it is empty."""
    text = text.strip()
    if not text:
        return None
    kind, colon, value = text.partition(":")
    kind = kind.strip()
    if colon and kind.replace("-", "").replace("(", "").replace(")", "").replace(".", "").isalnum() and " " not in kind:
        name = {"js": "javascript", "fn": "javascript", "eval": "javascript", "grade": "llm-rubric"}.get(kind, kind)
        return {"type": name.split("(")[0], "value": value.strip()}
    if text in ("is-json", "contains-json", "not-is-json"):
        return {"type": text}
    return {"type": "equals", "value": text}


def is_script(reference: str) -> bool:
    """Whether a `file://` reference leads to code."""
    path = reference.removeprefix("file://").split(":")[0]
    return path.lower().endswith(_SCRIPTS)
