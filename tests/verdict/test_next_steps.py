"""What a reader is told to do next: each remedy once, what blocks the verdict first."""

from __future__ import annotations

from evalkit.findings import Finding, Status
from evalkit.verdict.decide import next_steps
from evalkit.verdict.results import ItemResult, ModeResult

FAIL, OPEN, PASS = Status.FAIL, Status.INCONCLUSIVE, Status.PASS


def one(item: str, status: Status, mode: str | None, remedy: str | None, **more) -> Finding:
    return Finding(id=f"{item}.x", item=item, status=status, summary="s", mode=mode, remedy=remedy, **more)


def items(*findings: Finding, required: bool = True) -> list[ItemResult]:
    names = dict.fromkeys(f.item for f in findings)
    return [
        ItemResult(id=n, status=OPEN, required=required, summary="", findings=tuple(f for f in findings if f.item == n))
        for n in names
    ]


def mode(name: str, qualified: str, *, adopted: bool = True) -> ModeResult:
    return ModeResult(mode=name, qualified=qualified, adopted=adopted)


def test_a_remedy_of_several_modes_is_told_once_with_its_modes_and_findings() -> None:
    found = items(
        one("serving", OPEN, "a", "restart"), one("serving", OPEN, "b", "restart"), one("serving", OPEN, "b", "restart"),
        one("quality", FAIL, "a", "restart"), one("context", OPEN, None, "restart"),
    )  # fmt: skip
    assert next_steps(found, [mode("a", "fail"), mode("b", "inconclusive")]) == (
        "Restart (serving.x for a, b; quality.x for a; context.x)",
    )


def test_what_blocks_every_mode_comes_first_then_the_mode_with_least_in_its_way() -> None:
    found = items(
        one("modes", OPEN, "failed", "1 more prompts"), one("modes", FAIL, "failed", "2 tune"),
        one("modes", OPEN, "far", "3 more"), one("quality", OPEN, "far", "4 more"), one("quality", OPEN, "near", "5 more"),
        one("quality", FAIL, "baseline", "6 mend it"), one("quality", OPEN, None, "7 for all modes"),
        one("context", OPEN, None, "8 shorten"), one("hardware", FAIL, None, "9 buy"),
    )  # fmt: skip
    modes = [
        mode("baseline", "fail", adopted=False), mode("failed", "fail"), mode("far", "inconclusive"),
        mode("near", "inconclusive"),
    ]  # fmt: skip
    assert "".join(step[0] for step in next_steps(found, modes)) == "987534216"


def test_a_remedy_stands_where_its_most_urgent_finding_stands() -> None:
    found = items(
        one("modes", OPEN, "a", "late"), one("modes", OPEN, "b", "serve"), one("quality", FAIL, None, "serve")
    )
    modes = [mode("a", "inconclusive"), mode("b", "fail")]
    assert next_steps(found, modes) == ("Serve (modes.x for b; quality.x)", "Late (modes.x for a)")


def test_what_passes_is_optional_or_does_not_count_asks_for_nothing() -> None:
    silent = items(
        one("modes", PASS, "a", "x"), one("modes", Status.WARN, "a", "x"), one("modes", OPEN, "a", None),
        one("modes", FAIL, "a", "x", counts=False),
    )  # fmt: skip
    assert next_steps([*silent, *items(one("context", FAIL, None, "x"), required=False)], [mode("a", "fail")]) == ()
