from __future__ import annotations

from evalkit.facts import CollectError, SkippedItem
from evalkit.serving.facts import EndpointFacts
from evalkit.stored.fold import KINDS, Fold, fold
from evalkit.stored.journal import Journal, read
from tests.support.start import START

RECORDS = [
    ("start", START),
    ("skipped", SkippedItem(item="context", reason="later")),
    ("endpoint", EndpointFacts(label="diffusion", endpoint="http://127.0.0.1:1", reachable=False)),
    ("error", CollectError(item="serving", summary="refused")),
    ("endpoint", EndpointFacts(label="diffusion", endpoint="http://127.0.0.1:1", reachable=True)),
]


def test_facts_seen_while_collecting_equal_those_read_back(tmp_path):
    journal, seen = Journal(tmp_path / "journal.jsonl"), Fold()
    for kind, fact in RECORDS:
        journal.append(kind, fact)
        seen.add(KINDS[kind], fact)
    journal.close()
    assert seen.facts() == fold(read(tmp_path / "journal.jsonl"), where="x")


def test_a_second_session_adds_to_the_first_and_leaves_it_as_it_was():
    first = Fold()
    for kind, fact in RECORDS[:3]:
        first.add(KINDS[kind], fact)
    before = first.facts()
    second = Fold(before)
    for kind, fact in RECORDS[3:]:
        second.add(KINDS[kind], fact)
    assert not before.endpoints["diffusion"].reachable
    assert not before.errors
    assert second.facts().endpoints["diffusion"].reachable
    assert len(second.facts().errors) == 1
