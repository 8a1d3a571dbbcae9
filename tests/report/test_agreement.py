"""Two places that answer one question answer it alike, for any facts."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.analysis.window import server_limits, usable
from evalkit.gpu.memory import memory_here
from evalkit.gpu.survey import memory_to_judge
from evalkit.items.context.decide import decide as decide_context
from evalkit.report.document.build import build
from evalkit.run.preflight import Work, preflight
from evalkit.stored.compare import compare
from evalkit.verdict.decide import decide
from tests.support.drawn import endpoints, hardware, runs

FEW = settings(max_examples=30)
#: what says whether a suite passes, strongest first: a row of the table has the status of one of them
LOSS, BASELINE = "quality.non-inferiority", "quality.baseline-valid"


def documented(drawn) -> dict:
    return build(drawn.checklist, drawn.facts, decide(drawn.checklist, drawn.facts, drawn.facts.as_of))


def findings(doc: dict, item: str) -> list[dict]:
    return next(one for one in doc["items"] if one["id"] == item)["findings"]


@FEW
@given(runs())
def test_a_document_says_in_its_tables_what_its_findings_say(drawn) -> None:
    doc = documented(drawn)
    rows_have_the_status_of_their_finding(doc)
    regressions_are_what_the_findings_count(doc)
    speed_ups_are_those_that_decide(doc)


def rows_have_the_status_of_their_finding(doc: dict) -> None:
    told = {
        (f["data"]["suite"], f["mode"]): f["status"]
        for ident in (LOSS, BASELINE)
        for f in findings(doc, "quality")
        if f["id"] == ident and (ident == LOSS or f["status"] != "pass") and "suite" in f.get("data", {})
    }
    for row in doc["quality"]["suites"]:
        if row["mode"] not in ("autoregressive", "incumbent"):
            expected = told.get((row["suite"], row["mode"]), "inconclusive")
            assert row["status"] == expected, row


def regressions_are_what_the_findings_count(doc: dict) -> None:
    counted = {(f["data"]["suite"], f["mode"]): f["data"]["harmed"]
               for f in findings(doc, "quality") if f["id"] == "quality.harm"}  # fmt: skip
    listed: dict[tuple[str, str], set[str]] = {}
    for harm in doc["quality"]["harms"]:
        listed.setdefault((harm["suite"], harm["mode"]), set()).add(harm["case_id"])
    if doc["quality"]["harms_total"] == len(doc["quality"]["harms"]):
        assert {key: len(cases) for key, cases in listed.items()} == {key: n for key, n in counted.items() if n}
    assert doc["quality"]["harms_total"] == sum(counted.values())
    for row in (one for one in doc["quality"]["suites"] if one["mode"] != "incumbent"):
        assert row["harmed"] == counted.get((row["suite"], row["mode"]), 0)


def speed_ups_are_those_that_decide(doc: dict) -> None:
    level = doc["decided_at_concurrency"]
    for finding in findings(doc, "modes"):
        if finding["id"] == "modes.speedup" and finding.get("data", {}).get("ratio"):
            mode = next(one for one in doc["modes"] if one["mode"] == finding["mode"])
            row = next(one["speedup"] for one in mode["levels"] if one["concurrency"] == level)
            assert (row["ratio"], row["low"], row["high"]) == tuple(
                finding["data"][k] for k in ("ratio", "low", "high")
            )
            assert mode["speedup"] == row or level != mode["levels"][0]["concurrency"]


@FEW
@given(runs())
def test_a_run_beside_itself_is_the_same(drawn) -> None:
    side_by_side = compare([("a", *drawn), ("b", *drawn)])["comparisons"][0]
    assert side_by_side["differs"] == {}
    for row in [*side_by_side["rows"], *side_by_side["speedups"]]:
        assert row["ratio"] in (None, 1.0), row
        assert row["answer"] == "no difference shown" or row["ratio"] is None, row
    for row in side_by_side["quality"]:
        assert not row["difference"], row
        assert row["answer"] in ("no difference shown", "no case was scored in both"), row


@given(endpoints("diffusion"), st.sampled_from((1, 500, 2016, 2040, 4096)))
def test_preflight_refuses_what_the_window_of_the_item_does_not_hold(endpoint, tokens) -> None:
    from evalkit.checklist.schema import Checklist

    asked = Checklist.model_validate({"modes": {"diffusion": {}}})
    window = usable(server_limits("diffusion", endpoint)) if endpoint.reachable else None
    found = preflight(asked, {"diffusion": endpoint}, Work(tokens=tokens, least=tokens))
    named = [one for one in found if "tokens are needed" in one.what]
    assert bool(named) == (window is not None and window < tokens)
    assert all(one.certain and str(window) in one.what for one in named)


@FEW
@given(runs())
def test_the_windows_of_the_context_item_are_those_of_its_table(drawn) -> None:
    for finding in decide_context(drawn.checklist, drawn.facts, drawn.facts.as_of):
        if finding.id == "context.window" and not finding.variant:
            binding = [one["tokens"] for one in finding.data["limits"] if one["binding"] and one["mode"] is None]
            assert finding.data["window"] == min(binding, default=None)


@given(hardware())
def test_hardware_and_run_judge_the_same_memory(facts) -> None:
    judged, listed = memory_to_judge(facts, None)
    assert listed == facts.gpus
    if not facts.cpu_only:
        room = memory_here(facts)
        assert (judged.gib, judged.devices) == (room.gib, room.devices)
    if any(gpu.name == "NVIDIA GB10" and not gpu.mig for gpu in facts.gpus):
        assert judged.gib is not None
