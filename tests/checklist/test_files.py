"""A user's input files: regular, of bounded size, UTF-8, and where the checklist says, not where a link leads."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from evalkit.checklist.files import decode, read_bytes, resolve, sha256_of
from evalkit.checklist.schema import Request
from evalkit.errors import InputFileError
from evalkit.hub.folder import open_folder
from evalkit.quality.suite import load_suite
from evalkit.timing.prompts import load_prompts
from tests.run.test_files import as_nobody


@pytest.fixture
def folder(tmp_path):
    inside = tmp_path / "project"
    inside.mkdir()
    (inside / "here.txt").write_text("here")
    (tmp_path / "outside.txt").write_text("outside")
    return inside


def test_a_file_is_read_up_to_its_limit_and_not_beyond(folder):
    assert read_bytes(folder / "here.txt", max_bytes=4) == b"here"
    with pytest.raises(InputFileError, match="larger than") as caught:
        read_bytes(folder / "here.txt", max_bytes=3)
    assert caught.value.hint


def test_what_is_no_regular_file_is_refused_and_nothing_hangs(folder):
    os.mkfifo(folder / "pipe")
    with pytest.raises(InputFileError, match="not a regular file"):
        read_bytes(folder / "pipe", max_bytes=10)
    with pytest.raises(InputFileError, match="not a regular file"):
        read_bytes(Path("/dev/zero"), max_bytes=10)
    with pytest.raises(InputFileError, match="is a folder"):
        read_bytes(folder, max_bytes=10)


def test_what_cannot_be_read_is_told_with_its_place(folder):
    with pytest.raises(InputFileError, match=r"none\.txt: no such file"):
        read_bytes(folder / "none.txt", max_bytes=10)
    with pytest.raises(InputFileError, match="cannot be read: Not a directory"):
        read_bytes(folder / "here.txt" / "below", max_bytes=10)
    (folder / "loop").symlink_to(folder / "loop")
    with pytest.raises(InputFileError, match="cannot be read"):
        read_bytes(folder / "loop", max_bytes=10)


def test_a_file_of_somebody_else_is_told():
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        path = Path(name) / "private"
        path.write_text("x")
        path.chmod(0o000)
        with as_nobody(), pytest.raises(InputFileError, match="permission denied"):
            read_bytes(path, max_bytes=10)


def test_a_text_is_utf8_with_or_without_a_mark_and_an_error_names_its_line():
    assert decode("\ufeffä".encode(), Path("x")) == "ä"
    with pytest.raises(InputFileError, match=r"x\.yaml:3: not UTF-8"):
        decode(b"a\nb\n\xff", Path("x.yaml"))


def test_a_hash_is_that_of_the_bytes():
    assert sha256_of("ä") == sha256_of("ä".encode()) != sha256_of("a")


def test_a_path_is_taken_against_its_folder_and_where_it_is_written(folder):
    assert resolve(folder, "here.txt") == folder / "here.txt"
    assert resolve(folder, "../outside.txt") == folder.parent / "outside.txt"  # the author's own words
    assert resolve(folder, str(folder.parent / "outside.txt")) == folder.parent / "outside.txt"
    assert resolve(folder, "not/there/yet") == folder / "not" / "there" / "yet"


@pytest.mark.parametrize("through", ["file", "folder"])
def test_a_link_that_leaves_the_folder_is_refused_and_one_that_stays_is_followed(folder, through):
    if through == "file":
        (folder / "link").symlink_to(folder.parent / "outside.txt")
        written = "link"
    else:
        (folder / "link").symlink_to(folder.parent)
        written = "link/outside.txt"
    with pytest.raises(InputFileError, match="symbolic link that leaves its folder") as caught:
        resolve(folder, written, where="checklist.yaml:7")
    assert caught.value.where == "checklist.yaml:7"
    (folder / "inner").symlink_to(folder / "here.txt")
    assert resolve(folder, "inner").read_text() == "here"


@pytest.mark.parametrize("content", [b"\xff\xfe", b"\x00" * 10, b"", b"suite: [", b"&a [*a]"])
def test_a_suite_that_is_no_suite_is_an_error_for_its_author(tmp_path, content):
    path = tmp_path / "suite.yaml"
    path.write_bytes(content)
    with pytest.raises(InputFileError, match=r"suite\.yaml"):
        load_suite(path, Request())


@pytest.mark.parametrize("content", [b"\xff\xfe", b"", b"{", b"[]", b'{"id": 1}', b"[" * 100_000])
def test_prompts_that_are_none_are_an_error_for_their_author(tmp_path, content):
    path = tmp_path / "prompts.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputFileError, match=r"prompts\.jsonl"):
        load_prompts([path], Request())


@pytest.mark.parametrize("reader", [lambda p: load_suite(p, Request()), lambda p: load_prompts([p], Request())])
def test_prompts_and_suites_are_no_pipes(tmp_path, reader):
    os.mkfifo(tmp_path / "file.jsonl")
    with pytest.raises(InputFileError, match=r"no\w* (a )?regular file"):
        reader(tmp_path / "file.jsonl")


def test_a_model_folder_is_read_inside_itself_only_and_nothing_in_it_hangs(tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    (tmp_path / "secret.txt").write_text("do not show")
    (model / "README.md").write_text("---\nlicense: mit\n---\n")
    (model / "LICENSE").symlink_to(tmp_path / "secret.txt")
    (model / "up").symlink_to(tmp_path)
    os.mkfifo(model / "config.json")
    with (model / "NOTICE").open("wb") as file:
        file.truncate(512 * 1024 * 1024)
    source = open_folder(model, str(model))
    assert {file.name for file in source.files} == {"README.md", "NOTICE"}
    assert any("LICENSE is a link out of the folder" in note for note in source.notes)
    assert source.reader.read("LICENSE") is None
    assert source.reader.read("../secret.txt") is None
    assert source.reader.read("up/secret.txt") is None
    assert source.reader.read("config.json") is None
    assert source.reader.read("NOTICE") is None
    assert any("512" in note or "536,870,912" in note for note in source.notes)
