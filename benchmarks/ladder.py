"""How often the knee of a ladder is found where it was scripted, and how often one is seen where there is none.

    python benchmarks/ladder.py [--runs 200]

The shipped length-ladder (2 to 32 items) is answered by the reference server's model and graded as in a run; from a
scripted number of items on, a share of the lists is wrong. A run is one seed. In the last row a share of all lists is
wrong, whatever their size.
"""

from __future__ import annotations

import argparse
import re

from evalkit.analysis.ladder import knee, rungs
from evalkit.checklist.loader import shipped_folder
from evalkit.checklist.schema import Request
from evalkit.client.types import Exchange
from evalkit.quality.facts import Answer
from evalkit.quality.grading import answer
from evalkit.quality.suite import load_suite
from evalkit.reference import preset
from evalkit.reference.model import Ask, Model
from evalkit.stats.proportions import wilson

SUITE = load_suite(shipped_folder("prompts") / "tasks" / "length-ladder.yaml", Request())
#: items from which lists go wrong
STEPS = (4, 8, 16, 32)
#: share of them that is wrong, and cases of each size
WORLDS = ((0.5, 60), (0.3, 60), (0.5, 30), (0.3, 30))


#: share that is wrong at every size in the last row
EVEN = 0.15


def answers(seed: int, at: int, rate: float, cases: int) -> list[Answer]:
    """Graded replies to the first cases of each size, wrong with this rate from `at` items on."""
    model = Model(preset("diffusion", seed=seed, error_items=at, error_items_rate=rate))
    found = []
    for one in SUITE.cases:
        if int(re.split("-", one.id)[-1]) <= cases:
            prompt = f"<|im_start|>user\n{one.prompt_text}<|im_end|>\n<|im_start|>assistant\n"
            text = "".join(model.generate(Ask(prompt, 1024)).tokens)
            found.append(answer("diffusion", SUITE, one, Exchange(ok=True, text=text, finish_reason="stop")))
    return found


def main() -> None:
    """Prints how often the step is the scripted one, a table row a world."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    runs = parser.parse_args().runs
    print("| wrong from | share wrong | cases a size | knee there % | another knee % | no knee % |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for at, (rate, cases) in [*((at, world) for world in WORLDS for at in STEPS), (2, (EVEN, 60))]:
        seen = [knee(rungs(answers(seed, at, rate, cases), "items")) for seed in range(runs)]
        there = sum(one is not None and one.falls == at for one in seen)
        none = sum(one is None for one in seen)
        sure = wilson(there if at > 2 else none, runs, 0.95)
        cells = [f"{100 * count / runs:.1f}" for count in (there, runs - there - none, none)]
        cells[0 if at > 2 else 2] += f" [{100 * sure.low:.1f}, {100 * sure.high:.1f}]"
        print(f"| {at} | {rate:g} | {cases} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
