"""Which prompts and cases screen the settings and which decide: disjoint, drawn by strata. Pure: a seed fixes it."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from evalkit.quality.case import Case, Suite, asked_sha256
from evalkit.run.fit import stratified
from evalkit.timing.prompts import Prompt, PromptSet

#: where prompts are counted; cases are counted by the name of their suite
_PROMPTS = ""
#: part that decides, among the parts of a sweep
FINAL = -1
Member = tuple[str, str]
#: what must not be parted, in an order of which every beginning holds tags and suites in about their shares
Groups = list[list[Member]]


@dataclass(frozen=True)
class Part:
    """Ids of prompts, and of cases with their suite. `once`: cases are asked once, also those of a small suite, and of
    the baseline too.
    """

    prompts: frozenset[str]
    cases: frozenset[Member]
    once: bool = False

    def of(self, prompts: PromptSet, suites: Sequence[Suite]) -> tuple[PromptSet, list[Suite]]:
        """What belongs to this part; a suite without a case in it is left out."""
        kept = tuple(prompt for prompt in prompts.prompts if prompt.id in self.prompts)
        chosen = []
        for suite in suites:
            cases = tuple(case for case in suite.cases if (suite.name, case.id) in self.cases)
            if self.once:
                cases = tuple(replace(case, repeats=1) for case in cases)
            if cases:
                chosen.append(replace(suite, cases=cases, by_id={}, noise_floor=suite.noise_floor and not self.once))
        return replace(prompts, prompts=kept), chosen

    def listed(self) -> list[list[str]]:
        """For a hash."""
        return [sorted(self.prompts), sorted("|".join(one) for one in self.cases)]


def split(
    groups: Groups, suites: Sequence[Suite], screening: Sequence[float], least: Mapping[str, int], final: float
) -> list[Part]:
    """Parts for each stage of screening, by its share of everything, and behind them the part that decides.

    `groups`: by `grouped`; `final`: share that decides; `least`: cases by suite that it needs at least, where there
    are so many. Critical cases decide.
    """
    totals = Counter(kind for group in groups for kind, _ in group)
    targets = [Counter[str]() for _ in (*screening, final)]
    for kind, total in totals.items():
        kept = min(total, max(math.ceil(final * total - 1e-9), least.get(kind, 0)))
        left = total - kept
        asked = [math.floor(share * total + 1e-9) for share in screening]
        if sum(asked) > left:
            asked = [math.floor(left * share / sum(screening)) for share in screening]
        for target, count in zip(targets, [*asked, kept], strict=True):
            target[kind] = count
        if math.isclose(sum(screening) + final, 1.0):
            targets[FINAL][kind] += left - sum(asked)
    return _dealt(groups, suites, targets)


def _dealt(groups: Groups, suites: Sequence[Suite], targets: list[Counter[str]]) -> list[Part]:
    """Each group to the part that lacks it most; what no part lacks is not asked."""
    critical = {(suite.name, name) for suite in suites for name in suite.critical}
    have = [Counter[str]() for _ in targets]
    found: list[list[Member]] = [[] for _ in targets]
    for group in groups:
        kinds = Counter(kind for kind, _ in group)

        def lacks(at: int, kinds: Counter[str] = kinds) -> float:
            each = [(targets[at][kind] - have[at][kind]) / max(targets[at][kind], 1) for kind in kinds]
            return min(each)

        order = range(len(targets) - 1, -1, -1)  # of equals the part that decides
        at = len(targets) - 1 if critical & set(group) else max(order, key=lacks)
        if critical & set(group) or lacks(at) > 0:
            have[at] += kinds
            found[at] += group
    return [
        Part(
            frozenset(name for kind, name in part if kind == _PROMPTS),
            frozenset(one for one in part if one[0] != _PROMPTS), once=number < len(found) - 1,
        )
        for number, part in enumerate(found)
    ]  # fmt: skip


def grouped(prompts: Sequence[Prompt], suites: Sequence[Suite]) -> Groups:
    """Prompts and cases of one cluster or of equal text go together."""
    asked: list[tuple[Member, Prompt | Case]] = [((_PROMPTS, prompt.id), prompt) for prompt in prompts]
    asked += [((suite.name, case.id), case) for suite in suites for case in suite.cases]
    leader: dict[object, object] = {}

    def head(one: object) -> object:
        while leader.setdefault(one, one) != one:
            one = leader[one]
        return one

    for member, row in asked:
        of_case = isinstance(row, Case)
        ties: list[object] = [("asked", asked_sha256(row.request))]
        ties += [("cluster", of_case, row.cluster)] if row.cluster is not None else []
        for tie in ties:
            leader[head(member)] = head(tie)
    groups: dict[object, list[Member]] = defaultdict(list)
    for member, _ in stratified(asked, lambda one: (one[0][0], *one[1].tags[:1])):
        groups[head(member)].append(member)
    return list(groups.values())
