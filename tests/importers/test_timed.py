"""Traces that are replayed: what is read, and that every bad one ends in a line with file and line."""

from __future__ import annotations

import json

import pytest

from evalkit.checklist.load import LoadPoint
from evalkit.checklist.schema import Request
from evalkit.errors import InputFileError
from evalkit.importers.timed import load_trace

MOONCAKE = [
    {"timestamp": 1000 * i, "input_length": 20 + i % 7, "output_length": 16, "hash_ids": [0, i]} for i in range(60)
]


def written(tmp_path, rows):
    path = tmp_path / "trace.jsonl"
    path.write_text(
        "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), encoding="utf-8"
    )
    return path


def loaded(tmp_path, rows, **point):
    return load_trace(written(tmp_path, rows), LoadPoint(trace="trace.jsonl", **point), Request())


def test_a_trace_is_cut_into_pieces_of_equal_numbers_and_read_again_by_place(tmp_path):
    trace = loaded(tmp_path, MOONCAKE, speed=10.0)
    pieces = [trace.piece(b) for b in range(8)]
    assert [n for piece in pieces for n in piece] == list(range(60))
    assert {len(piece) for piece in pieces} <= {7, 8}
    begin, seconds = trace.span(1)
    assert begin == trace.at[pieces[1].start]
    assert seconds == pytest.approx(len(pieces[1]) / 10, rel=0.2)
    assert trace.request(5).max_tokens == 16
    assert trace.request(5).messages != trace.request(6).messages
    assert trace.seconds == 59


@pytest.mark.parametrize(
    ("row", "at_ms"),
    [
        ({"timestamp": 2.0}, 2000.0),
        ({"at_ms": 2000}, 2000.0),
        ({"time": "2026-05-01T08:00:02Z"}, 2000.0),
        ({"ts": "2026-05-01T10:00:02+02:00"}, 2000.0),
    ],
)
def test_times_are_read_in_seconds_ms_and_iso_8601_of_any_zone(tmp_path, row, at_ms):
    first = {key: "2026-05-01T08:00:00Z" if isinstance(value, str) else 0 for key, value in row.items()}
    rows = [{"prompt": f"hi {i}", **first} for i in range(40)] + [{"prompt": "last", **row}]
    unit = "s" if "timestamp" in row else "ms"
    assert loaded(tmp_path, rows, unit=unit).at[-1] == at_ms


def test_messages_with_production_settings_are_kept(tmp_path):
    row = {"messages": [{"role": "user", "content": "x"}], "max_tokens": 7, "temperature": 0.5, "user": "u-17"}
    trace = loaded(tmp_path, [{**row, "timestamp": i} for i in range(40)])
    assert (trace.request(3).max_tokens, trace.request(3).temperature) == (7, 0.5)
    assert trace.seen.repeated == 39 / 40


BAD = {
    "out of order": ({"timestamp": 5, "prompt": "x"}, "earlier than that of the line before"),
    "negative": ({"timestamp": -5, "prompt": "x"}, "not negative"),
    "no number": ({"timestamp": True, "prompt": "x"}, "not negative"),
    "endless": ('{"timestamp": Infinity, "prompt": "x"}', "not negative"),
    "no time": ({"prompt": "x"}, "no time stamp"),
    "no ISO time": ({"timestamp": "yesterday", "prompt": "x"}, "not an ISO 8601 time"),
    "a gap of hours": ({"timestamp": 4 * 3_600_000, "prompt": "x"}, "no request for 4.0 hours"),
    "an id twice": ({"timestamp": 99_000, "prompt": "x", "id": "r1"}, "was used before"),
    "no JSON": ("{", "not JSON"),
    "no object": ("[1]", "not a JSON object"),
    "a key twice": ('{"timestamp": 1, "timestamp": 2, "prompt": "x"}', "not JSON"),
    "no request": ({"timestamp": 99_000, "input_length": 0}, "input_length"),
    "an empty prompt": ({"timestamp": 99_000, "prompt": " "}, "not empty"),
    "a role that is none": ({"timestamp": 99_000, "messages": [{"role": "bot", "content": "x"}]}, "role"),
    "new messages alone": ({"timestamp": 99_000, "message_mode": "delta", "output_length": 3}, "without a request"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_line_is_told_with_file_and_line(tmp_path, name):
    row, words = BAD[name]
    good = [{"timestamp": 1000 * i, "prompt": f"p{i}", "id": f"r{i}"} for i in range(50)]
    with pytest.raises(InputFileError) as caught:
        loaded(tmp_path, [*good, row])
    assert caught.value.where == f"{tmp_path / 'trace.jsonl'}:51"
    assert words in caught.value.message
    assert caught.value.hint


def test_times_with_and_without_a_zone_do_not_mix(tmp_path):
    rows = [{"time": "2026-05-01T08:00:00Z", "prompt": "x"}, {"time": "2026-05-01T08:00:01", "prompt": "y"}]
    with pytest.raises(InputFileError, match="time zone") as caught:
        loaded(tmp_path, rows)
    assert caught.value.where.endswith(":2")


@pytest.mark.parametrize(("rows", "words"), [([], "need at least"), (MOONCAKE[:30], "need at least"),
                                             ([{"timestamp": 3, "prompt": "x"}] * 50, "same time stamp")])  # fmt: skip
def test_a_trace_without_enough_to_replay(tmp_path, rows, words):
    with pytest.raises(InputFileError, match=words):
        loaded(tmp_path, rows)


def test_bytes_that_are_no_utf_8(tmp_path):
    path = tmp_path / "trace.jsonl"
    path.write_bytes(b'{"timestamp": 0, "prompt": "\xff"}\n')
    with pytest.raises(InputFileError, match="UTF-8") as caught:
        load_trace(path, LoadPoint(trace="t"), Request())
    assert caught.value.where == f"{path}:1"


def test_a_trace_that_changed_since_is_not_replayed(tmp_path):
    trace = loaded(tmp_path, MOONCAKE)
    trace.path.write_text("x\n" * 5, encoding="utf-8")
    with pytest.raises(InputFileError, match="changed"):
        trace.request(3)
