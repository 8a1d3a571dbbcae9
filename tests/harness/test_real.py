"""Real harnesses, in environments of their own, against the reference server in two modes, to a verdict."""

from __future__ import annotations

import json

import pytest

from evalkit.run.start import Flags, run
from tests.harness import real_tools
from tests.support.small_run import servers, write_inputs

pytestmark = pytest.mark.harness
LM_EVAL = real_tools.tool("lm-eval", "lm_eval")
INSPECT = real_tools.tool("inspect", "inspect")
PROMPTFOO = real_tools.tool("promptfoo", "promptfoo")
NEL = real_tools.tool("nel", "nel")


def quality(report, check):
    (item,) = [one for one in report["items"] if one["id"] == "quality"]
    return [one for one in item["findings"] if one["id"] == check]


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("tool", "task"),
    [
        pytest.param(
            LM_EVAL, {"run": "lm-eval", "tasks": ["city_records"], "include_path": ".", "filter": "city"}, id="lm-eval"
        ),
        pytest.param(
            INSPECT, {"run": "inspect", "task": "city_records.py", "args": ["--temperature", "0"]}, id="inspect"
        ),
        pytest.param(PROMPTFOO, {"run": "promptfoo", "task": "promptfooconfig.yaml"}, id="promptfoo"),
        pytest.param(NEL, {"command": [str(NEL), *real_tools.NEL], "reads": "nel"}, id="nel"),
    ],
)
def test_evalkit_runs_the_harness_in_each_mode_and_decides_on_its_cases(tmp_path, tool, task):
    if tool is None:
        pytest.skip("not set up: make harness")
    real_tools.write(tmp_path)
    named = {} if "command" in task else {"program": str(tool)}
    samples = 128 if tool == NEL else 64  # two repeats
    with servers() as modes:
        checklist = write_inputs(tmp_path, modes, tasks=[{**named, **task, "kind": "structured"}])
        report = run(Flags(checklist=str(checklist), output_dir=tmp_path / "run", as_json=True))
    counted = quality(report, "quality.harness")
    assert [(one["mode"], one["status"], one["data"]["samples"]) for one in counted] == [
        ("autoregressive", "pass", samples), ("self-speculation", "pass", samples),
    ]  # fmt: skip
    shown = {one["mode"]: one for one in quality(report, "quality.non-inferiority")}
    assert shown["self-speculation"]["status"] == "pass"
    assert shown["self-speculation"]["known_by"] == "third-party-reported"
    facts = [json.loads(line) for line in (tmp_path / "run" / "journal.jsonl").read_text().splitlines()]
    assert sum(one.get("kind") == "harness" for one in facts) == 2
