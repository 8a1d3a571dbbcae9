"""Loading task suites: YAML, or JSONL for bulk, each error with FILE:LINE and a suggestion."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from evalkit.checklist.errors import input_error
from evalkit.checklist.files import decode, read_bytes, resolve
from evalkit.checklist.images import data_uri, has_image
from evalkit.checklist.loader import is_shipped
from evalkit.checklist.schema import Request
from evalkit.checklist.yaml import YamlDocument, parse_yaml, refuse_words
from evalkit.client.types import ChatRequest, Exchange, Message
from evalkit.errors import InputFileError, Mistakes
from evalkit.quality import jsontext, schemas
from evalkit.quality.case import Case, Suite, asked_sha256
from evalkit.quality.expectations import Problem, any_value, check_together, expectation
from evalkit.quality.facts import SuiteFacts
from evalkit.quality.graders import grade_one
from evalkit.quality.schema import RawCase, RawSuite, SuiteHead
from evalkit.quality.toolcalls import declared
from evalkit.timing.templates import templates

MAX_SUITE_BYTES = 8 << 20
MAX_JSONL_BYTES = 64 << 20


@dataclass
class _Source:
    """Where one case is written, for messages."""

    path: Path
    line: int | None
    lines: dict[str, int] = field(default_factory=dict)
    prefix: str = ""

    def at(self, dotted: str) -> str:
        """FILE:LINE of a dotted path below the case, or of its nearest parent."""
        full = f"{self.prefix}.{dotted}" if self.prefix and dotted else self.prefix or dotted
        while full:
            if full in self.lines:
                return f"{self.path}:{self.lines[full]}"
            full = full.rpartition(".")[0]
        return f"{self.path}:{self.line}" if self.line else str(self.path)

    def below(self) -> dict[str, int]:
        """The lines of the case's own paths."""
        if not self.prefix:
            return {"": self.line} if self.line else {}
        start = f"{self.prefix}."
        return {key[len(start) :]: line for key, line in self.lines.items() if key.startswith(start)} | {
            "": self.line or 1
        }


def load_suites(paths: Sequence[Path], defaults: Request) -> list[Suite]:
    """Read and check suites; `defaults` is production's request.

    Raises:
        InputFileError: with FILE:LINE and a hint.
    """
    suites: list[Suite] = []
    for path in paths:
        suites.append(unlike(load_suite(path, defaults), suites))
    return suites


def unlike(suite: Suite, others: Sequence[Suite]) -> Suite:
    """The suite, whose name none of the others has.

    Raises:
        InputFileError: one has.
    """
    twin = next((one for one in others if one.name == suite.name), None)
    if twin is not None:
        raise InputFileError(
            f"suite {suite.name!r} is already the name of {twin.path}", where=suite.path, hint="rename one of them"
        )
    return suite


def load_suite(path: Path, defaults: Request) -> Suite:
    """One suite; a `.jsonl` file is a suite with `kind: custom`, named after the file."""
    digest, mistakes, document = sha256(), Mistakes(), None
    if path.suffix == ".jsonl":
        head = SuiteHead(name=path.stem, kind="custom")
        raw = _jsonl(path, digest, mistakes)
    else:
        head, raw, document = _yaml(path, digest, mistakes)
    with mistakes:
        suite = _suite(path, head, raw, defaults, digest)
    if document is not None:
        refuse_words(document, any_value, mistakes)
    mistakes.in_order()
    mistakes.end()
    return suite


def converted_suite(
    path: Path, head: SuiteHead, rows: list[tuple[dict[str, Any], int]], text: str, defaults: Request
) -> Suite:
    """A suite from cases that were converted from another format: `text` is what is hashed, lines are the source's."""
    raw = [(data, _Source(path, line)) for data, line in rows]
    return _suite(path, head, raw, defaults, sha256(text.encode("utf-8", "surrogatepass")))


def check_case(data: dict[str, Any], where: str) -> None:
    """Raises InputFileError for a case that a suite must not hold; `where` is FILE:LINE."""
    path, _, line = where.rpartition(":")
    source = _Source(Path(path), int(line) if line.isdigit() else None)
    _case(data, source, SuiteHead(name="x", kind="custom"), Request(), Path(path).parent, sha256())


def _suite(path: Path, head: SuiteHead, raw: list[tuple[Any, _Source]], defaults: Request, digest: Any) -> Suite:
    if not raw:
        raise InputFileError(
            "the suite has no cases: nothing could be decided", where=str(path), hint="add entries under cases:"
        )
    cases: list[Case] = []
    seen: dict[str, str] = {}
    mistakes = Mistakes()
    for data, source in raw:
        with mistakes:
            case = _case(data, source, head, defaults, path.parent, digest)
            if case.id in seen:
                raise InputFileError(
                    f"case id {case.id!r} is already used at {seen[case.id]}",
                    where=source.at("id"),
                    hint="ids are unique within a suite",
                )
            seen[case.id] = source.at("id")
            cases.append(case)
    mistakes.end()
    return Suite(
        name=head.name,
        kind=head.kind,
        path=str(path),
        sha256=digest.hexdigest(),
        cases=tuple(cases),
        version=head.version,
        shipped=is_shipped(path, digest.hexdigest()),
        tags=tuple(head.tags),
    )


