"""How often the verdict on quality is wrong, in simulated worlds whose truth is known.

    python benchmarks/worlds_quality.py [--runs 400] [--only TEXT] [--short]

Each world draws answers and runs them through the product's own pairs, bounds, floors and carriers; nothing that
decides is copied here. Rates carry a 95% Wilson interval. `wrong pass`: the true loss is the margin, and the mode is
let through; `wrong fail`: the true loss is nought, and it fails; `pass`: the true loss is nought, and it passes.
"""

from __future__ import annotations

import argparse
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from evalkit.analysis.pairs import Pair, Table
from evalkit.checklist.schema import Checklist
from evalkit.client.types import Exchange
from evalkit.facts import Facts, RunStart
from evalkit.findings import Status
from evalkit.items.quality import decide
from evalkit.quality.facts import Answer, SuiteFacts
from evalkit.stats.proportions import least_cases, wilson

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BASELINE, MODES = (
    "autoregressive",
    ("diffusion", "diffusion@b", "diffusion@c", "diffusion@d", "diffusion@e", "diffusion@f"),
)
#: (passed by the mode, by the baseline) of one reading
Cell = tuple[bool, bool]
Draw = Callable[[random.Random], list[list[Cell]]]
START = RunStart(
    run_id="r", started_at="2026-01-01T00:00:00Z", evalkit_version="0", plan_sha256="", checklist_sha256=""
)

_REPLY = Exchange(ok=True, text="x", finish_reason="stop", completion_tokens=9)


@dataclass(frozen=True)
class World:
    """`draw(rng)`: the readings of each case, `cluster(i)`: where it belongs; `bad`: its true loss is the margin."""

    name: str
    draw: Draw
    margin: float
    alpha: float = 0.05
    cluster: Callable[[int], str] | None = None
    bad: bool = True


def _cell(rng: random.Random, loss: float, discordant: float) -> Cell:
    """One pair: lost with chance `discordant`/2 + `loss`/2, gained with the rest of `discordant`."""
    u, lost = rng.random(), (discordant + loss) / 2
    return (False, True) if u < lost else (True, False) if u < discordant else (True, True)


def plain(rng: random.Random, n: int, loss: float, discordant: float) -> list[list[Cell]]:
    return [[_cell(rng, loss, max(loss, discordant))] for _ in range(n)]


def repeated(rng: random.Random, n: int, loss: float, repeats: int, few: float) -> list[list[Cell]]:
    """Cases of a difficulty of their own; the loss lies on a share `few` of the cases, wholly, or on all a little."""
    cases = []
    for _ in range(n):
        lost = rng.random() < loss if few else False
        easy = 1.0 if few else rng.betavariate(12, 1)
        mine = 0.0 if lost else max(0.0, easy - (0 if few else loss))
        cases.append([(rng.random() < mine, rng.random() < easy) for _ in range(repeats)])
    return cases


def clustered(rng: random.Random, n: int, loss: float, size: int, together: float) -> list[list[Cell]]:
    """Clusters of `size` cases: with chance `together` a case does as its cluster does."""
    cases = []
    for i in range(n):
        if i % size == 0:
            whole = rng.random() < loss
        gone = whole if rng.random() < together else rng.random() < loss
        cases.append([(not gone, True)])
    return cases


def template(rng: random.Random, n: int, loss: float, share: float) -> list[list[Cell]]:
    """One template of a share of the cases, lost or kept as one, and single cases."""
    whole = rng.random() < loss
    return [[(not (whole if i < share * n else rng.random() < loss), True)] for i in range(n)]


def table(world: World, rng: random.Random) -> Table:
    """The product's table of one run."""
    pairs = []
    for i, cells in enumerate(world.draw(rng)):
        n, odd = len(cells), cells[: len(cells) - 1 + len(cells) % 2]
        ours, theirs = ([cell[side] for cell in cells] for side in (0, 1))
        most = [2 * sum(cell[side] for cell in odd) > len(odd) for side in (0, 1)]
        cluster = world.cluster(i) if world.cluster else f"\x00{i}"
        pairs.append(Pair(str(i), cluster, "normal", sum(ours) / n, sum(theirs) / n, None, None, "", *most))
    suite = SuiteFacts(name="s", kind="chat", path="p", sha256="0", cases=len(pairs))
    return Table(suite, MODES[0], BASELINE, len(pairs), tuple(pairs), 1.0, world.alpha)


