"""Broken lines, encodings, and files of a size that does not fit into memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.errors import EvalkitError, InputFileError
from evalkit.importers import stream
from evalkit.importers.base import Options, Reading
from evalkit.importers.loose_yaml import parse
from evalkit.importers.registry import find
from tests.importers.support import imported

GOOD = b'{"messages": [{"role": "user", "content": "q"}]}'


@pytest.mark.parametrize(
    ("bad", "words"),
    [(b'{"messages": [', "not JSON"), (b"[1]", "not a JSON object"), (b'{"messages": "\xff"}', "not UTF-8"),
     (b'{"messages": []}', "`messages`"), (b'{"messages": [{"role": "bot", "content": "x"}]}', "'bot'"),
     (b'{"messages": [1]}', "a message has"), (b'{"a": 1, "a": 2}', "appears twice"), (b"[" * 90_000, "not")],
)  # fmt: skip
def test_a_broken_line_is_named_and_with_skip_bad_counted(tmp_path, bad, words):
    path = tmp_path / "x.jsonl"
    path.write_bytes(GOOD + b"\r\n\r\n" + bad + b"\r\n" + GOOD)
    with pytest.raises(InputFileError, match=words) as caught:
        imported(path)
    assert str(caught.value.where).endswith("x.jsonl:3")
    assert "--skip-bad" in (caught.value.hint or "")
    found = imported(path, skip_bad=True)
    assert len(found.rows()) == 2
    assert [one.lines for one in found.tally.left_out.values()] == [[3]]


@pytest.mark.parametrize(
    "broken", ['{"conversations": [}', '{"conversations": [{"from": "human", "value": "x\ny"}]}', "7"]
)
def test_a_broken_value_of_an_array_does_not_take_the_next_with_it(tmp_path, broken):
    good = json.dumps({"conversations": [{"from": "human", "value": 'a "} ] \\" b'}]})
    path = tmp_path / "x.json"
    path.write_text(f"[{good},\n{broken}\n,{good}]")
    assert len(imported(path, "sharegpt", skip_bad=True).rows()) in (1, 2)
    with pytest.raises(InputFileError, match=r"x\.json:[12]"):
        imported(path, "sharegpt")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_byte_order_marks_and_named_encodings(tmp_path, encoding):
    path = tmp_path / "x.csv"
    path.write_bytes("question,answer\r\nWie heißt München?,Grüezi\r\n".encode(encoding))
    options = {"encoding": "utf-16-le"} if encoding == "utf-16-le" else {}
    assert imported(path, **options).cases[0]["prompt"] == "Wie heißt München?"


def test_another_encoding_is_said_and_can_be_named(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes("question,answer\nWie heißt das?,x\n".encode("cp1252"))
    with pytest.raises(InputFileError, match=r"x\.csv:2: not UTF-8") as caught:
        imported(path)
    assert "--encoding" in (caught.value.hint or "")
    assert imported(path, encoding="cp1252").cases[0]["prompt"] == "Wie heißt das?"


@pytest.mark.parametrize(
    "content", [b"", b"\n\n", b"\x00\x01\x02", b"hello world\n", b"[]", b"{}", b"%PDF-1.4", b"a: 1\n"]
)
def test_what_is_no_kind_is_said(tmp_path, content):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(EvalkitError):
        imported(path)


def test_folders_pipes_and_missing_files_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "none", "."):
        with pytest.raises(InputFileError):
            imported(tmp_path / name)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.dictionaries(st.text(max_size=4), _JSON, max_size=3), max_size=6), st.sampled_from([None, 0, 2]),
       st.integers(1, 40))  # fmt: skip
def test_an_array_is_read_as_it_is_however_it_is_cut(tmp_path_factory, rows, indent, chunk):
    path = tmp_path_factory.mktemp("a") / "x.json"
    path.write_text(json.dumps(rows, indent=indent, ensure_ascii=False), encoding="utf-8", errors="surrogatepass")
    before, stream._CHUNK = stream._CHUNK, chunk
    try:
        found = [value for _, value in stream._values(Reading(path, Options()))]
    finally:
        stream._CHUNK = before
    assert found == rows


@settings(max_examples=60, deadline=None)
@given(_JSON)
def test_json_is_yaml_and_texts_stay_texts(value):
    assert parse(json.dumps(value), None).data == value  # type: ignore[arg-type]


def _peak_of_import(folder: Path, shape: str, rows: int) -> int:
    """MiB of a whole `evalkit import` of `rows` conversations of 10 kB."""
    path, row = folder / f"{rows}.json", json.dumps({"conversations": [{"from": "human", "value": "word " * 2000}]})
    lines = shape == "lines"
    path.write_text("\n".join([row] * rows) if lines else f"[{(',' + chr(10)).join([row] * rows)}]", encoding="utf-8")
    code = (
        "import sys;from evalkit.__main__ import main;from tests.support.memory import peak_mib;sys.argv[1:]=sys.argv[2:]\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print('MB', int(peak_mib()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "x", "import", path, "-o", folder / f"out-{rows}"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert f"{rows} prompts" in done.stdout
    return int(done.stdout.split("MB ")[1])


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["array", "lines"])
def test_a_large_file_needs_the_memory_of_an_entry_and_not_of_the_file(tmp_path, shape):
    """40 MB against 1 MB here; the benchmark takes 2 GB."""
    assert _peak_of_import(tmp_path, shape, 4000) - _peak_of_import(tmp_path, shape, 100) < 20


HARNESS = Path(__file__).parents[1] / "fixtures" / "harness"


@pytest.mark.parametrize("path", sorted(HARNESS.glob("*/autoregressive/*.json*")), ids=lambda path: path.parts[-3])
def test_results_of_a_harness_are_named_as_such(path):
    with pytest.raises(InputFileError) as caught:
        find(path, None)
    assert f"from: {path.parts[-3]}" in caught.value.hint


@pytest.mark.parametrize("start", [b"PK\x03\x04", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"])
def test_a_packed_file_is_named_with_what_to_do(tmp_path, start):
    path = tmp_path / "book.xlsx"
    path.write_bytes(start + bytes(range(256)))
    with pytest.raises(InputFileError) as caught:
        find(path, None)
    assert "unpack" in caught.value.hint