def facts_of(suite: Suite) -> SuiteFacts:
    """What the run folder keeps of a suite."""
    alone = {asked_sha256(case.request): case for case in suite.cases if case.cluster is None}
    return SuiteFacts(
        name=suite.name, kind=suite.kind, path=suite.path, sha256=suite.sha256, version=suite.version,
        cases=len(suite.cases), shipped=suite.shipped, critical=suite.critical, repeats=suite.repeats,
        longest_chars=max(case.characters for case in suite.cases),
        max_tokens=max(case.request.max_tokens for case in suite.cases),
        imported=suite.imported, source_sha256=suite.source_sha256,
        image_cases=tuple(case.id for case in suite.cases if has_image(case.request.messages)),
        passed_by_any=passed_by_any(suite), unclustered=len(alone),
        templates=None if suite.shipped else templates(case.prompt_text for case in alone.values()),
    )  # fmt: skip


def _yaml(path: Path, digest: Any, mistakes: Mistakes) -> tuple[SuiteHead, list[tuple[Any, _Source]], YamlDocument]:
    data = read_bytes(path, max_bytes=MAX_SUITE_BYTES)
    digest.update(data)
    document = parse_yaml(decode(data, path), path, mistakes)
    if not isinstance(document.data, dict):
        mistakes.end()
        what = "the file is empty" if document.data is None else "a suite is a mapping with suite: and cases:"
        raise InputFileError(what, where=f"{path}:1", hint="docs/tasks.md shows a suite")
    try:
        raw = RawSuite.model_validate(document.data)
    except ValidationError as error:
        with mistakes:
            raise input_error(error, path, document.lines, schema=RawSuite) from None
        _cases_too(document, path, mistakes)
        refuse_words(document, any_value, mistakes)
        mistakes.in_order()
        mistakes.end()
    cases = [
        (case, _Source(path, document.lines.get(f"cases.{index}"), document.lines, f"cases.{index}"))
        for index, case in enumerate(raw.cases)
    ]
    if raw.suite.bulk is not None:
        where = f"{path}:{document.lines.get('suite.import', 1)}"
        cases += _jsonl(resolve(path.parent, raw.suite.bulk, where=where), digest, mistakes)
    return raw.suite, cases, document


def _cases_too(document: YamlDocument, path: Path, mistakes: Mistakes) -> None:
    """Mistakes of the cases of a suite whose head is wrong: reported with those of the head."""
    head, cases = SuiteHead(name="x", kind="custom"), document.data.get("cases")
    for index, case in enumerate(cases if isinstance(cases, list) else ()):
        source = _Source(path, document.lines.get(f"cases.{index}"), document.lines, f"cases.{index}")
        with mistakes:
            _case(case, source, head, Request(), path.parent, sha256())


