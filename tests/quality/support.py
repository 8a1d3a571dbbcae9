"""Replies and suites for the tests of quality."""

from __future__ import annotations

from pathlib import Path

from evalkit.checklist.schema import Request
from evalkit.client.types import ChatRequest, Exchange, ToolCall
from evalkit.quality.case import Case, Suite
from evalkit.quality.expectations import expectation
from evalkit.quality.graders.base import Reply
from evalkit.quality.suite import load_suite


def said(text: str = "", *calls: tuple[str, str], finish: str = "stop", **extra) -> Exchange:
    return Exchange(
        ok=True,
        text=text,
        tool_calls=tuple(ToolCall(name=n, arguments=a) for n, a in calls),
        finish_reason=finish,
        **extra,
    )


def exchange(reply: Reply) -> Exchange:
    return said(reply.text, *reply.calls, finish=reply.finish)


def case(*expect, tools=(), prompt="?", **extra) -> Case:
    request = ChatRequest(messages=({"role": "user", "content": prompt},), tools=tuple(tools))
    built = tuple(expectation(one, f"expect.{i}") for i, one in enumerate(expect))
    return Case(id=extra.pop("id", "case"), request=request, expect=built, **extra)


def suite_file(folder: Path, text: str, name: str = "suite.yaml") -> Suite:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return load_suite(path, Request())


def function(name: str, required=(), **properties) -> dict:
    parameters = {"type": "object", "properties": properties, "required": list(required)}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}
