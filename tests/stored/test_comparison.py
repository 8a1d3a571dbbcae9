from __future__ import annotations

import json

import pytest
from rich.cells import cell_len

from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.gpu.facts import HardwareFacts
from evalkit.serving.facts import EndpointFacts
from evalkit.stored.compare import Run, compare
from evalkit.stored.comparison_text import to_markdown, to_table
from tests.cli.command import evalkit
from tests.support.hostile import HOSTILE, check_markdown, nodes
from tests.support.quality_run import CHECKLIST, DECIDING, run_facts
from tests.support.stored_run import write_run


def run(seed: int = 1, *, factor: float = 1.0, speeds=(1.0, 1.6, 2.2), **changes) -> Facts:
    made = run_facts(seed, cases=changes.pop("cases", 4), prompts=changes.pop("prompts", 60),
                     speeds=tuple(factor * s for s in speeds))  # fmt: skip
    return made.model_copy(update=changes)


def rows(doc: dict, part: str = "rows") -> dict[str, dict]:
    return {row["mode"]: row for row in doc["comparisons"][0][part]}


@pytest.mark.parametrize("known", [0.8, 1.0, 1.25, 2.0])
def test_a_known_ratio_lies_in_the_interval(known: float) -> None:
    doc = compare([("a", CHECKLIST, run()), ("b", CHECKLIST, run(2, factor=known))])
    found = rows(doc)
    assert set(found) == {"autoregressive", "diffusion", "self-speculation"}
    for row in found.values():
        assert row["low"] < known < row["high"]
        assert row["high"] / row["low"] < 1.06
        assert row["answer"].startswith("faster" if known > 1 else "slower" if known < 1 else "no difference")


def test_whether_the_speedup_transfers_is_answered_apart_from_the_time() -> None:
    """A card that is twice as fast in every mode transfers the gain; one that only speeds up the baseline does not."""
    faster = rows(compare([("a", CHECKLIST, run()), ("b", CHECKLIST, run(2, factor=2.0))]), "speedups")
    assert {row["answer"] for row in faster.values()} == {"no difference shown"}
    assert all(row["low"] < 1 < row["high"] for row in faster.values())
    lost = rows(compare([("a", CHECKLIST, run()), ("b", CHECKLIST, run(2, speeds=(1.0, 0.8, 2.2)))]), "speedups")
    assert lost["diffusion"]["answer"] == "gains less"
    assert lost["diffusion"]["low"] < 0.5 < lost["diffusion"]["high"]
    assert lost["self-speculation"]["answer"] == "no difference shown"


def test_cases_that_a_new_server_loses_are_paired() -> None:
    before, after = run(cases=40), run(cases=40)
    answers = tuple(
        a.model_copy(update={"passed": False}) if a.mode == "diffusion" and a.case_id < "c2" else a
        for a in after.answers
    )
    doc = compare([("a", CHECKLIST, before), ("b", CHECKLIST, after.model_copy(update={"answers": answers}))])
    found = {(r["suite"], r["mode"]): r for r in doc["comparisons"][0]["quality"]}
    assert found["s-long", "diffusion"]["answer"] == "worse"
    assert found["s-long", "diffusion"]["difference"] == pytest.approx(-12 / 40)
    assert found["s-long", "self-speculation"]["answer"] == "no difference shown"


def served(version: str, **settings) -> dict[str, EndpointFacts]:
    endpoint = EndpointFacts(
        label="diffusion", endpoint="http://127.0.0.1:1", reachable=True, engine="sglang", engine_version=version,
        settings=settings,
    )  # fmt: skip
    return {"diffusion": endpoint}