def _jsonl(path: Path, digest: Any, mistakes: Mistakes) -> list[tuple[Any, _Source]]:
    data = read_bytes(path, max_bytes=MAX_JSONL_BYTES)
    digest.update(data)
    found: list[tuple[Any, _Source]] = []
    for number, line in enumerate(decode(data, path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            found.append((jsontext.parse(line), _Source(path, number)))
        except jsontext.BadJson as error:
            wrong = InputFileError(f"not JSON: {error}", where=f"{path}:{number}", hint="one case a line")
            mistakes.found.append(wrong)
    return found


def _case(data: Any, source: _Source, head: SuiteHead, defaults: Request, folder: Path, digest: Any) -> Case:  # noqa: PLR0917  a recursion passes its state on
    if not isinstance(data, dict):
        raise InputFileError("a case is a mapping with id, prompt and expect", where=source.at(""))
    try:
        raw = RawCase.model_validate(data)
    except ValidationError as error:
        raise input_error(error, source.path, source.below(), schema=RawCase) from None
    mistakes, expect = Mistakes(), []

    def wrong(error: Problem) -> None:
        said = f"case {raw.id!r}: {error}"
        mistakes.found.append(InputFileError(said, where=source.at(error.at), hint=error.hint))

    for index, one in enumerate(raw.expect or head.defaults.expect or []):
        try:
            expect.append(expectation(one, f"expect.{index}"))
        except Problem as error:
            wrong(error)
    tools = tuple(head.defaults.tools or () if raw.tools is None else raw.tools)
    try:
        _check_tools(tools, raw.tool_result)
        if not mistakes.found:
            check_together(tuple(expect), tools)
    except Problem as error:
        wrong(error)
    mistakes.end()
    return Case(
        id=raw.id,
        request=_request(raw, head, defaults, tools, _messages(raw, folder, source, digest)),
        expect=tuple(expect),
        cluster=raw.cluster if raw.cluster is not None else head.cluster,
        repeats=raw.repeats or head.repeats,
        severity=raw.severity or head.severity,
        tags=(*head.tags, *raw.tags),
        line=source.line,
        reasoning=head.reasoning,
        tool_result=raw.tool_result,
    )


def _check_tools(tools: tuple[dict[str, Any], ...], result: str | None) -> None:
    if result is not None and not tools:
        raise Problem("tool_result", "tool_result answers calls, and the case has no tools")
    if len(declared(tools)) != len(tools):
        raise Problem("tools", "each tool is {type: function, function: {name, parameters}} with a name of its own")
    for name, schema in declared(tools).items():
        try:
            schemas.check_schema(schema)
        except schemas.BadSchema as error:
            raise Problem("tools", f"tool {name!r}: {error}") from None


def _request(
    raw: RawCase, head: SuiteHead, base: Request, tools: tuple[dict[str, Any], ...], messages: list[Message]
) -> ChatRequest:
    """The case's own parameters, over the suite's defaults, over production's request."""

    def chosen(name: str, fallback: Any = None) -> Any:
        own, suite = getattr(raw.params, name), getattr(head.defaults, name)
        return own if own is not None else suite if suite is not None else fallback

    system = chosen("system", base.system)
    if system and not any(message.get("role") == "system" for message in messages):
        messages = [{"role": "system", "content": system}, *messages]
    extra = {**base.extra_body, **(head.defaults.extra_body or {}), **(raw.params.extra_body or {})}
    return ChatRequest(
        messages=tuple(messages),
        max_tokens=chosen("max_tokens", base.max_tokens),
        temperature=chosen("temperature", base.temperature),
        tools=tools,
        tool_choice=raw.tool_choice if raw.tool_choice is not None else head.defaults.tool_choice,
        response_format=chosen("response_format"),
        stop=tuple(chosen("stop", ())),
        seed=chosen("seed"),
        extra_body=extra,
    )


def _messages(raw: RawCase, folder: Path, source: _Source, digest: Any) -> list[Message]:
    if raw.messages is None:
        if not raw.images:
            return [{"role": "user", "content": raw.prompt}]
        parts: list[dict[str, Any]] = [
            {"type": "image_url", "image_url": {"url": data_uri(path, folder, source.at(f"images.{index}"), digest)}}
            for index, path in enumerate(raw.images)
        ]
        return [{"role": "user", "content": [*parts, {"type": "text", "text": raw.prompt}]}]
    messages = json.loads(json.dumps(raw.messages, default=str))
    for index, message in enumerate(messages):
        if not isinstance(message.get("role"), str):
            raise InputFileError(f"case {raw.id!r}: a message has a role", where=source.at(f"messages.{index}"))
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            url = (
                part.get("image_url", {}).get("url")
                if isinstance(part, dict) and isinstance(part.get("image_url"), dict)
                else None
            )
            if isinstance(url, str):
                part["image_url"]["url"] = data_uri(url, folder, source.at(f"messages.{index}.content"), digest)
    return list(messages)


_LONG_CONTROL = (
    "That is a good question, and there is more than one way to look at it. Much depends on where you begin, what you "
    "have at hand and how far you want to go. Take your time, write down what you know so far, and ask somebody who "
    "has done this before. Small steps are better than large ones, since each of them can be taken back. Look at the "
    "result in the evening, sleep over it, and decide on the next day whether it is what you were after."
)
#: the same to every case; none of them is in a format that a suite may ask for and nothing else
CONTROLS = ("OK.", "I do not know.", _LONG_CONTROL)
#: share of a suite's cases that a control may fail before it is given up
_GIVEN_UP = 0.5


def passed_by_any(suite: Suite) -> int:
    """Cases that the most successful of the controls passes; 0 where none passes half of them."""
    most = 0
    for text in CONTROLS:
        reply = Exchange(ok=True, text=text, finish_reason="stop")
        failed = passed = 0
        for case in suite.cases:
            good = _passes(case, reply)
            passed, failed = passed + good, failed + (not good)
            if failed > _GIVEN_UP * len(suite.cases):
                passed = 0
                break
        most = max(most, passed)
    return most


def _passes(case: Case, reply: Exchange) -> bool:
    grades = [grade_one(one, reply, case) for one in case.expect]
    deciding = [one for one in grades if one.counts]
    return bool(deciding) and all(one.passed is True for one in deciding)
