"""Suites that a reply passes which answers nothing, and suites that look like few templates."""

from __future__ import annotations

import json

import pytest

from evalkit.checklist.schema import Checklist, Request
from evalkit.quality.suite import facts_of, load_suite
from evalkit.verdict.results import asks_little


def told(tmp_path, expect, cases=20, prompt="Tell visitor {} where the Louvre is."):
    asked = [
        {"id": f"c{n}", "prompt": prompt.format(n), "expect": expect[n % len(expect)]} for n in range(cases)
    ]  # fmt: skip
    path = tmp_path / "own.yaml"
    path.write_text(json.dumps({"suite": {"name": "own", "kind": "chat"}, "cases": asked}))
    return facts_of(load_suite(path, Request()))


@pytest.mark.parametrize(
    ("expect", "passed"),
    [
        ([[{"contains": {"none": ["xyzzy"]}}]], 20),
        ([[{"regex": "."}]], 20),
        ([["no_loop"], [{"equals": "OK."}]], 20),
        ([["no_loop"], [{"contains": "Paris"}]], 10),
        ([["no_loop"], [{"contains": "Paris"}], [{"contains": "Rome"}]], 0),  # a third is not looked at any further
        ([[{"json": {"where": "whole"}}]], 0),  # a format is something to ask for
        ([[{"number": 1}]], 0),
        ([[{"contains": {"any": ["Paris"]}}]], 0),
        ([[{"json": {"where": "whole"}}, {"json_match": {"city": "Paris"}}]], 0),
    ],
)
def test_what_one_reply_passes_whatever_is_asked(tmp_path, expect, passed):
    assert told(tmp_path, expect).passed_by_any == passed


def test_cases_of_one_template_are_seen_and_those_of_many_are_not(tmp_path):
    assert told(tmp_path, [[{"contains": {"any": ["Paris"]}}]]).few_templates
    words = ["river", "lamp", "stone", "cloud", "paper", "garden", "market", "engine", "window", "doctor"]
    asked = "".join(
        json.dumps({"id": w, "prompt": " ".join(words[i:] + words[:i])[: 20 + i], "expect": [{"equals": "x"}]}) + "\n"
        for i, w in enumerate(words)
    )
    (tmp_path / "own.jsonl").write_text(asked)
    assert not facts_of(load_suite(tmp_path / "own.jsonl", Request())).few_templates


@pytest.mark.parametrize(
    ("items", "parts"),
    [
        ({}, 0),
        ({"modes": {"speedup": {"at_least": 1.0}}}, 0),
        ({"modes": {"speedup": {"at_least": 0.5}}}, 1),
        ({"quality": {"margin": {"chat": 0.9}, "floor": {"chat": 0.0}, "completeness": 0.1}}, 3),
        ({"quality": {"margin": {"tools": 0.9}}}, 0),  # no suite of that kind
        ({"modes": {"confidence": 0.8, "outside_cpu": 1.0}, "quality": {"alpha": 0.2}}, 3),
        ({"modes": {"confidence": 0.99, "outside_cpu": 0.4}, "quality": {"alpha": 0.01}}, 0),
        ({"modes": {"required": False}, "quality": {"required": False, "margin": {"chat": 0.9}}}, 2),
    ],
)
def test_a_checklist_that_asks_for_little_is_told_so(items, parts):
    found = asks_little(Checklist.model_validate({"items": items}), ["chat"])
    assert (found.count(",") + 1 if found else 0) == parts
