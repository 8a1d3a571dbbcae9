"""Prompts that look like templates are pointed at, and ordinary ones are not."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.analysis.limits import limits
from evalkit.checklist.loader import shipped_folder
from evalkit.checklist.schema import Checklist, Request
from evalkit.quality.facts import SuiteFacts
from evalkit.report.document.limits import limits as told
from evalkit.timing.facts import PromptFacts
from evalkit.timing.prompts import load_prompts
from evalkit.timing.templates import _groups, templates
from tests.timing.support import checklist, facts, simulated


@pytest.mark.parametrize(
    ("texts", "count"),
    [
        ([], 0),
        ([f"Give the record of {c} as JSON." for c in ("Paris", "Oslo", "Rome")], 1),
        ([f"What is {i} plus {i + 7}?" for i in range(9)], 1),
        ([f"Summarise this text in exactly two sentences: {'so ' * i} end{i}" for i in range(9)], 1),
        (["Say hello in French.", "Why is the sky blue?", "Write a poem about rain and tin roofs."], 3),
        (["", " ", "?"], 3),
    ],
)
def test_templates_are_counted(texts, count):
    assert templates(texts) == count


def test_the_shipped_prompts_are_no_templates():
    found = load_prompts([shipped_folder("prompts") / "quick.jsonl"], Request()).facts[0]
    assert found.templates > 0.8 * found.unclustered


def test_prompts_with_a_declared_cluster_are_not_counted(tmp_path):
    lines = [{"id": f"p{i}", "prompt": f"Give the record of {i} as JSON.", "cluster": "records"} for i in range(9)]
    lines += [{"id": f"q{i}", "prompt": f"Translate the number {i} into French."} for i in range(5)]
    (tmp_path / "p.jsonl").write_text("\n".join(map(json.dumps, lines)))
    found = load_prompts([tmp_path / "p.jsonl"], Request()).facts[0]
    assert (found.unclustered, found.templates) == (5, 1)


def test_the_limits_name_kinds_starts_templates_and_time():
    alike = PromptFacts(
        path="p.jsonl", sha256="", count=60, shipped=False, longest_chars=9, max_tokens=9, unclustered=60, templates=3
    )
    asked = checklist(speedup={"at_least": 1.2})
    collected = facts(simulated(2.0, n=60), prompts=(alike,))
    found = limits(asked, collected)
    assert (found.prompts, found.unseen) == (60, 0.05)
    assert found.tipping["diffusion"] > 0.03
    assert found.templates == {"p.jsonl": (60, 3)}
    assert found.minutes == pytest.approx(239 / 60)
    assert [one["id"] for one in told(asked, collected)] == [
        "unseen-prompts", "undeclared-templates", "start-spread", "time",
    ]  # fmt: skip
    assert told(asked, facts([])) == []


@pytest.mark.parametrize(
    ("suites", "items", "ids"),
    [
        ([{"shipped": True}], {}, ["shipped-tasks"]),
        ([{"shipped": True}, {}], {}, []),
        ([{"cases": 32, "unclustered": 32, "templates": 2}], {}, ["undeclared-templates"]),
        ([{"cases": 32, "unclustered": 19, "templates": 2}], {}, []),
        ([{}], {"quality": {"margin": {"default": 0.99}, "floor": {"default": 0.0}}}, ["asks-little"]),
        ([{}], {"modes": {"speedup": {"at_least": 0.01}}}, ["asks-little"]),
    ],
)
def test_the_limits_name_what_the_tasks_and_the_checklist_leave_out(suites, items, ids):
    given = tuple(
        SuiteFacts(**{"name": "s", "kind": "chat", "path": "p", "sha256": "", "cases": 9, **one}) for one in suites
    )
    asked = Checklist.model_validate({"modes": {m: {} for m in ("autoregressive", "diffusion")}, "items": items})
    collected = facts(simulated(2.0, n=60)).model_copy(update={"suites": given})
    found = [one["id"] for one in told(asked, collected)]
    assert [one for one in found if one not in {"unseen-prompts", "start-spread", "time"}] == ids


def naive(texts):
    """By the definition: each text against the first of each group."""
    firsts = []
    for text in texts:
        words = ["0" if word.isdigit() else word for word in re.findall(r"\w+", text.lower())]
        alike = False
        for other in firsts:
            ends = len(words) > 6 < len(other) and (words[:6] == other[:6] or words[-6:] == other[-6:])
            mine, theirs = set(words), set(other)
            shared = bool(mine | theirs) and len(mine & theirs) >= 0.6 * len(mine | theirs)
            alike = alike or ends or shared
        if not alike:
            firsts.append(words)
    return len(firsts)


@pytest.mark.parametrize("bits", [0, 65_536])
@given(
    st.lists(
        st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f", "7", "88"]), max_size=9).map(" ".join), max_size=12
    )
)
def test_many_words_or_few_the_groups_are_those_of_the_definition(bits, texts):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("evalkit.timing.templates._BITS", bits)
        _groups.cache_clear()
        assert templates(texts) == naive(texts)
