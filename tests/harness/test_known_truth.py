"""The 200 prompts of the small trained model on a real SGLang, graded by evalkit, by lm-eval and by Inspect in one run.

Per case all three must say the same in every mode, and find the same: no loss at block 8, a loss at block 32, which was
never trained.
"""

from __future__ import annotations

import asyncio
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from evalkit.checklist.schema import Checklist, Endpoint, Request
from evalkit.client.types import Target
from evalkit.client.wire import WireClient
from evalkit.facts import Facts, RunStart
from evalkit.harness import process
from evalkit.harness.registry import read
from evalkit.harness.runners import NO_KEY, Against, command
from evalkit.items.quality.decide import decide
from evalkit.quality.collect import plan, run_cases
from evalkit.quality.grading import regrade
from evalkit.quality.suite import facts_of, load_suite
from evalkit.serving.probe import probe
from tests.harness import real_tools
from tests.real import servers

FIXTURE = Path(__file__).parents[1] / "fixtures" / "tiny_trimode"
LM_EVAL, INSPECT = real_tools.tool("lm-eval", "lm_eval"), real_tools.tool("inspect", "inspect")
pytestmark = [
    pytest.mark.harness,
    pytest.mark.timeout(2400),
    pytest.mark.skipif(servers.available() is not None, reason=str(servers.available())),
    pytest.mark.skipif(LM_EVAL is None or INSPECT is None, reason="not set up: make harness"),
]
AR, TRAINED, UNTRAINED = "autoregressive", "diffusion@b8", "diffusion@b32"
MODES = {AR: "ar", TRAINED: "diffusion:b8-t0.5", UNTRAINED: "diffusion:b32-t0.5"}
STREAMS = 8
MAX_TOKENS = 300  # the longest right answer has about 250
#: what the chat template makes of the one tool; a harness that asks for text alone has to say it itself
TOOL = "\nTools: get_weather(city)"
LM_TASK = f"""task: tiny
dataset_path: json
dataset_kwargs: {{data_files: {{test: data.jsonl}}}}
test_split: test
output_type: generate_until
description: "{{{{system}}}}"
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{answer}}}}"
generation_kwargs: {{until: [], max_gen_toks: {MAX_TOKENS}, temperature: 0, do_sample: false}}
metric_list:
  - {{metric: exact_match, aggregation: mean, higher_is_better: true}}
metadata: {{version: 1.0}}
"""
INSPECT_TASK = f"""from inspect_ai import Task, task
from inspect_ai.dataset import Sample, json_dataset
from inspect_ai.model import ChatMessageSystem, ChatMessageUser, GenerateConfig
from inspect_ai.scorer import Score, accuracy, scorer
from inspect_ai.solver import generate


@scorer(metrics=[accuracy()])
def same_text():
    async def score(state, target):
        return Score(value="C" if state.output.completion.strip() == target.text.strip() else "I")

    return score


def sample(row):
    system = [ChatMessageSystem(content=row["system"])] if row["system"] else []
    return Sample(id=row["id"], input=[*system, ChatMessageUser(content=row["question"])], target=row["answer"])


@task
def tiny():
    config = GenerateConfig(max_tokens={MAX_TOKENS}, temperature=0)
    return Task(dataset=json_dataset("data.jsonl", sample), solver=generate(), scorer=same_text(), version=1, config=config)
"""


def expected(row):
    if row["task"] == "table":
        return [{"json": {"where": "whole"}}, {"json_match": json.loads(row["answer"])}]
    return [{"equals": {"any": [row["answer"]]}}]


def write(folder):
    """The same questions as a suite, as an lm-eval task and as an Inspect task."""
    rows = [json.loads(line) for line in (FIXTURE / "prompts.jsonl").read_text().splitlines()]
    rows = rows[:: int(os.environ.get("EVALKIT_TINY_STEP", "1"))]  # fewer, to try a change of this test
    data = [
        {"id": one["id"], "question": one["prompt"], "answer": one["answer"], "system": TOOL if one["tools"] else ""}
        for one in rows
    ]
    (folder / "data.jsonl").write_text("".join(json.dumps(one) + "\n" for one in data))
    (folder / "tiny.yaml").write_text(LM_TASK)
    (folder / "tiny.py").write_text(INSPECT_TASK)
    cases = [
        {
            "id": one["id"],
            "messages": [
                *([{"role": "system", "content": TOOL}] if one["tools"] else []),
                {"role": "user", "content": one["prompt"]},
            ],
            "expect": expected(one),
        }
        for one in rows
    ]
    suite = {"suite": {"name": "tiny", "kind": "custom", "defaults": {"max_tokens": MAX_TOKENS}}, "cases": cases}
    (folder / "own.yaml").write_text(yaml.safe_dump(suite, sort_keys=False))


def checklist_of(*modes):
    asked = {"kind": "custom", "timeout_minutes": 15}
    return Checklist.model_validate({
        "modes": {mode: {} for mode in modes},
        "tasks": [
            "own.yaml",
            {**asked, "name": "lm-eval", "run": "lm-eval", "tasks": ["tiny"], "include_path": ".", "program": str(LM_EVAL)},
            {**asked, "name": "Inspect", "run": "inspect", "task": "tiny.py", "program": str(INSPECT)},
        ],
        "items": {"quality": {"margin": {"default": 0.05}}},
    })  # fmt: skip


