"""What a shell completes, asked as bash asks."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from evalkit.cli import completion


def offered(folder, *words):
    """What `evalkit` answers bash for the last of `words`."""
    given = {"_EVALKIT_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.argv[0] = 'evalkit'; from evalkit.__main__ import main; main()"],
        env={**os.environ, **given}, cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout.split()


def test_bash_is_offered_ids_run_folders_and_packs(tmp_path):
    (tmp_path / "runs" / "first").mkdir(parents=True)
    (tmp_path / "runs" / "first" / "report.json").touch()
    (tmp_path / "runs" / "second.pack").touch()
    (tmp_path / "runs" / "notes.txt").touch()
    assert offered(tmp_path, "evalkit", "explain", "license.comm") == ["license.commercial-use"]
    assert offered(tmp_path, "evalkit", "gate", "runs/") == ["runs/first", "runs/second.pack"]


@pytest.mark.parametrize(
    ("function", "begin", "name"),
    [
        (completion.checklists, "dem", "demo"),
        (completion.checklists, "mi", "mine.yaml"),
        (completion.checklists, "", "folder/"),
        (completion.ids, "supp", "support"),
        (completion.models, "NVIDIA/Nemotron-Labs-Diffusion-8", "nvidia/Nemotron-Labs-Diffusion-8B"),
        (completion.items, "qual", "quality"),
        (completion.kinds, "prompt", "promptfoo"),
        (completion.runs, "fol", "folder/"),
    ],
)
def test_names_are_found_by_their_beginning(tmp_path, monkeypatch, function, begin, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").touch()
    (tmp_path / "folder").mkdir()
    assert name in function(begin)


@pytest.mark.parametrize("begin", ["nowhere/", "\0", "a" * 5000 + "/"])
def test_a_beginning_that_is_no_path_completes_to_nothing(begin):
    assert completion.runs(begin) == []
