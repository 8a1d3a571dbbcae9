"""What a run writes: private, whole or not at all, never through a link; a disk that refuses is told of."""

from __future__ import annotations

import os
import resource
import stat
import subprocess
from contextlib import contextmanager

import pytest

from evalkit.checklist.schema import Checklist, LoadedChecklist
from evalkit.errors import RunFolderError
from evalkit.files import create_text, make_private, sweep, write_atomic
from evalkit.run.lock import FolderLock
from evalkit.stored.folder import RunFolder
from evalkit.stored.journal import Journal
from tests.run import crash
from tests.run.sessions import command
from tests.run.test_journal import at_most

NOBODY = 65534


@contextmanager
def as_nobody():
    """Root may write everywhere; another user may not."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def read_only(tmp_path):
    folder = tmp_path / "ro"
    folder.mkdir()
    for place in (tmp_path, *tmp_path.parents):  # nobody may look into pytest's own folders
        if place.stat().st_uid == os.getuid() and "pytest-of" in str(place):
            place.chmod(place.stat().st_mode | 0o055)
    folder.chmod(0o555)
    yield folder
    folder.chmod(0o755)


def loaded(path) -> LoadedChecklist:
    return LoadedChecklist(checklist=Checklist(name="x"), path=None, folder=path, sha256="0" * 64, lines={})


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_folders_are_0700_and_files_0600_whatever_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        folder = RunFolder.create(tmp_path / "run", loaded(tmp_path), {})
        Journal(folder.journal).close()
        FolderLock(folder.path).release()
        create_text(folder.logs / "server.log").close()
    finally:
        os.umask(before)
    for path in (folder.path, *folder.path.rglob("*")):
        wanted = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == wanted, path


def test_an_empty_folder_that_was_there_becomes_private_and_one_in_use_keeps_its_mode(tmp_path):
    empty, used = tmp_path / "empty", tmp_path / "used"
    for folder in (empty, used):
        folder.mkdir()
        folder.chmod(0o755)
    (used / "mine.txt").write_text("x")
    make_private(empty)
    make_private(used)
    assert stat.S_IMODE(empty.stat().st_mode) == 0o700
    assert stat.S_IMODE(used.stat().st_mode) == 0o755


@pytest.mark.parametrize("kind", ["file", "link", "dangling"])
def test_a_run_folder_is_no_file_and_no_link(tmp_path, kind):
    place, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    if kind == "file":
        place.write_text("mine")
    else:
        place.symlink_to(elsewhere)
        if kind == "link":
            elsewhere.mkdir()
    with pytest.raises(RunFolderError):
        make_private(place)
    assert not elsewhere.exists() or not list(elsewhere.iterdir())


def test_a_write_replaces_a_link_and_leaves_its_target_alone(tmp_path):
    target, link = tmp_path / "target", tmp_path / "report.md"
    target.write_text("mine")
    link.symlink_to(target)
    write_atomic(link, "new")
    with create_text(tmp_path / "log") as log:
        log.write("x")
    other = tmp_path / "log2"
    other.symlink_to(target)
    create_text(other).close()
    assert target.read_text() == "mine"
    assert link.read_text() == "new"
    assert not link.is_symlink()
    assert not other.is_symlink()


def test_a_file_that_could_not_be_written_is_as_it_was_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "report.json"
    write_atomic(path, "old")
    with at_most(100), pytest.raises(RunFolderError, match="cannot be written") as caught:
        write_atomic(path, "x" * 1000)
    assert "--resume" in caught.value.hint
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_writer_left_is_swept_and_nothing_else(tmp_path):
    for name in (".report.md.123.tmp", "report.md", ".lock", "own.tmp"):
        (tmp_path / name).write_text("x")
    sweep(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [".lock", "own.tmp", "report.md"]


@pytest.mark.parametrize(
    "write",
    [
        lambda folder: write_atomic(folder / "a", "x"),
        lambda folder: create_text(folder / "a"),
        lambda folder: make_private(folder / "run"),
        lambda folder: Journal(folder / "journal.jsonl"),
        FolderLock,
        lambda folder: RunFolder.create(folder / "run", loaded(folder), {}),
    ],
)
def test_a_folder_that_may_not_be_written_is_told_of(read_only, write):
    with as_nobody(), pytest.raises(RunFolderError, match=r"cannot be (written|created|locked): Permission denied"):
        write(read_only)


def test_a_folder_that_holds_a_run_is_not_overwritten(tmp_path):
    folder = RunFolder.create(tmp_path / "run", loaded(tmp_path), {"requests": []})
    Journal(folder.journal).close()
    with pytest.raises(RunFolderError, match="already contains a run"):
        RunFolder.create(folder.path, loaded(tmp_path), {})
    assert folder.plan() == {"requests": []}


def test_a_run_can_be_resumed_from_its_plan_alone_and_from_nothing_less(tmp_path):
    with pytest.raises(RunFolderError, match="no such run folder"):
        RunFolder.begun(tmp_path / "none")
    make_private(tmp_path / "run")
    with pytest.raises(RunFolderError, match=r"plan\.json is missing"):
        RunFolder.begun(tmp_path / "run")
    write_atomic(tmp_path / "run" / "plan.json", "{}")
    folder = RunFolder.begun(tmp_path / "run")
    assert folder.start() is None
    with pytest.raises(RunFolderError, match="contains no run"):
        RunFolder.open(tmp_path / "run")


@pytest.mark.parametrize("content", ["", "[]", "{", "[" * 100_000, '{"format": 99}', "\udcff"])
def test_a_strangers_plan_that_is_no_plan_is_an_error_for_the_user(tmp_path, content):
    (tmp_path / "plan.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(RunFolderError):
        RunFolder(tmp_path).plan()


def test_a_strangers_plan_is_no_pipe_and_of_bounded_size(tmp_path):
    os.mkfifo(tmp_path / "plan.json")
    with pytest.raises(RunFolderError, match="not a regular file"):
        RunFolder(tmp_path).plan()
    (tmp_path / "plan.json").unlink()
    with (tmp_path / "plan.json").open("wb") as file:
        file.truncate(80 * 1024 * 1024)
    with pytest.raises(RunFolderError, match="larger than"):
        RunFolder(tmp_path).plan()


@pytest.mark.slow
def test_a_run_whose_disk_is_full_ends_with_one_line_and_goes_on_when_there_is_room(tmp_path):
    slow, fast = crash.servers()
    with slow, fast:
        modes = {crash.AR: {"endpoint": slow.base_url}, crash.FAST: {"endpoint": fast.base_url}}
        path, folder = crash.checklist(tmp_path, modes), tmp_path / "run"
        limit = 120_000
        full = subprocess.run(
            command(path, "--output-dir", folder), capture_output=True, text=True, timeout=100, check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        )  # fmt: skip
        assert full.returncode == 2, full.stderr
        assert "cannot be written: File too large" in full.stderr
        assert "--resume" in full.stderr
        assert "Traceback" not in full.stderr
        held = crash.keys(RunFolder(folder))
        assert held
        assert set(held.values()) == {1}
        done = subprocess.run(
            command(path, "--resume", folder), capture_output=True, text=True, timeout=100, check=False
        )
    assert done.returncode in {0, 1, 3}, done.stderr
    assert held.keys() < crash.keys(RunFolder(folder)).keys()
    assert set(crash.keys(RunFolder(folder)).values()) == {1}
    assert RunFolder(folder).verify() == []