async def asked_by_all(folder, checklist, mode, server):
    """What evalkit's own probe and cases, and each harness, got from one server: endpoint, answers, results."""
    own = load_suite(folder / "own.yaml", Request(max_tokens=MAX_TOKENS))
    answers, results = [], []
    client = WireClient()
    try:
        endpoint = await probe(mode, Endpoint(endpoint=server.base_url), client=client)
        once = [one for one in plan([own], [mode], baseline=AR) if not one.repeat and one.streamed]
        target = Target(mode, server.base_url, servers.MODEL)
        await run_cases({mode: target}, once, client, done=set(), on_answer=answers.append, concurrency=STREAMS)
    finally:
        await client.aclose()
    for place, task in checklist.harnesses:
        out = folder / f"{place}-{mode}"
        out.mkdir()
        argv, keys, env = command(task, Against(mode, server.base_url, servers.MODEL, out, folder, STREAMS))
        seen = process.environment({**env, **dict.fromkeys(keys, NO_KEY)}, [])
        ended = await process.run(argv, seen, folder / f"{out.name}.log", folder, 1800)
        assert ended.code == 0, ended
        results += read(out, task, place, mode, ran_here=True)
    return endpoint, answers, results


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """The folder, and the facts of all modes. One server is up at a time."""
    folder = tmp_path_factory.mktemp("known")
    write(folder)
    checklist = checklist_of(*MODES)
    endpoints, answers, results = {}, [], []
    for mode, served in MODES.items():
        with servers.RealSglang(served, ready_timeout_s=400) as server:
            print(f"{mode}: ready in {server.ready_after_s:.0f} s")
            endpoint, own, harness = asyncio.run(asked_by_all(folder, checklist, mode, server))
        endpoints[mode] = endpoint
        answers += own
        results += harness
    start = RunStart(run_id="r", started_at="2026-11-29", evalkit_version="0", plan_sha256="", checklist_sha256="")
    suite = load_suite(folder / "own.yaml", Request(max_tokens=MAX_TOKENS))
    facts = Facts(
        start=start, suites=(facts_of(suite),), answers=tuple(answers), endpoints=endpoints,
        harness={one.key: one for one in results},
    )  # fmt: skip
    return folder, facts


def own(facts, mode):
    return {one.case_id: one for one in facts.answers if one.mode == mode and one.repeat == 0 and one.streamed}


def theirs(folder, facts, mode, reader):
    """Scores of a harness by the ids of the data; lm-eval numbers its documents."""
    (one,) = [each for each in facts.harness.values() if each.mode == mode and each.reader == reader]
    assert one.problems == ()
    names = [json.loads(line)["id"] for line in (folder / "data.jsonl").read_text().splitlines()]
    ids = [names[int(case)] for case in one.cases] if reader == "lm-eval" else one.cases
    return dict(zip(ids, one.scores, strict=True))


def replies(folder, mode):
    """What lm-eval was answered, by the ids of the data."""
    (path,) = folder.glob(f"1-{mode}/**/samples_*.jsonl")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return {row["doc"]["id"]: row["resps"][0][0] for row in rows}


@pytest.mark.parametrize("mode", MODES)
def test_each_case_is_graded_the_same_by_all_three(found, mode):
    folder, facts = found
    answers = own(facts, mode)
    ours = {case: float(bool(one.passed)) for case, one in answers.items()}
    print(f"{mode}: {sum(ours.values()):.0f} of {len(ours)} right")
    assert theirs(folder, facts, mode, "lm-eval") == ours
    assert theirs(folder, facts, mode, "inspect") == ours


@pytest.mark.parametrize("mode", MODES)
def test_our_graders_say_of_lm_evals_replies_what_lm_eval_says(found, mode):
    """Independent of whether the server answers twice alike."""
    folder, facts = found
    texts = replies(folder, mode)
    swapped = [
        one.model_copy(update={"exchange": one.exchange.model_copy(update={"text": texts[case]})})
        for case, one in own(facts, mode).items()
    ]
    graded = regrade(swapped, [load_suite(folder / "own.yaml", Request(max_tokens=MAX_TOKENS))])
    assert {one.case_id: float(bool(one.passed)) for one in graded} == theirs(folder, facts, mode, "lm-eval")


@pytest.mark.parametrize(("mode", "status"), [(TRAINED, "pass"), (UNTRAINED, "fail")])
def test_all_three_find_the_same_at_a_margin_of_five_points(found, mode, status):
    """Each mode alone: with several, what one is shown is corrected for their number."""
    _, facts = found
    findings = decide(checklist_of(AR, mode), facts, datetime(2026, 11, 29, tzinfo=UTC))
    shown = {
        one.data["suite"]: (one.status.value, one.outcome, one.counts, one.data["difference"])
        for one in findings
        if one.id == "quality.non-inferiority" and one.mode == mode
    }
    print(mode, shown)
    assert set(shown) == {"tiny", "lm-eval/tiny", "Inspect/tiny"}
    assert len(set(shown.values())) == 1
    assert shown["tiny"][:3] == (status, shown["tiny"][1], True)
