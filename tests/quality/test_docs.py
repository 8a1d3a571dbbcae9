"""The guide's own example loads."""

from __future__ import annotations

import re
from pathlib import Path

from tests.quality.support import suite_file

ROOT = Path(__file__).parents[2]


def test_the_guides_suite_is_valid(tmp_path):
    text = re.search(r"```yaml\n(.*?)```", (ROOT / "docs/tasks.md").read_text(), re.DOTALL).group(1)
    assert len(suite_file(tmp_path, text).cases) == 2
