"""How often an afternoon of a small team ends GO: 40 own prompts, 60 own cases, through what `evalkit init` writes.

    python benchmarks/afternoon.py [--runs 200]

The checklist is written by `init` for a model whose three modes are started in turn, one start a mode, and read by the
product; its own plan, margins, claims and bounds decide. Times and answers are drawn in worlds whose truth is known
(simulated.py): each mode gains `true`, 1.1x is asked, a start differs by 2%, and diffusion answers 2% of the cases
otherwise, half of them better. GO: some mode passes in speed and in quality, and no counted finding of it is open.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from pathlib import Path

from simulated import World, log_times
from worlds import ERROR, NOW, START, sample, shown
from worlds_quality import _REPLY

from evalkit.checklist.loader import load_checklist
from evalkit.facts import Facts
from evalkit.items.modes import decide as speed
from evalkit.items.quality import decide as quality
from evalkit.modes import Mode, base_mode
from evalkit.quality.collect import plan
from evalkit.quality.facts import Answer
from evalkit.quality.suite import facts_of
from evalkit.run.setup import Setup, merged, prepare
from evalkit.scaffold.detect import Found
from evalkit.scaffold.write import CHECKLIST, Wanted, scaffold
from evalkit.timing.facts import PromptFacts

#: models with one and with two modes to adopt that the records can start
MODELS = ("JetLM/SDAR-8B-Chat", "nvidia/Nemotron-Labs-Diffusion-8B")
ASKED = 1.1
#: share of the cases that the baseline passes, and that diffusion answers otherwise
_PASSES, _DIFFER = 0.9, 0.02
#: (what is true of each mode, its ratio, its loss as a share)
TRUTHS = (
    ("1.5x, as good", 1.5, 0.0),
    ("1.5x, 15 points worse", 1.5, 0.15),
    ("1.1x, as good", 1.1, 0.0),
    ("equal", 1.0, 0.0),
)


def setup(folder: Path, model: str) -> Setup:
    """40 prompts and 60 cases of a team, as init takes them up."""
    prompts = [{"id": f"p{i}", "prompt": f"Answer the mail of customer {i}.", "max_tokens": 256} for i in range(40)]
    (folder / "own.jsonl").write_text("".join(json.dumps(one) + "\n" for one in prompts))
    cases = [{"id": f"c{i}", "prompt": f"What is {i} and {i}?", "expect": [{"number": 2 * i}]}
             for i in range(60)]  # fmt: skip
    (folder / "own.yaml").write_text(
        json.dumps({"suite": {"name": "own", "kind": "chat", "defaults": {"max_tokens": 128}}, "cases": cases})
    )
    scaffold(folder, Found(), Wanted(model, prompts=(folder / "own.jsonl",), tasks=(folder / "own.yaml",)))
    loaded = load_checklist(folder / CHECKLIST)
    modes = {**loaded.checklist.items.modes.model_dump(exclude_unset=True), "launches": "single"}
    items = {
        **loaded.checklist.items.model_dump(exclude_unset=True),
        "modes": {**modes, "speedup": {"at_least": ASKED}},
    }
    return prepare(merged(loaded, {"items": items}))


def answers(asked: Setup, rng: random.Random, loss: float) -> list[Answer]:
    """Of every mode to every case that fits, the baseline twice; a mode loses `loss` of what the baseline passes."""
    given: list[Answer] = []
    right: dict[tuple[str, str], bool] = {}
    baseline = asked.checklist.baseline.quality
    for one in plan(asked.suites, list(asked.checklist.modes), baseline=baseline):
        key = (one.suite.name, one.case.id)
        passed = right.setdefault(key, rng.random() < _PASSES)
        if one.mode != baseline:
            share = _PASSES if passed else 1 - _PASSES
            differ = base_mode(one.mode) is Mode.DIFFUSION and rng.random() < _DIFFER / 2 / share
            passed = (passed != differ) and rng.random() >= loss  # the other modes give the baseline's text
        text = "x" if passed == right[key] else "y"
        given.append(
            Answer.model_construct(
                mode=one.mode, suite=one.suite.name, kind=one.suite.kind, case_id=one.case.id, repeat=one.repeat,
                streamed=True, request_sha256=one.case.id, asked_sha256="", cluster=None, severity="normal",
                passed=passed, exchange=_REPLY.model_copy(update={"text": text}), grades=(), signals=None,
                tool_outcome=None, wants_call=False, reply_sha256=text, temperature=0.0, prompt_preview="", tags=(),
            )
        )  # fmt: skip
    return given


def trial(asked: Setup, seed: int, ratio: float, loss: float) -> bool:
    """Whether a run ends GO."""
    rng = random.Random(f"{seed} {ratio} {loss}")
    world = World(
        "afternoon",
        len(asked.prompts.prompts),
        ratio,
        ASKED,
        len(asked.checklist.adopted),
        noise=0.1,
        gains=0.15,
        start=0.02,
    )
    times = log_times(world, asked.plan, rng)
    timed = [sample(planned, times[planned.position], None) for planned in asked.plan.requests]
    own = PromptFacts(path="p", sha256="", count=world.prompts, shipped=False, longest_chars=9, max_tokens=9)
    facts = Facts.model_construct(
        start=START, timed=tuple(timed), client_errors=(ERROR,), prompts=(own,),
        suites=tuple(map(facts_of, asked.suites)), answers=tuple(answers(asked, rng, loss)),
    )  # fmt: skip
    found = [*speed.decide(asked.checklist, facts, NOW), *quality.decide(asked.checklist, facts, NOW)]
    return any(
        all(one.status.carries for one in found if one.counts and one.mode in (None, mode))
        for mode in asked.checklist.adopted
    )


def rate(asked: Setup, runs: int, ratio: float, loss: float) -> int:
    """Runs of `runs` that end GO; seeded."""
    return sum(trial(asked, seed, ratio, loss) for seed in range(runs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=200)
    runs = parser.parse_args().runs
    print("| modes to adopt | true | prompts, cases that fit | starts | GO |\n| ---: | --- | --- | ---: | ---: |")
    for model in MODELS:
        with tempfile.TemporaryDirectory() as folder:
            asked = setup(Path(folder), model)
        kept = f"{len(asked.prompts.prompts)} of 40, {sum(len(suite.cases) for suite in asked.suites)} of 60"
        for name, ratio, loss in TRUTHS:
            go, modes = shown(rate(asked, runs, ratio, loss), runs), len(asked.checklist.adopted)
            print(f"| {modes} | {name} | {kept} | {len(asked.plan.starts)} | {go} |", flush=True)


if __name__ == "__main__":
    main()