def worlds() -> Iterator[World]:
    """Every kind: sizes from the fewest cases on, discordance, repeats, clusters, templates."""
    for margin in (0.10, 0.05, 0.03, 0.02):
        least = least_cases(margin)
        for n in (least, least + 9, 2 * least, 4 * least):
            for discordant in (0.0, 0.05, 0.2):
                draw = partial(plain, n=n, loss=margin, discordant=discordant)
                yield World(f"plain {100 * margin:g} points, n {n}, {discordant:.0%} differ", draw, margin)
        yield World(f"equal, {100 * margin:g} points, n {4 * least}, 2% differ",
                    partial(plain, n=4 * least, loss=0.0, discordant=0.02), margin, bad=False)  # fmt: skip
    for n, margin in ((60, 0.05), (100, 0.05), (250, 0.03)):
        for repeats in (2, 3, 5):
            for few in (0.0, 1.0):
                where = "few cases" if few else "all cases"
                draw = partial(repeated, n=n, loss=margin, repeats=repeats, few=few)
                yield World(f"{repeats} repeats, loss on {where}, n {n}", draw, margin)
    for n, size, together in ((400, 10, 0.5), (700, 10, 1.0), (600, 5, 1.0)):
        draw = partial(clustered, n=n, loss=0.05, size=size, together=together)
        yield World(f"declared clusters of {size}, {together:.0%} together, n {n}", draw, 0.05,
                    cluster=partial(_block, size))  # fmt: skip
    for share in (0.02, 0.1, 0.2, 0.5):
        for n in (100, 200):
            draw = partial(template, n=n, loss=0.05, share=share)
            yield World(f"declared template of {share:.0%}, n {n}", draw, 0.05, cluster=partial(_first, share * n))


def _block(size: int, i: int) -> str:
    return f"c{i // size}"


def _first(upto: float, i: int) -> str:
    return "template" if i < upto else f"\x00{i}"


def rate(world: World, runs: int, seed: int) -> tuple[int, int]:
    """(let through, failed) of so many runs."""
    rng = random.Random(f"{seed} {world.name}")
    verdicts = [table(world, rng).verdict(world.margin) for _ in range(runs)]
    return verdicts.count(True), verdicts.count(False)


# -- whole items: several modes, floors, a small suite beside a shipped one ----------------------------------------


def answers(rng: random.Random, suite: SuiteFacts, losses: dict[str, float], share: float = 1.0) -> Iterator[Answer]:
    """Replies of the baseline and of modes that lose so much of it each; `share` of the cases pass in the baseline."""
    for i in range(suite.cases):
        held = rng.random() < share
        for mode in (BASELINE, *losses):
            kept = held and (mode == BASELINE or rng.random() >= losses[mode] / share)
            for repeat in range(suite.repeats):
                yield Answer.model_construct(
                    mode=mode, suite=suite.name, kind=suite.kind, case_id=str(i), repeat=repeat, streamed=True,
                    request_sha256=f"{suite.name} {i}", asked_sha256="", cluster=None, severity="normal", passed=kept,
                    exchange=_REPLY, grades=(), signals=None,
                    tool_outcome=None, wants_call=False, reply_sha256="x", temperature=0.0, prompt_preview="", tags=(),
                )  # fmt: skip


def statuses(rng: random.Random, suites: list[SuiteFacts], losses: list[dict[str, float]], share: float = 1.0,
             **quality: object) -> dict[str, set[Status]]:  # fmt: skip
    """Statuses of the counted findings on loss and floor of each mode, as the item decides them."""
    modes = list(losses[0])
    asked = Checklist.model_validate(
        {"modes": {m: {} for m in (BASELINE, *modes)}, "items": {"quality": {"match_margin": 0.5, **quality}}}
    )
    given = [one for suite, loss in zip(suites, losses, strict=True) for one in answers(rng, suite, loss, share)]
    found = decide.decide(asked, Facts(start=START, suites=tuple(suites), answers=tuple(given)), NOW)
    wanted = ("quality.non-inferiority", "quality.floor")
    return {m: {f.status for f in found if f.mode == m and f.id in wanted and f.counts} for m in modes}


