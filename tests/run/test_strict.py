"""A run that was asked to be strict is strict wherever it is decided again."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from evalkit.checklist.schema import Checklist
from evalkit.errors import UsageError
from evalkit.facts import Facts, RunStart
from evalkit.run.resume import same_plan
from evalkit.stored.again import document_of
from tests.support.stored_run import PLAN, write_run

ASKED = Checklist.model_validate({"name": "x", "items": {"hardware": {"declared": "H100-80GB"}}})


def stored(tmp_path, *, strictly: bool):
    start = RunStart(
        run_id="r", started_at="2026-11-24T00:00:00+00:00", evalkit_version="1", plan_sha256="p", checklist_sha256="c",
        strict=strictly, argv=("run", "list.yaml"),
    )  # fmt: skip
    return write_run(tmp_path / "run", ASKED, Facts(start=start))


def statuses(folder) -> set[str]:
    return {finding["status"] for item in document_of(folder.path)["items"] for finding in item["findings"]}


def test_a_stored_strict_run_has_no_warnings_left(tmp_path):
    folder = stored(tmp_path, strictly=True)
    assert folder.facts().start.strict
    assert "warn" not in statuses(folder)


def test_a_stored_run_that_was_not_strict_keeps_its_warnings(tmp_path):
    folder = stored(tmp_path, strictly=False)
    assert not folder.facts().start.strict
    assert "warn" in statuses(folder)


@pytest.mark.parametrize("strictly", [True, False])
def test_resume_refuses_another_strictness_and_says_how_the_run_began(tmp_path, strictly):
    folder = stored(tmp_path, strictly=strictly)
    same_plan(folder, SimpleNamespace(document=lambda: PLAN, strict=strictly))
    with pytest.raises(UsageError, match="with --strict" if strictly else "without --strict") as caught:
        same_plan(folder, SimpleNamespace(document=lambda: PLAN, strict=not strictly))
    assert "evalkit run list.yaml" in caught.value.hint


def test_resume_refuses_another_plan(tmp_path):
    folder = stored(tmp_path, strictly=False)
    with pytest.raises(UsageError, match="the plan differs"):
        same_plan(folder, SimpleNamespace(document=lambda: {"requests": ["x"]}, strict=False))
