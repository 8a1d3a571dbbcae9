from __future__ import annotations

import random

from evalkit.checklist.schema import Checklist
from evalkit.client.types import Exchange
from evalkit.report.comparison import compare, to_markdown
from evalkit.run.facts import Facts, PromptFacts
from evalkit.timing.facts import TimedSample
from tests.report.test_stored import facts


def run(speed: float, *, n: int = 60, sha: str = "a" * 64, simulated: bool = False, seed: int = 1) -> Facts:
    noise = random.Random(seed)
    timed = tuple(
        TimedSample(
            mode="diffusion",
            concurrency=1,
            prompt_id=f"p{i}",
            repeat=0,
            position=i,
            exchange=Exchange(ok=True, done_us=int((500_000 + 9_000 * i) / speed * noise.lognormvariate(0, 0.05))),
        )
        for i in range(n)
    )
    prompts = (PromptFacts(path="p", sha256=sha, count=n, shipped=False, longest_chars=9, max_tokens=9),)
    start = facts().start.model_copy(update={"simulated": simulated})
    return facts(start=start, timed=timed, prompts=prompts)


def test_a_known_ratio_lies_in_the_interval() -> None:
    doc = compare([("a", Checklist(), run(1.0)), ("b", Checklist(), run(1.5, seed=2))])
    (row,) = doc["comparisons"][0]["rows"]
    assert row["low"] < 1.5 < row["high"]
    assert row["low"] > 1.4
    assert row["answer"] == "faster"
    assert "diffusion" in to_markdown(doc)


def test_other_prompts_or_a_simulation_are_refused() -> None:
    for other in (run(1.0, sha="b" * 64), run(1.0, simulated=True)):
        doc = compare([("a", Checklist(), run(1.0)), ("b", Checklist(), other)])
        assert not doc["comparable"]
        assert "Not comparable" in to_markdown(doc)


def test_few_pairs_give_no_ratio() -> None:
    doc = compare([("a", Checklist(), run(1.0, n=5)), ("b", Checklist(), run(1.5, n=5))])
    assert doc["comparisons"][0]["rows"][0]["ratio"] is None