def several(rng: random.Random, modes: int, n: int, margin: float) -> bool:
    """Whether any of several modes, each at the margin, passes."""
    suite = SuiteFacts(name="s", kind="chat", path="p", sha256="0", cases=n, shipped=True)
    found = statuses(rng, [suite], [dict.fromkeys(MODES[:modes], margin)], margin={"default": margin})
    return any(all(status.carries for status in each) for each in found.values())


def floor(rng: random.Random, n: int, share: float, wanted: Status) -> bool:
    """Whether the floor of one half has a status, at a true share."""
    suite = SuiteFacts(name="s", kind="chat", path="p", sha256="0", cases=n, shipped=True)
    item = Checklist.model_validate({"modes": {BASELINE: {}, MODES[0]: {}}})
    given = tuple(answers(rng, suite, {MODES[0]: 0.0}, share))
    found = decide.decide(item, Facts(start=START, suites=(suite,), answers=given), NOW)
    return any(f.id == "quality.floor" and f.mode == MODES[0] and f.status is wanted for f in found)


def carried(rng: random.Random, n: int, loss: float) -> bool:
    """Whether an own suite of few cases that loses is carried by a shipped one that loses nothing."""
    own = SuiteFacts(name="own", kind="chat", path="p", sha256="0", cases=n, repeats=3)
    shipped = SuiteFacts(name="shipped", kind="chat", path="p", sha256="0", cases=250, shipped=True)
    found = statuses(rng, [own, shipped], [{MODES[0]: loss}, {MODES[0]: 0.0}])
    return all(status.carries for status in found[MODES[0]])


def whole() -> Iterator[tuple[str, Callable[[random.Random], bool], float | None]]:
    """(name, whether it goes wrong, the most that is demanded)."""
    for modes in (2, 3, 6):
        for margin in (0.10, 0.05):
            n = 2 * least_cases(margin, 0.05 / modes)
            yield (
                f"{modes} modes at {100 * margin:g} points, n {n}",
                partial(several, modes=modes, n=n, margin=margin),
                0.05,
            )
    for n in (45, 100):
        yield f"floor .5, true .5, n {n}: passes", partial(floor, n=n, share=0.5, wanted=Status.PASS), 0.05
        yield f"floor .5, true .5, n {n}: fails", partial(floor, n=n, share=0.5, wanted=Status.FAIL), 0.05
        yield f"floor .5, true .55, n {n}: fails", partial(floor, n=n, share=0.55, wanted=Status.FAIL), 0.05
    for n in (10, 20, 40):
        yield f"own suite of {n} loses 10 points: carried", partial(carried, n=n, loss=0.10), None


def line(name: str, what: str, k: int, n: int) -> str:
    found = wilson(k, n)
    return f"{name:52} {what:11} {k / n:6.1%}  [{found.low:.1%} – {found.high:.1%}]"


def allowed(most: float, runs: int) -> int:
    """Most runs of `runs` that a rate of `most` gives but once in a thousand."""
    return math.ceil(runs * most + 3.1 * math.sqrt(runs * most * (1 - most)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--only", default="")
    parser.add_argument("--short", action="store_true", help="every fourth world")
    asked = parser.parse_args()
    for number, world in enumerate(one for one in worlds() if asked.only in one.name):
        if asked.short and number % 4:
            continue
        through, failed = rate(world, asked.runs, 1)
        if world.bad:
            print(line(world.name, "wrong pass", through, asked.runs))
        else:
            print(line(world.name, "pass", through, asked.runs))
            print(line(world.name, "wrong fail", failed, asked.runs))
    for name, wrong, _ in whole():
        if asked.only in name:
            rng, runs = random.Random(f"1 {name}"), max(1, asked.runs // (8 if asked.short else 2))
            print(line(name, "wrong", sum(wrong(rng) for _ in range(runs)), runs))


if __name__ == "__main__":
    main()
