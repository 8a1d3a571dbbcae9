"""A long run writes its samples to the journal and does not hold them."""

from __future__ import annotations

import gc
import tracemalloc

import pytest

from evalkit.run.recorder import Recorder
from evalkit.run.setup import prepare
from evalkit.stored.folder import RunFolder
from tests.support.show import Plain
from tests.timing.support import AR, sample
from tests.timing.test_launched import loaded

CHUNKS = tuple((1000 * i, i) for i in range(200))


@pytest.fixture
def recorder(tmp_path):
    given = loaded(tmp_path, {AR: {"endpoint": "http://a:1"}})
    setup = prepare(given, skip={"license": "none"})
    folder = RunFolder.create(tmp_path / "run", given, setup.document())
    folder.journal.touch()
    found = Recorder(setup, folder, Plain())
    found.begin()
    yield found
    found.journal.close()


@pytest.mark.slow
def test_journalling_timed_requests_does_not_grow(recorder):
    def keep(start, stop):
        for i in range(start, stop):
            recorder.keep(sample(AR, f"p{i}", 0, 1000, i, text="word " * 200, chunks=CHUNKS))
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = keep(0, 200)
        grown = keep(200, 1000) - before
    finally:
        tracemalloc.stop()
    assert grown / 800 < 500  # bytes a request: its key; the sample itself is 22 kB
    assert len(recorder.timed_keys) == 1000
    assert len(recorder.folder.facts().timed) == 1000


def test_samples_that_are_scored_too_stay_at_hand(recorder):
    recorder.keep(sample(AR, "p1", 0, 1000))
    recorder.keep(sample(AR, "p2", 0, 1000).model_copy(update={"case_id": "suite|case"}))
    assert [s.prompt_id for s in recorder.facts.timed] == ["p2"]
    assert len(recorder.timed_keys) == 2
