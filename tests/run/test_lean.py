"""A large run's facts hold what they say once, and say the same."""

from __future__ import annotations

import gc

from evalkit.facts import Facts
from evalkit.stored.fold import fold
from evalkit.stored.journal import read
from tests.support.quality_run import DECIDING, run_facts
from tests.support.stored_run import write_run


def test_facts_that_were_read_say_what_was_written_and_share_equal_parts(tmp_path):
    written = run_facts(cases=30, prompts=4, faults=("special", "loop"))
    folder = write_run(tmp_path / "run", DECIDING, written)
    found = folder.facts()
    expected = written.model_copy(update={"start": found.start})
    assert found == expected
    assert found.model_dump_json() == expected.model_dump_json()
    assert Facts.model_validate_json(found.model_dump_json()) == expected
    grades = [grade for answer in found.answers for grade in answer.grades]
    assert len({id(grade) for grade in grades}) < len(grades)
    changed = found.answers[0].model_copy(update={"passed": None})
    assert changed.passed is None
    assert changed.model_dump(exclude_unset=True)["mode"] == changed.mode


def test_the_collector_of_cycles_is_left_as_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr("evalkit.stored.fold.MANY", 10)
    folder = write_run(tmp_path / "run", DECIDING, run_facts(cases=10, prompts=2))
    for enabled in (True, False):
        (gc.enable if enabled else gc.disable)()
        try:
            fold(read(folder.journal), where="x")
            assert gc.isenabled() == enabled
        finally:
            gc.enable()
