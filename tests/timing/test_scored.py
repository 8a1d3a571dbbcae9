"""The timed text is the scored text: prompts that are task cases are marked, never salted, and not asked again."""

from __future__ import annotations

import json

from evalkit.checklist.schema import Checklist, LoadedChecklist, ModesItem
from evalkit.quality.collect import plan
from evalkit.quality.timed import timed_answers
from evalkit.run.plan import execute
from evalkit.run.setup import prepare
from tests.timing.support import AR, DLM, execute_on, sample, script


def prepared(folder, prompt="Say hello in French.", max_tokens=512):
    (folder / "p.jsonl").write_text(
        json.dumps({"id": "p0", "prompt": prompt, "max_tokens": max_tokens})
        + "\n"
        + json.dumps({"id": "p1", "prompt": "Something else."})
        + "\n"
    )
    case = {
        "id": "hello",
        "prompt": "Say hello in French.",
        "expect": [{"contains": {"any": ["Bonjour"]}}],
    }
    (folder / "t.yaml").write_text(json.dumps({"suite": {"name": "s", "kind": "chat"}, "cases": [case]}))
    checklist = Checklist.model_validate(
        {"modes": {AR: {"endpoint": "http://a:1"}}, "prompts": ["p.jsonl"], "tasks": ["t.yaml"]}
    )
    return prepare(LoadedChecklist(checklist=checklist, path=None, folder=folder, sha256="0" * 64, lines={}))


def test_a_prompt_with_the_very_request_of_a_case_is_scored_and_any_other_is_not(tmp_path):
    assert prepared(tmp_path).scored == {"p0": "s|hello"}
    assert prepared(tmp_path, prompt="Say hello in french.").scored == {}
    assert prepared(tmp_path, max_tokens=33).scored == {}


def test_scored_prompts_carry_their_case_and_are_never_salted(tmp_path):
    settings = execute.Settings(salt=True, cases={"p1": "s|hello"})
    samples, _, _, servers = execute_on(
        tmp_path, [script(0.0)] * 2, count=2, settings=settings, item=ModesItem(warmup=0)
    )
    marked = {(s.prompt_id, s.case_id, s.salted) for s in samples}
    assert marked == {("p0", None, True), ("p1", "s|hello", False)}
    for server in servers:
        texts = [body["messages"][0]["content"] for _, body in server.requests]
        assert texts.count("Say 1.") == 2
        assert "Say 0." not in texts


def test_what_was_timed_is_graded_and_not_asked_again(tmp_path):
    setup = prepared(tmp_path)
    planned = plan(setup.suites, [AR, DLM], baseline=AR)
    timed = [
        sample(mode, "p0", repeat, 100, text="Bonjour!").model_copy(update={"case_id": "s|hello"})
        for mode in (AR, DLM)
        for repeat in (0, 1)
    ]
    got = timed_answers(timed, setup.prompts.prompts, planned, concurrency=1)
    assert len(got) == len(timed)
    assert {a.key for a in got} < {one.key for one in planned}  # a small suite is asked three times: the rest is open
    assert all(a.passed for a in got)
    assert timed_answers(timed, setup.prompts.prompts, planned, concurrency=4) == []
