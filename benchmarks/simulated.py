"""Simulated worlds: what a run would read where the truth is known. `worlds.py` decides them by the product's code.

A world gives every planned request a time. The log of a time is the prompt's own (sd 0.8 between prompts), less the
mode's gain on that prompt, plus what the world adds: noise of a request, drift, starts, batches, carry-over, caches.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import dataclass

#: threshold that every mode is held to, and the names of the modes
ASKED = 1.5
BASELINE, MODES = "autoregressive", ("diffusion", "self-speculation", "diffusion@t0.5", "diffusion@t0.9")
_BETWEEN = 0.8


@dataclass(frozen=True)
class World:
    """`ratio`: the true one. Spreads and shifts are in logs: 0.05 is about 5%."""

    name: str
    prompts: int = 60
    ratio: float = ASKED
    asked: float = ASKED
    modes: int = 1
    level: int = 1
    #: noise of one request, and its shape: normal, outliers, bimodal, exponential
    noise: float = 0.05
    shape: str = "normal"
    #: spread of the gains between prompts; `few`: one in twenty gains 4x, the others correspondingly less
    gains: float = 0.1
    few: bool = False
    #: share of rare prompts, and how many times they lose
    rare: tuple[float, float] = (0.0, 1.0)
    #: spread of starts, and how servers are started: up (both, never restarted), replicated, single
    start: float = 0.0
    servers: str = "up"
    #: shared change of the machine's speed over the run, and its course: linear, step, sawtooth
    drift: float = 0.0
    course: str = "linear"
    #: the last mode alone gets slower by this over the plan; the mean over the plan is `ratio`
    fade: float = 0.0
    #: spread of batches above concurrency 1, and of a slow wandering of all times (AR .98)
    batch: float = 0.0
    wander: float = 0.0
    #: periodic disturbance: requests a period, and its size; `alias`: in the pattern A B B A B A A B itself
    period: tuple[int, float] = (8, 0.0)
    alias: float = 0.0
    #: how much faster the modes read after another mode, and again; `_all`: the baseline as well
    carry: float = 0.0
    carry_all: float = 0.0
    second: float = 0.0
    #: prompts in a declared cluster, whose gains go together
    cluster: int = 0
    #: a world whose variation the run cannot sample: shown, held to nothing
    beyond: bool = False

    @property
    def typical(self) -> float:
        """Spread of the log ratio of one prompt read twice in both modes."""
        return math.hypot(self.noise, self.gains)


def noise(world: World, rng: random.Random) -> float:
    """Of one request, mean zero in logs."""
    sd = world.noise
    if world.shape == "outliers":
        return rng.gauss(0, sd) + (math.log(10) if rng.random() < 0.01 else 0.0) - 0.01 * math.log(10)
    if world.shape == "bimodal":
        return rng.choice((-sd, sd)) + rng.gauss(0, sd / 5)
    if world.shape == "exponential":
        return sd * (rng.expovariate(1) - 1)
    return rng.gauss(0, sd)


def gains(world: World, rng: random.Random, prompts: list[str]) -> dict[str, float]:
    """log of the mode's gain on each prompt; the mean over the population is log(ratio)."""
    share, factor = world.rare
    together = [rng.gauss(0, world.gains) for _ in prompts]
    found = {}
    for i, prompt in enumerate(prompts):
        own = together[i // world.cluster] if world.cluster else together[i]
        if world.few:
            own += math.log(4) * ((rng.random() < 0.05) - 0.05)
        if share:
            own += math.log(factor) * (share - (rng.random() < share))
        found[prompt] = math.log(world.ratio) + own
    return found


def course(world: World, at: float) -> float:
    """Of the machine's drift, from 0 at the start of the run to 1 at its end."""
    if world.course == "step":
        return float(at >= 0.5)
    return (at * 6) % 1 if world.course == "sawtooth" else at


def log_times(world: World, plan, rng: random.Random) -> list[float]:
    """log of the time in ms of each request of the plan, in its order."""
    order = list(dict.fromkeys(p.prompt_id for p in plan.requests))
    base = {p: rng.gauss(6, _BETWEEN) for p in order}
    gain = {mode: gains(world, rng, sorted(order)) for mode in plan.modes if mode != plan.baseline}
    started = {(p.mode, p.launch): 0.0 for p in plan.requests}
    started = {key: rng.gauss(0, world.start) for key in started}
    place = {p: i / max(1, len(order) - 1) - 0.5 for i, p in enumerate(order)}
    phase, batches, drifting = rng.random() * world.period[0], {}, 0.0
    before, last, seen, times = None, None, Counter(), []
    for i, p in enumerate(plan.requests):
        at = i / max(1, len(plan.requests) - 1)
        other = p.mode != plan.baseline
        time = base[p.prompt_id] + noise(world, rng) + started[p.mode, p.launch] + world.drift * course(world, at)
        batch = (p.mode, p.repeat, p.group, p.launch)
        if batch != last:
            before, last = last, batch
        if other:
            time += world.fade * place[p.prompt_id] - gain[p.mode][p.prompt_id]
            time -= world.second * (seen[p.mode, p.launch, p.prompt_id] > 0)
        if before is not None and before[0] != p.mode:
            time -= world.carry * other + world.carry_all
        if world.batch:
            time += batches.setdefault(batch, rng.gauss(0, world.batch))
        if world.wander:
            fresh = math.sqrt(1 - 0.98**2) if i else 1.0
            drifting = 0.98 * drifting + rng.gauss(0, world.wander) * fresh
            time += drifting
        length, size = world.period
        time += size * math.sin(2 * math.pi * (i + phase) / length)
        time += world.alias * (i % 8 in (0, 3, 5, 6))
        seen[p.mode, p.launch, p.prompt_id] += 1
        times.append(time)
    return times


def _named() -> list[World]:
    found = []
    for n in (28, 60):
        for size, shape in ((0.1, "normal"), (0.3, "normal"), (0.8, "normal"), (0.1, "outliers"), (0.3, "bimodal"),
                            (0.3, "exponential")):  # fmt: skip
            found.append(World(f"noise {size:g} {shape}", n, noise=size, shape=shape, gains=0.15))
        found.append(World("few prompts gain 4x", n, few=True))
        found.append(World("5% below", n, ratio=ASKED * 0.95))
        found.append(World("5% above", n, ratio=ASKED * 1.05))
    for kind, size in (("linear", 0.2), ("step", 0.2), ("sawtooth", 0.2)):
        found.append(World(f"machine drifts, {kind}", 60, drift=-size, course=kind))
    found += [
        World("wandering AR .98", 60, wander=0.15),
        World("2 modes", 60, modes=2), World("4 modes", 60, modes=4),
        World("carry-over, all modes", 60, carry_all=0.05),
        World("machine: clusters of 5", 60, gains=0.2, cluster=5),
        World("machine: clusters of 5", 200, gains=0.2, cluster=5),
        World("period 2", 60, period=(2, 0.15)), World("period 4", 60, period=(4, 0.15)),
    ]  # fmt: skip
    for n in (24, 60, 160):
        found.append(World("carry-over 5%, one mode", n, carry=0.05))
        found.append(World("carry-over 5% against one mode", n, carry=-0.05))
        found.append(World("carry-over 10%, one mode, noise .3", n, carry=0.1, noise=0.3))
        found.append(World("carry-over 20%, one mode, noise .3", n, carry=0.2, noise=0.3))
        found.append(World("second reading 5% faster", n, second=0.05))
        found.append(World("second reading 20% faster, noise .3", n, second=0.2, noise=0.3))
        found.append(World("second reading 90% faster", n, second=math.log(10)))
        found.append(World("period 8", n, period=(8, 0.15)))
    found += [World("pattern of A B B A B A A B", 60, alias=0.05)]
    for n in (20, 28, 60, 120, 200):
        found.append(World("2% lose 4x", n, rare=(0.02, 4), beyond=False))
        found.append(World("5% lose 4x", n, rare=(0.05, 4)))
        found.append(World("5% lose 10x", n, rare=(0.05, 10), beyond=True))
    for n in (60, 200):
        for sd in (0.02, 0.05):
            found.append(World(f"level 16, batches {sd:g}", n, level=16, batch=sd))
        found.append(World("level 16, wandering", n, level=16, wander=0.15))
        found.append(World("level 4, batches .05", n, level=4, batch=0.05))
        found.append(World("level 4, batches 0", n, level=4))
        for fade in (0.2, 0.5, 1.0):
            found.append(World(f"one mode fades by e^{fade:g}", n, fade=fade))
            found.append(World(f"one mode improves by e^{fade:g}", n, fade=-fade))
        for sd in (0.03, 0.05, 0.08):
            past = sd > 0.03
            found.append(World(f"both up, starts {sd:g}", n, start=sd, beyond=past))
            found.append(World(f"single starts {sd:g}", n, start=sd, servers="single", beyond=past))
            found.append(World(f"replicated starts {sd:g}", n, start=sd, servers="replicated"))
        found.append(World("replicated starts 0", n, servers="replicated"))
        found.append(World("single, machine 20% faster, 5% below", n, ratio=ASKED * 0.95, drift=-0.2, servers="single"))
        found.append(World("single, machine 20% slower", n, drift=0.2, servers="single"))
        found.append(World("replicated, machine 20% faster", n, drift=-0.2, servers="replicated"))
    return found


WORLDS: tuple[World, ...] = tuple(_named())
#: noise of a request and spread of gains: little; a spread of 0.18 of a log ratio, made in five ways; more
_NOISES = (0.05, 0.1), (0.1, 0.15), (0.02, 0.179), (0.127, 0.127), (0.15, 0.1), (0.18, 0.0), (0.2, 0.15), (0.3, 0.15)
#: real gains: 1.3x true, 1.1x asked, by noise of a request and spread of gains; a third more prompts are allowed
GAINS: tuple[World, ...] = tuple(
    World(f"1.3x true, 1.1x asked, noise {noise:g}, gains {spread:g}", n, 1.3, 1.1, noise=noise, gains=spread)
    for n in (32, 80, 213)
    for noise, spread in _NOISES
)
#: the same above concurrency 1, with batches that differ by 2%
LEVELS: tuple[World, ...] = tuple(
    World(f"1.3x true, 1.1x asked, level {level}", n, 1.3, 1.1, level=level, batch=0.02, noise=0.1, gains=0.15)
    for level, n in ((4, 32), (4, 80), (16, 80), (16, 213))
)
