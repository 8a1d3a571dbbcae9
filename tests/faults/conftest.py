"""One stage for all cells of a module: ports stay the same, and so do the times."""

import pytest

from tests.faults.matrix import Matrix
from tests.faults.scenario import Stage


@pytest.fixture(scope="module")
def matrix(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    stage = Stage(tmp_path_factory.mktemp("faults"))
    yield Matrix(stage, patch)
    stage.close()
    patch.undo()
