"""Screening and decision never share a prompt or a case, nor what goes together with one."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.client.types import ChatRequest
from evalkit.quality.case import Case, Suite
from evalkit.quality.collect import plan
from evalkit.run import parts as dealt
from evalkit.run.parts import FINAL
from evalkit.timing.prompts import Prompt, PromptSet


def request(text):
    return ChatRequest(messages=({"role": "user", "content": text},), max_tokens=9)


def prompts(clusters, texts=None):
    texts = texts or [f"text {n}" for n in range(len(clusters))]
    return PromptSet(tuple(Prompt(f"p{n}", request(text), cluster=c, sha256=text)
                           for n, (c, text) in enumerate(zip(clusters, texts, strict=True))))  # fmt: skip


def suite(clusters, texts=None, name="s", critical=()):
    texts = texts or [f"case {n}" for n in range(len(clusters))]
    cases = tuple(
        Case(f"c{n}", request(text), (), cluster=c, severity="critical" if n in critical else "normal", repeats=3)
        for n, (c, text) in enumerate(zip(clusters, texts, strict=True))
    )
    return Suite(name, "chat", "s.yaml", "0", cases)


def split(asked, cases, *how):
    return dealt.split(dealt.grouped(asked.prompts, cases), cases, *how)


CLUSTERS = st.lists(st.sampled_from([None, None, None, "a", "b"]), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(CLUSTERS, CLUSTERS, st.lists(st.integers(0, 12), min_size=40, max_size=40))
def test_parts_are_disjoint_and_keep_together_what_goes_together(some, others, texts):
    shared = [f"q{n}" for n in texts]
    asked, cases = prompts(some, shared[: len(some)]), suite(others, shared[: len(others)])
    parts = split(asked, [cases], [0.1, 0.2], {}, 0.7)
    for kind in ("prompts", "cases"):
        every = [one for part in parts for one in getattr(part, kind)]
        assert len(every) == len(set(every))
    where = {name: n for n, part in enumerate(parts) for name in part.prompts}
    placed = {name: n for n, part in enumerate(parts) for _, name in part.cases}
    for rows, at in ((asked.prompts, where), (cases.cases, placed)):
        for tie in ("cluster", "text"):
            groups = {}
            for row in rows:
                key = row.cluster if tie == "cluster" else row.request.messages[0]["content"]
                if key is not None and row.id in at:
                    groups.setdefault(key, set()).add(at[row.id])
            assert all(len(found) == 1 for found in groups.values())


def test_shares_are_kept_and_nothing_is_left_over():
    parts = split(prompts([None] * 60), [suite([None] * 80)], [0.1, 0.2], {}, 0.7)
    assert [len(part.prompts) for part in parts] == [6, 12, 42]
    assert [len(part.cases) for part in parts] == [8, 16, 56]
    assert split(prompts([None] * 60), [suite([None] * 80)], [0.1, 0.2], {}, 0.7) == parts


def test_what_the_decision_needs_comes_first():
    parts = split(prompts([None] * 24), [suite([None] * 40)], [0.1, 0.2], {"": 20, "s": 36}, 0.7)
    assert (len(parts[FINAL].prompts), len(parts[FINAL].cases)) == (21, 37)
    parts = split(prompts([None] * 24), [suite([None] * 30)], [0.1, 0.2], {"": 20, "s": 99}, 0.7)
    assert [len(part.cases) for part in parts] == [0, 0, 30]


def test_critical_cases_decide():
    parts = split(prompts([None] * 30), [suite([None] * 40, critical={0, 7, 39})], [0.3], {}, 0.7)
    assert {("s", "c0"), ("s", "c7"), ("s", "c39")} <= parts[FINAL].cases


def test_a_stage_asks_its_cases_once_and_the_decision_as_often_as_they_say():
    whole, cases = prompts([None] * 30), [suite([None] * 40), suite([], name="empty")]
    first, final = split(whole, cases[:1], [0.3], {}, 0.7)
    for part, repeats in ((first, 1), (final, 3)):
        kept, (chosen,) = part.of(whole, cases[:1])
        assert {prompt.id for prompt in kept.prompts} == part.prompts
        assert {case.repeats for case in chosen.cases} == {repeats}
        # the second reply of the baseline is a fact of the decision alone
        assert len(plan([chosen], ["ar"], baseline="ar")) == len(chosen.cases) * (1 if repeats == 1 else repeats + 1)
