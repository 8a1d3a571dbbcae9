"""Graders of tool calls."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from evalkit.client.types import Exchange
from evalkit.quality.case import Case
from evalkit.quality.facts import Grade
from evalkit.quality.graders.base import Example, Grader, NoParams, Params, Reply, grade
from evalkit.quality.graders.compare import Comparison, Options, check_rules, compare, maximum_matching
from evalkit.quality.toolcalls import ReadCall, ToolReading, declared, read


class ExpectedCall(Params):
    """A call that is asked for. `args: null` accepts any arguments."""

    name: Annotated[str, Field(min_length=1)]
    args: dict[str, Any] | None = {}  # noqa: RUF012  pydantic copies defaults

    @field_validator("args")
    @classmethod
    def _rules(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        check_rules(value)
        return value


class ToolCalls(Params):
    """`extra: forbid` fails calls beyond those asked for; `coerce` takes "5" for 5 where a number was declared."""

    calls: Annotated[list[ExpectedCall], Field(min_length=1, max_length=64)]
    order: Literal["any", "strict"] = "any"
    extra: Literal["forbid", "allow"] = "forbid"
    normalize: list[Literal["casefold", "whitespace"]] = []  # noqa: RUF012  pydantic copies defaults
    coerce: bool = False

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, value: object) -> object:
        """A list is the calls; one call may be without its list."""
        if isinstance(value, list):
            return {"calls": value}
        return {"calls": [value]} if isinstance(value, dict) and "name" in value and "calls" not in value else value


def compare_call(asked: ExpectedCall, call: ReadCall, schema: dict[str, Any], params: ToolCalls) -> Comparison:
    """Arguments of one call against those asked for; another function is all wrong."""
    if asked.name != call.name:
        result = Comparison()
        result.wrong("", f"called {call.name}, asked for {asked.name}")
        return result
    if asked.args is None:
        return Comparison()
    return compare(asked.args, call.arguments, Options(normalize=tuple(params.normalize)), schema=schema)


def tool_calls(reply: Exchange, case: Case, params: ToolCalls) -> Grade:
    reading = read(reply, case.tools, coerce=params.coerce)
    facts = _facts(reading, [asked.name for asked in params.calls])
    if reading.outcome != "call":
        reason = reading.reason or "answered in text, no call"
        return grade("tool_calls", False, reason, **facts, right_arguments=False)
    functions = declared(case.tools)
    compared = [
        [compare_call(asked, call, functions.get(call.name, {}), params) for call in reading.calls]
        for asked in params.calls
    ]
    matched = _match(compared, len(reading.calls), params.order)
    right = sum(1 for index in matched if index is not None)
    facts["right_arguments"] = right == len(params.calls)
    if right < len(params.calls):
        reason = _why(params.calls, reading.calls, compared, matched)
        return grade("tool_calls", False, reason, score=right / len(params.calls), **facts)
    if params.extra == "forbid" and len(reading.calls) > len(params.calls):
        reason = f"{len(reading.calls)} calls, {len(params.calls)} asked for"
        return grade("tool_calls", False, reason, score=len(params.calls) / len(reading.calls), **facts)
    return grade("tool_calls", True, **facts)


def _match(compared: list[list[Comparison]], calls: int, order: str) -> list[int | None]:
    if order == "any":
        edges = [[j for j, one in enumerate(row) if one.equal] for row in compared]
        return maximum_matching(edges, calls)
    matched: list[int | None] = []
    at = 0
    for row in compared:  # a subsequence: extra calls are judged apart
        found = next((j for j in range(at, calls) if row[j].equal), None)
        matched.append(found)
        at = at if found is None else found + 1
    return matched


def _why(
    asked: list[ExpectedCall], calls: tuple[ReadCall, ...], compared: list[list[Comparison]], matched: list[int | None]
) -> str:
    """What is wrong with the first expectation that no call answers, against the nearest free call."""
    index = matched.index(None)
    free = [j for j in range(len(calls)) if j not in matched and calls[j].name == asked[index].name]
    if not free:
        names = ", ".join(sorted({call.name for call in calls}))
        return f"no call of {asked[index].name} that is still free (called: {names})"
    nearest = max(free, key=lambda j: (compared[index][j].right, -j))
    differences = compared[index][nearest].differences
    return f"{asked[index].name}: {differences[0]}" if differences else f"{asked[index].name}: wrong order"


def _facts(reading: ToolReading, asked: list[str]) -> dict[str, Any]:
    called = [call.name for call in reading.calls]
    return {
        "outcome": reading.outcome,
        "asked": sorted(asked),
        "called": sorted(called),
        "schema_valid": reading.outcome == "call",
        "right_function": sorted(asked) == sorted(called),
    }


def no_tool_call(reply: Exchange, case: Case, _params: NoParams) -> Grade:
    reading = read(reply, case.tools)
    called = [call.name for call in reading.calls]
    reason = {"text": "", "call": f"called {', '.join(called)}"}.get(reading.outcome, reading.reason)
    return grade("no_tool_call", reading.outcome == "text", reason, outcome=reading.outcome, called=called)


class CallsAny(Params):
    """`names`: which functions count; all when absent."""

    names: list[str] | None = None


def calls_any(reply: Exchange, case: Case, params: CallsAny) -> Grade:
    reading = read(reply, case.tools)
    names = [call.name for call in reading.good]
    good = reading.outcome == "call" and (params.names is None or bool(set(names) & set(params.names)))
    reason = "" if good else reading.reason or (f"called {', '.join(names)}" if names else "answered in text, no call")
    return grade("calls_any", good, reason, outcome=reading.outcome, called=names)


def tool_schema_valid(reply: Exchange, case: Case, _params: NoParams) -> Grade:
    reading = read(reply, case.tools)
    good = reading.outcome in ("call", "text")
    return grade("tool_schema_valid", good, "" if good else reading.reason, outcome=reading.outcome)


WEATHER = "get_weather"
_GOOD = Reply(calls=((WEATHER, '{"city": "Oslo"}'),), finish="tool_calls")
_BROKEN = Reply('<tool_call>{"name": "get_weather", "arguments": {"city": "Oslo"</tool_call>')

GRADERS = (
    Grader(
        name="tool_calls",
        family="tools",
        summary="Exactly these functions are called with these arguments, in any order unless `order: strict`.",
        params=ToolCalls,
        grade=tool_calls,
        example=Example(
            "tool_calls: [{name: get_weather, args: {city: {any_of: [Oslo, 'Oslo, Norway']},"
            " unit: {any_of: [C], optional: true}}}]",
            _GOOD,
            Reply(calls=((WEATHER, '{"city": "Bergen"}'),), finish="tool_calls"),
        ),
        notes=(
            "Arguments are a JSON object, valid under the declared schema; unknown parameters are malformed.",
            "A plain value is the one that is allowed. `{any_of: […], optional: true}` allows several, or none.",
            "Texts are compared exactly. `normalize: [casefold, whitespace]` is opt-in and never touches ids or paths.",
            "Parallel calls are matched so that as many as possible fit, not first come, first served.",
        ),
    ),
    Grader(
        name="no_tool_call",
        family="tools",
        summary="Tools are offered and none is wanted: the reply is text. A malformed or cut call is not abstention.",
        params=NoParams,
        grade=no_tool_call,
        example=Example("no_tool_call", Reply("Paris is the capital of France."), _BROKEN),
    ),
    Grader(
        name="calls_any",
        family="tools",
        short="names",
        summary="There is a tool call, readable and valid; the arguments' values are not looked at.",
        params=CallsAny,
        grade=calls_any,
        example=Example("calls_any", _GOOD, Reply("It is sunny in Oslo.")),
    ),
    Grader(
        name="tool_schema_valid",
        family="tools",
        summary="Whatever the reply does, no call in it is malformed or cut off.",
        params=NoParams,
        grade=tool_schema_valid,
        example=Example("tool_schema_valid", _GOOD, _BROKEN),
    ),
)
