"""Each kind of tricking server as a whole run: the verdict it ends in, and the finding that speaks against it."""

from __future__ import annotations

import pytest

from tests.gallery.__main__ import PAGE, page
from tests.gallery.kinds import KINDS
from tests.gallery.stage import Gallery

#: played by every run of the suite: one of each group; the others are marked slow
_FIRST = {"healthy", "canned", "warm-cache-mild", "after-the-other", "slow-for-tasks", "cut-empty-end"}


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    stage = Gallery(tmp_path_factory.mktemp("gallery"))
    yield stage, patch
    stage.close()
    patch.undo()


@pytest.mark.parametrize(
    "kind", [pytest.param(k, id=k.name, marks=() if k.name in _FIRST else pytest.mark.slow) for k in KINDS.values()]
)
def test_a_kind_of_server_ends_as_it_should_and_its_finding_speaks(gallery, kind, capsys):
    stage, patch = gallery
    outcome = stage.show(kind, patch)
    ident, *wanted = kind.finding
    found = outcome.finding(ident, "diffusion") or outcome.finding(ident)
    assert found is not None
    assert [found["status"], found["outcome"]][: len(wanted)] == wanted, found["summary"]
    assert outcome.report["verdict"] == kind.verdict
    assert (outcome.report["recommended_mode"] == "diffusion") is (kind.verdict == "go")


def test_the_page_is_the_table_s():
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m tests.gallery`"
