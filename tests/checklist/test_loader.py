from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.checklist.files import read_bytes, resolve
from evalkit.checklist.items import Items
from evalkit.checklist.loader import find_checklist, load_checklist, shipped_names
from evalkit.checklist.schema import Checklist
from evalkit.errors import InputFileError

MODES = "modes:\n  ar: {endpoint: 'http://127.0.0.1:1'}\n"


def refused(tmp_path, text):
    path = tmp_path / "list.yaml"
    path.write_text(text)
    with pytest.raises(InputFileError) as caught:
        load_checklist(path)
    return caught.value


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("nam: x\n", 1, 'did you mean "name"'),
        ("name: x\nitems:\n  modes:\n    speed_up: {at_least: 2}\n", 4, 'did you mean "speedup"'),
        ("items:\n  latency: {}\n", 2, "known keys: license"),
        ("name: no\n", 1, "put it in quotes"),
        ("name: 12\n", 1, "put it in quotes"),
        ("request: {temperature: hot}\n", 1, "expected a number"),
        ("request:\n  max_tokens: true\n", 2, "expected a whole number"),
        ("use:\n  purpose: comercial\n", 2, "is not one of"),
        ("profile: first-luck\n", 1, 'did you mean "first-look"'),
        (MODES.replace("ar", "autoregresive"), 2, "unknown mode"),
        (MODES + "  autoregressive: {endpoint: 'http://127.0.0.1:2'}\n", 3, "configured twice"),
        (MODES.replace("http://", ""), 2, "with its scheme"),
        (MODES.replace("127.0.0.1", "me:pw@127.0.0.1"), 2, "user name or password"),
        ("items: {modes: {concurrency: [1, 4], decide_at: 2}}\n", 1, "decide_at 2"),
        ("items: {modes: {concurrency: [4, 4]}}\n", 1, "twice"),
        ("items: {modes: {concurrency: []}}\n", 1, "at least 1"),
        ("items: {modes: {adopt: diffusion}}\n", 1, "write any, or a list"),
        ("items: {quality: {margin: {tools: 1.5}}}\n", 1, "less than 1"),
        ("baseline: incumbent\n", 1, "no incumbent"),
        ("waivers:\n  - {finding: license, reason: because, owner: me, expires: 2027-01-01}\n", 2, "pattern"),
        ("waivers:\n  - {finding: license.commercial-use, reason: because, owner: me}\n", 2, '"expires" is missing'),
        ("waivers:\n  - {finding: license.commercial-use, reason: because, owner: me, expires: soon}\n", 2, "a date"),
        ("schema_version: 2\n", 1, "not one of 1"),
        ("candidate: {revision: main}\n", 1, '"model" is missing'),
        ("- a\n", 1, "mapping"),
    ],
)
def test_a_wrong_checklist_is_refused_with_its_line_and_a_suggestion(tmp_path, text, line, says):
    error = refused(tmp_path, text)
    assert says in f"{error} {error.hint}"
    assert f"list.yaml:{line}" in str(error)


def test_several_errors_are_told_at_once_in_the_order_of_the_file(tmp_path):
    error = refused(tmp_path, "nam: x\nuze: {}\nproflie: decide\n")
    assert [one.where.rpartition(":")[2] for one in error.every] == ["1", "2", "3"]


@pytest.mark.parametrize("text", ["", "\n\n", "# only a remark\n", "---\n", "null\n"])
def test_an_empty_file_is_no_checklist(tmp_path, text):
    assert "empty" in str(refused(tmp_path, text))


def test_files_that_are_none_are_named(tmp_path):
    path = tmp_path / "big.yaml"
    path.write_bytes(b"#" * (1 << 20) + b"\n")
    with pytest.raises(InputFileError, match="larger than"):
        load_checklist(path)
    path.write_bytes(b"name: x\nmore: \xff\xfe\n")
    with pytest.raises(InputFileError, match=r"big\.yaml:2.*UTF-8"):
        load_checklist(path)
    with pytest.raises(InputFileError, match="no such file"):
        load_checklist(tmp_path / "none.yaml")
    with pytest.raises(InputFileError, match="folder"):
        load_checklist(tmp_path)
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(InputFileError, match="regular"):
        load_checklist(tmp_path / "pipe.yaml")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission_says_so(tmp_path):
    path = tmp_path / "list.yaml"
    path.write_text("name: x\n")
    path.chmod(0)
    with pytest.raises(InputFileError, match="permission"):
        read_bytes(path, max_bytes=10)


def test_a_name_is_a_shipped_checklist_and_a_wrong_one_gets_the_nearest():
    assert find_checklist("nemotron-labs-diffusion-8b").stem == "nemotron-labs-diffusion-8b"
    assert find_checklist(None).is_file()
    with pytest.raises(InputFileError) as caught:
        find_checklist("nemotron-labs-difusion-8b")
    assert caught.value.hint == 'did you mean "nemotron-labs-diffusion-8b"?'
    assert set(shipped_names()) >= {"demo", "hosted"}


def test_a_link_out_of_the_folder_is_refused_and_a_written_parent_is_the_authors_choice(tmp_path):
    inside = tmp_path / "lists"
    inside.mkdir()
    (tmp_path / "secret.jsonl").write_text("{}\n")
    (inside / "link.jsonl").symlink_to(tmp_path / "secret.jsonl")
    with pytest.raises(InputFileError, match="symbolic link"):
        resolve(inside, "link.jsonl")
    assert resolve(inside, "../secret.jsonl").is_file()


def test_an_aliased_mode_is_the_same_everywhere(tmp_path):
    path = tmp_path / "list.yaml"
    path.write_text(
        "modes:\n  ar: {endpoint: 'http://127.0.0.1:1'}\n  linear_spec: {endpoint: 'http://127.0.0.1:2'}\n"
        "items: {modes: {adopt: [linear_spec]}, serving: {require: [ar]}}\n"
    )
    checklist = load_checklist(path).checklist
    assert list(checklist.modes) == ["autoregressive", "self-speculation"]
    assert checklist.adopted == ["self-speculation"]
    assert checklist.items.serving.require == ["autoregressive"]


KEYS = [*Checklist.model_fields, *Items.model_fields, "at_least", "x"]
SCALARS = st.sampled_from(["1", "0.5", "no", "any", "[]", "{}", "null", "'x'", "-3", "1e400", "2027-01-01"])


@given(st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(["", *KEYS]), SCALARS), max_size=6))
def test_no_mapping_of_known_words_escapes_as_anything_but_a_checklist_or_a_clear_error(tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / "fuzzed.yaml"
    path.write_text("".join(f"{a}: {{{b}: {v}}}\n" if b else f"{a}: {v}\n" for a, b, v in rows))
    said = ""
    try:
        load_checklist(path)
    except InputFileError as error:
        said = str(error)
    assert not said or "fuzzed.yaml" in said