def test_what_differs_in_provenance_comes_first() -> None:
    first = run(endpoints=served("0.5.22", dtype="bfloat16", tp_size=1), hardware=HardwareFacts(declared="B200"))
    other = run(2, endpoints=served("0.5.23", dtype="float8", tp_size=1), hardware=HardwareFacts(declared="H100"))
    doc = compare([("a", CHECKLIST, first), ("b", CHECKLIST, other)])
    assert doc["comparisons"][0]["differs"] == {
        "hardware": ["B200", "H100"],
        "engines.diffusion": ["sglang 0.5.22", "sglang 0.5.23"],
        "settings.diffusion.dtype": ["bfloat16", "float8"],
    }
    for text in (to_markdown(doc), to_table(doc)):
        assert text.index("0.5.22") < text.lower().index("whole answers")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"prompts": 30}, None),
        ({"start": "simulated"}, "one run is simulated"),
        ({"sha": "e" * 64}, "the prompts differ"),
        ({"request": {"temperature": 0.7}}, "the requests differ"),
        ({"timed": ()}, "no mode was timed"),
    ],
)
def test_what_cannot_be_compared_is_refused_and_why(change, word) -> None:
    other, checklist = run(2, prompts=change.get("prompts", 60)), CHECKLIST
    if "start" in change:
        other = other.model_copy(update={"start": other.start.model_copy(update={"simulated": True})})
    if "sha" in change:
        other = other.model_copy(update={"prompts": (other.prompts[0].model_copy(update={"sha256": change["sha"]}),)})
    if "request" in change:
        checklist = Checklist.model_validate(CHECKLIST.model_dump(mode="json") | change)
    if "timed" in change:
        other = other.model_copy(update={"timed": ()})
    doc = compare([("a", CHECKLIST, run()), ("b", checklist, other)])
    assert doc["comparable"] == (word is None)
    if word is None:
        assert {row["pairs"] for row in rows(doc).values()} == {30}
    else:
        assert word in to_markdown(doc)
        assert word in " ".join(to_table(doc).split())


def test_few_pairs_give_no_ratio() -> None:
    doc = compare([("a", CHECKLIST, run(prompts=5)), ("b", CHECKLIST, run(2, prompts=5))])
    assert rows(doc)["diffusion"]["ratio"] is None
    assert "too few pairs" in to_markdown(doc)


def test_longer_answers_are_said_beside_the_time() -> None:
    other = run(2)
    longer = tuple(
        s.model_copy(update={"exchange": s.exchange.model_copy(update={"completion_tokens": 96})}) for s in other.timed
    )
    doc = compare([("a", CHECKLIST, run()), ("b", CHECKLIST, other.model_copy(update={"timed": longer}))])
    assert "2.00 times as long" in rows(doc)["diffusion"]["answer"]


@pytest.mark.parametrize("text", HOSTILE)
def test_names_and_settings_stay_text(text: str) -> None:
    first = run(prompts=4, endpoints=served("1", dtype=text))
    sides = [Run(text, CHECKLIST, first, (text,)), Run("b", CHECKLIST, run(2, prompts=4))]
    doc = compare(sides)
    made = to_markdown(doc)
    check_markdown(made)
    assert {t.type for t in nodes(made)}.isdisjoint({"html_block", "html_inline", "fence", "link_open"})
    table = to_table(doc)
    assert max(cell_len(line) for line in table.splitlines()) <= 80
    assert "\x1b" not in table


def test_the_command_answers_as_table_markdown_and_json(tmp_path, capsys) -> None:
    write_run(tmp_path / "a", DECIDING, run(prompts=22))
    write_run(tmp_path / "b", DECIDING, run(2, prompts=22, factor=1.5))
    paths = (tmp_path / "a", tmp_path / "b")
    table = evalkit(capsys, "compare", *paths)
    assert table.code == 0
    assert "faster" in table.out
    assert evalkit(capsys, "compare", *paths, "--format", "markdown").out.startswith("# Comparison")
    document = json.loads(evalkit(capsys, "compare", *paths, "--json").out)
    assert document["comparable"]
    assert evalkit(capsys, "compare", tmp_path / "a").code == 2
    (tmp_path / "b" / "plan.json").write_text("{}")
    assert "plan.json is not the plan" in evalkit(capsys, "compare", *paths).out
