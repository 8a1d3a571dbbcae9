"""The timed text is the scored text: answers from timed replies whose prompt is also a task case."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from evalkit.quality.case import Case, Suite, request_sha256
from evalkit.quality.collect import PlannedCase
from evalkit.quality.facts import Answer
from evalkit.quality.grading import answer
from evalkit.timing.facts import TimedSample
from evalkit.timing.prompts import Prompt


def cases_of(prompts: Iterable[Prompt], suites: Sequence[Suite]) -> dict[str, list[tuple[Suite, Case]]]:
    """By prompt id the cases that ask the very same request, whatever they are called. A case may be in two suites.

    A case with a seed draws anew at every repeat and is not a timed prompt.
    """
    by_request: dict[str, list[tuple[Suite, Case]]] = defaultdict(list)
    for suite in suites:
        for case in suite.cases:
            if case.request.seed is None:
                by_request[request_sha256(case.request)].append((suite, case))
    found = {prompt.id: by_request.get(request_sha256(prompt.request), []) for prompt in prompts}
    return {prompt_id: named for prompt_id, named in found.items() if named}


def case_id_of(suite: Suite, case: Case) -> str:
    """What `TimedSample.case_id` holds when a timed prompt is a task case."""
    return f"{suite.name}|{case.id}"


def timed_answers(
    samples: Iterable[TimedSample],
    prompts: Iterable[Prompt],
    planned: Iterable[PlannedCase],
    *,
    concurrency: int,
    allow_exec: bool = False,
) -> list[Answer]:
    """Answers to planned requests from timed replies at `concurrency`; with their keys done, nothing is asked twice.

    Left out are samples that sent something else (a salt against the cache, a fixed length) and those that failed:
    their cases are asked again.
    """
    open_keys = {one.key: one for one in planned}
    suites = list({id(one.suite): one.suite for one in open_keys.values()}.values())
    named = cases_of(prompts, suites)
    found: dict[str, Answer] = {}
    for sample in samples:
        if sample.concurrency != concurrency or sample.fixed_length or sample.salted or not sample.exchange.ok:
            continue
        for suite, case in named.get(sample.prompt_id, ()):
            key = PlannedCase(sample.mode, suite, case, sample.repeat).key
            if key in open_keys and key not in found:
                found[key] = answer(
                    sample.mode, suite, case, sample.exchange, repeat=sample.repeat, allow_exec=allow_exec
                )
    return list(found.values())
