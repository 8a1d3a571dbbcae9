"""Each kind of tricking server as a whole run: the verdict it ends in, and the finding that speaks against it."""

from __future__ import annotations

import pytest

from tests.gallery.__main__ import PAGE, page
from tests.gallery.kinds import KINDS
from tests.gallery.stage import Gallery

pytestmark = pytest.mark.slow

#: neighbours of kinds that the suite plays; their own rule has a unit test, and `make faults` plays them whole
_NEIGHBOURS = {
    "invisible", "counted-loop", "masks", "thinking-in-fence", "padded-invisibly", "mild-cache", "cache-by-meaning",
    "warm-cache", "warm-cache-by-meaning", "replica", "other-model-in-baseline", "two-fingerprints", "no-cuda-graphs",
    "now-and-then-another", "baseline-reads-a-part", "short-as-soon-as-loaded", "refuses-under-load", "slowed-baseline-short-tasks", "blank-end", "asks-slower-and-worse", "asks-no-answers", "other-precision", "null-as-text", "filtered", "no-done", "dated-name", "declared-difference", "emoji", "no-blanks", "next-turn", "short-under-load-uncounted",
}  # fmt: skip
_KINDS = [pytest.param(k, id=k.name, marks=pytest.mark.proof if k.name in _NEIGHBOURS else ()) for k in KINDS.values()]


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    stage = Gallery(tmp_path_factory.mktemp("gallery"))
    yield stage, patch
    stage.close()
    patch.undo()


@pytest.mark.parametrize("kind", _KINDS)
def test_a_kind_of_server_ends_as_it_should_and_its_finding_speaks(gallery, kind, capsys):
    stage, patch = gallery
    outcome = stage.show(kind, patch)
    ident, *wanted = kind.finding
    every = (f for item in outcome.report["items"] for f in item["findings"] if f.get("mode") in (None, "diffusion"))
    found = [[f["status"], f["outcome"]][: len(wanted)] for f in every if f["id"] == ident]
    assert wanted in found
    assert outcome.report["verdict"] == kind.verdict
    assert (outcome.report["recommended_mode"] == "diffusion") is (kind.verdict == "go")


def test_the_page_is_the_table_s():
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m tests.gallery`"
