"""promptfoo configs: prompts × tests × variables. Code, addresses and environment templates are listed, never used."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from evalkit.importers import loose_yaml
from evalkit.importers.base import Entry, Head, Importer, Reading, plain_id
from evalkit.importers.chat import as_tools, cut
from evalkit.importers.promptfoo_asserts import compact, mapped
from evalkit.importers.promptfoo_files import Files, Refused

_TEMPLATE = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_$][\w$]*(\.[\w$]+|\[\d+\])*\Z")
_MARKS = ("tests", "providers", "targets", "scenarios", "defaultTest")
#: prompts × tests × variables of one config
_MOST = 100_000


def _sniff(head: Head) -> bool:
    if head.path.suffix.lower() not in (".yaml", ".yml", ".json"):
        return False
    names = set(re.findall(r'^["{]?\s*"?(\w+)"?\s*:', head.text, re.MULTILINE))
    if isinstance(head.first, dict):
        names = set(head.first)
    return "prompts" in names and bool(names & set(_MARKS)) and "suite" not in names and "results" not in names


@dataclass(frozen=True)
class _Prompt:
    text: str
    label: str
    line: int


@dataclass
class _Test:
    line: int
    number: int
    variables: dict[str, Any] = field(default_factory=dict)
    assertions: list[Any] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)


def _read(reading: Reading) -> Iterator[Entry]:
    config = loose_yaml.load(reading.path)
    if not isinstance(config.data, dict):
        reading.bad(1, "a promptfoo config is a mapping")
        return
    yield from _Config(reading, config).entries()


class _Config:
    def __init__(self, reading: Reading, config: loose_yaml.Loose) -> None:
        self.reading, self.config, self.data = reading, config, config.data
        self.files = Files(reading.path.parent)
        default = self.data.get("defaultTest")
        self.default: dict[str, Any] = default if isinstance(default, dict) else {}
        if isinstance(default, str):
            reading.lose(config.line("defaultTest"), "defaultTest in another file")

    def entries(self) -> Iterator[Entry]:
        self.listed()
        prompts = list(self.prompts())
        tools = self.tools()
        options = self.data.get("evaluateOptions")
        repeat = options.get("repeat") if isinstance(options, dict) else None
        count = 0
        for test in self.tests():
            expect = self.expect(test)
            combinations = list(self.combinations(test))
            for turn, values in enumerate(combinations, 1):
                key = f"{test.number}.{turn}" if len(combinations) > 1 else str(test.number)
                for place, prompt in enumerate(prompts):
                    if not self.wanted(test, prompt):
                        continue
                    count += 1
                    if count > _MOST:
                        self.reading.leave_out(test.line, f"more than {_MOST:,} prompts × tests × variables")
                        return
                    entry = self.entry(test, prompt, values, expect)
                    if entry is None:
                        continue
                    data = entry.data | ({"tools": tools} if tools else {})
                    if len(prompts) > 1:  # the same test by several prompts is one piece of evidence
                        data["cluster"] = f"test-{key}"
                    if isinstance(repeat, int) and 1 < repeat <= 100 and expect.expect:
                        data["repeats"] = repeat
                    name = f"{entry.name}.{turn}" if len(combinations) > 1 else entry.name
                    name = f"{name}/{place + 1}" if len(prompts) > 1 else name
                    yield Entry(entry.line, data, name, entry.expect)

    def listed(self) -> None:
        """What has no place here: providers and whatever runs code."""
        for key in ("providers", "targets"):
            if self.data.get(key):
                self.reading.lose(self.config.line(key), f"{key}: the modes of the checklist are asked instead")
        for key in ("extensions", "nunjucksFilters", "env", "derivedMetrics", "redteam"):
            if self.data.get(key):
                self.reading.lose(self.config.line(key), f"`{key}` is not used, and no code of it is run")

    def tools(self) -> list[dict[str, Any]] | None:
        """Tools of the providers, where all agree on one list."""
        providers = self.data.get("providers") or self.data.get("targets")
        found = []
        for one in providers if isinstance(providers, list) else []:
            config = one.get("config") if isinstance(one, dict) else None
            tools = config.get("tools") if isinstance(config, dict) else None
            if tools is not None:
                found.append(as_tools(tools))
        if found and all(one is not None and one == found[0] for one in found):
            return found[0]
        if found:
            self.reading.lose(self.config.line("providers"), "tools of providers that differ, or are in another file")
        return None

    def prompts(self) -> Iterator[_Prompt]:
        given = self.data.get("prompts")
        line = self.config.line("prompts")
        if isinstance(given, dict):
            given = [{"raw": raw, "label": label} for raw, label in given.items()]
        if given is None:
            given = ["{{prompt}}"]
        for place, one in enumerate(given if isinstance(given, list) else [given]):
            line = self.config.line(f"prompts.{place}")
            raw, label = one, None
            if isinstance(one, dict):
                raw, label = one.get("raw", one.get("id", one.get("prompt"))), one.get("label", one.get("id"))
                if one.get("function") or one.get("config"):
                    self.reading.lose(line, "`function` or `config` of a prompt")
                if "role" in one:
                    raw = json.dumps([one])
            if not isinstance(raw, str) or not raw.strip():
                self.reading.leave_out(line, "a prompt without text")
                continue
            try:
                texts = self.files.prompts(raw)
            except Refused as why:
                self.reading.leave_out(line, f"prompt {why}")
                continue
            for number, text in enumerate(texts):
                yield _Prompt(text, str(label or f"prompt-{place + number + 1}"), line)

    def tests(self) -> Iterator[_Test]:
        number = 0
        for line, raw in self.raw_tests():
            number += 1
            test = _Test(line, number)
            default_vars = self.default.get("vars")
            own = raw.get("vars")
            if isinstance(own, str):
                self.reading.leave_out(line, "a test whose variables are in another file")
                continue
            test.variables = {
                **(default_vars if isinstance(default_vars, dict) else {}), **(own if isinstance(own, dict) else {})
            }  # fmt: skip
            options = self.merged("options", raw)
            asserts = raw.get("assert")
            test.assertions = list(asserts) if isinstance(asserts, list) else []
            if not options.get("disableDefaultAsserts"):
                defaults = self.default.get("assert")
                test.assertions = [*(defaults if isinstance(defaults, list) else []), *test.assertions]
            test.data = {"raw": raw, "options": options, "metadata": self.merged("metadata", raw)}
            yield test

    def merged(self, key: str, raw: dict[str, Any]) -> dict[str, Any]:
        both = [one.get(key) for one in (self.default, raw)]
        return {name: value for one in both if isinstance(one, dict) for name, value in one.items()}

    def raw_tests(self) -> Iterator[tuple[int, dict[str, Any]]]:
        yield from self.listed_tests(self.data.get("tests"), "tests")
        scenarios = self.data.get("scenarios")
        for place, scenario in enumerate(scenarios if isinstance(scenarios, list) else []):
            if not isinstance(scenario, dict):
                self.reading.leave_out(self.config.line(f"scenarios.{place}"), "a scenario in another file")
                continue
            shared = scenario.get("config")
            inner = list(self.listed_tests(scenario.get("tests") or [{}], f"scenarios.{place}.tests"))
            for one in shared if isinstance(shared, list) else [{}]:
                base = one if isinstance(one, dict) else {}
                for line, test in inner:
                    both = {**(base.get("vars") or {}), **(test.get("vars") or {})}
                    asserts = [*(base.get("assert") or []), *(test.get("assert") or [])]
                    yield line, {**base, **test, "vars": both, "assert": asserts}
        if self.data.get("tests") is None and not scenarios:
            yield self.config.line("prompts"), {}

    def listed_tests(self, given: Any, path: str) -> Iterator[tuple[int, dict[str, Any]]]:
        for place, one in enumerate(given if isinstance(given, list) else [given] if given else []):
            line = self.config.line(f"{path}.{place}")
            reference = one.get("path") if isinstance(one, dict) and set(one) <= {"path", "config"} else one
            if isinstance(reference, str):
                try:
                    rows = list(self.files.tests(reference))
                except Refused as why:
                    self.reading.leave_out(line, f"tests {why}")
                    continue
                self.reading.note(f"tests were read from {reference}")
                yield from ((line, _from_row(row)) for row in rows)
            elif isinstance(one, dict):
                yield line, one
            else:
                self.reading.leave_out(line, "a test that is not a mapping")

    @staticmethod
    def wanted(test: _Test, prompt: _Prompt) -> bool:
        """Tests may name the prompts that they are for."""
        only = test.data["raw"].get("prompts")
        return not isinstance(only, list) or any(
            prompt.label == name or (str(name).endswith("*") and prompt.label.startswith(str(name)[:-1]))
            for name in only
        )

    def combinations(self, test: _Test) -> Iterator[dict[str, Any]]:
        """One set of values for each combination of lists among the variables."""
        if test.data["options"].get("disableVarExpansion"):
            yield test.variables
            return
        lists = {name: value for name, value in test.variables.items() if isinstance(value, list) and value}
        if not lists:
            yield test.variables
        else:
            for chosen in itertools.islice(itertools.product(*lists.values()), _MOST):
                yield {**test.variables, **dict(zip(lists, chosen, strict=True))}

    def expect(self, test: _Test) -> Any:
        raw, options = test.data["raw"], test.data["options"]
        if options.get("transform") or options.get("postprocess"):
            self.reading.lose(test.line, "assertions behind a `transform` of the reply, which is code")
            return mapped([])
        return mapped(test.assertions, raw.get("threshold", self.default.get("threshold")))

    def entry(self, test: _Test, prompt: _Prompt, values: dict[str, Any], expect: Any) -> Entry | None:
        reading = self.reading
        try:
            known = {name: self.files.variable(value) for name, value in values.items()}
            known = {n: fill(v, known) if isinstance(v, str) else v for n, v in known.items()}
            options = test.data["options"]
            text = f"{options.get('prefix') or ''}{prompt.text}{options.get('suffix') or ''}"
            data = self.asked(test, text, known)
            expected = _filled(expect.expect, known)
        except Refused as why:
            reading.leave_out(test.line, f"test: {why}")
            return None
        if data is None:
            return None
        for lost in expect.lost:
            reading.lose(test.line, f"assertion {lost}")
        tags = [f"{k}={v}" for k, v in test.data["metadata"].items() if isinstance(v, str | int | float)]
        tags = [tag for tag in tags if len(tag) <= 80 and tag.isprintable()][:16]
        if expect.lost and expected:
            tags.append("partial")
            reading.change(test.line, "some assertions have no grader: the case is marked partial")
        elif not expected:
            reading.change(test.line, "no assertion with a grader: it became a prompt")
        if tags:
            data["tags"] = tags
        described = test.data["raw"].get("description")
        name = plain_id(described) if isinstance(described, str) else ""
        return Entry(test.line, data, name or f"test-{test.number}", expected or None)

    def asked(self, test: _Test, text: str, known: dict[str, Any]) -> dict[str, Any] | None:
        """A text, or a conversation where the prompt is a JSON or YAML list of messages."""
        stripped = text.strip()
        if stripped.startswith("["):
            try:
                messages = json.loads(stripped)
            except (ValueError, RecursionError):
                messages = None
            if isinstance(messages, list) and messages and all(isinstance(m, dict) and "role" in m for m in messages):
                whole = [_filled(message, known) for message in messages]
                kept = cut(self.reading, test.line, whole)
                return None if kept is None else {"messages": kept}
        prompt = fill(text, known)
        if prompt.strip().startswith("[{"):
            try:
                messages = json.loads(prompt)
            except (ValueError, RecursionError):
                return {"prompt": prompt}
            if all(isinstance(m, dict) and "role" in m and "content" in m for m in messages):
                kept = cut(self.reading, test.line, messages)
                return None if kept is None else {"messages": kept}
        if not prompt.strip():
            raise Refused("the prompt is empty with these variables")
        return {"prompt": prompt}


def _filled(value: Any, known: dict[str, Any]) -> Any:
    if isinstance(value, str):
        return fill(value, known)
    if isinstance(value, list):
        return [_filled(one, known) for one in value]
    return {key: _filled(one, known) for key, one in value.items()} if isinstance(value, dict) else value


def fill(text: str, known: dict[str, Any]) -> str:
    """`text` with `{{ name }}` replaced, also `a.b`, `a[0]` and the filters dump, trim, upper and lower.

    Raises:
        Refused: another kind of template, a name of the environment, or one without a value.
    """
    if "{%" in text or "{#" in text:
        raise Refused("a template with statements, which are not evaluated")
    return _TEMPLATE.sub(lambda found: _value(found.group(1), known), text)


def _value(expression: str, known: dict[str, Any]) -> str:
    name, *filters = (part.strip() for part in expression.split("|"))
    if name.startswith(("env.", "process.")) or name == "env":
        raise Refused(f"{{{{{name}}}}} is of the environment, which is not read")
    if not _NAME.match(name) or not set(filters) <= {"dump", "trim", "upper", "lower", "safe"}:
        raise Refused(f"the template {{{{{expression[:60]}}}}} is not evaluated")
    value: Any = known
    for part in re.findall(r"[\w$]+", name):
        value = value.get(part) if isinstance(value, dict) else _at(value, part)
        if value is None:
            raise Refused(f"the variable {name!r} has no value")
    text = value if isinstance(value, str) and "dump" not in filters else _plain(value)
    for one in filters:
        text = {"trim": text.strip(), "upper": text.upper(), "lower": text.lower()}.get(one, text)
    return text


def _at(value: Any, part: str) -> Any:
    return value[int(part)] if isinstance(value, list) and part.isdigit() and int(part) < len(value) else None


def _plain(value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return json.dumps(value, ensure_ascii=False, default=str)


def _from_row(row: dict[str, Any]) -> dict[str, Any]:
    """A row of a table of tests: columns are variables, those with two underscores in front say more."""
    if not any(str(name).startswith("__") for name in row) and ("vars" in row or "assert" in row):
        return row
    test: dict[str, Any] = {"vars": {}, "assert": []}
    for name, value in row.items():
        if name.startswith("__expected"):
            one = compact(value) if isinstance(value, str) else None
            test["assert"] += [one] if one else []
        elif name == "__description" and value:
            test["description"] = value
        elif name in ("__prefix", "__suffix") and value:
            test.setdefault("options", {})[name.strip("_")] = value
        elif name == "__threshold" and value:
            try:
                test["threshold"] = float(value)
            except ValueError:
                test["threshold"] = value
        elif not name.startswith("__"):
            test["vars"][name] = value
    return test


IMPORTER = Importer(
    kind="promptfoo",
    title="promptfoo config (YAML or JSON)",
    carries="prompts × tests × lists of variables, assertions with a grader of the same meaning, repeat, description, "
    "short metadata (as tags), tools where all providers share them; text, CSV, JSON and YAML files in its folder",
    drops="providers; code, addresses and the environment, which are listed and never used; other assertions",
    sniff=_sniff,
    read=_read,
)
