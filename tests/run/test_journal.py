"""The journal: whole records only, chained, durable, and readable up to where a dead process stopped."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.errors import RunFolderError
from evalkit.facts import CollectError
from evalkit.secrets import Secret
from evalkit.stored import journal as module
from evalkit.stored.journal import GENESIS, Journal, digest, encode, read

TEXTS = ["first", "second ünï \u2028", 'quotes " and \\ and {"prev": 1,"data":2}', ""]


@pytest.fixture
def path(tmp_path):
    written = tmp_path / "journal.jsonl"
    journal = Journal(written)
    for n, text in enumerate(TEXTS):
        journal.append("note", {"n": n, "text": text})
    journal.close()
    return written


@contextmanager
def at_most(size: int):
    """Files of this process cannot grow beyond `size` bytes: a disk that is full there."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def texts(path) -> list[str]:
    return [record.data["text"] for record in read(path)]


def test_what_was_appended_is_read_back_in_order_and_chained(path):
    records = list(read(path))
    assert [record.data["text"] for record in records] == TEXTS
    assert [record.n for record in records] == list(range(len(TEXTS)))
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert [line["prev"] for line in lines] == [GENESIS, *(line["hash"] for line in lines[:-1])]
    assert records[-1].end == path.stat().st_size


@settings(max_examples=40, deadline=None)
@given(cut=st.integers(min_value=1))
def test_a_torn_tail_at_any_byte_is_ignored_and_overwritten(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("torn") / "journal.jsonl"
    journal = Journal(path)
    for n, text in enumerate(TEXTS):
        journal.append("note", {"n": n, "text": text})
    journal.close()
    whole = path.read_bytes()
    ends = [record.end for record in read(path)]
    kept = whole[: cut % len(whole)]
    path.write_bytes(kept)
    expected = TEXTS[: sum(end <= len(kept) for end in ends)]
    assert texts(path) == expected
    resumed = Journal(path)
    resumed.append("note", {"text": "after"})
    resumed.close()
    assert texts(path) == [*expected, "after"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw.replace(b"second", b"sec0nd"),
        lambda raw: raw.replace(b'"n":1,', b'"n":7,', 1),
        lambda raw: b"".join(raw.splitlines(keepends=True)[1:]),
        lambda raw: b"".join(raw.splitlines(keepends=True)[::-1]),
        lambda raw: b"not json\n" + raw,
        lambda raw: b"[" * 5000 + b"\n" + raw,
        lambda raw: b"\xff\xfe\n" + raw,
        lambda raw: b"{}\n" + raw,
    ],
)
def test_damage_before_the_last_line_is_refused_with_its_line_and_never_written_over(path, damage):
    damaged = damage(path.read_bytes())
    path.write_bytes(damaged)
    with pytest.raises(RunFolderError, match=r"journal\.jsonl:\d+: damaged or changed"):
        list(read(path))
    with pytest.raises(RunFolderError):
        Journal(path)
    assert path.read_bytes() == damaged


def double(raw: bytes, key: str, value: object) -> bytes:
    """The lines with `key` once more at the end of the second one, every hash as it was."""
    lines = raw.splitlines()
    lines[1] = lines[1][:-1] + f',"{key}":{json.dumps(value)}}}'.encode()
    return b"\n".join(lines) + b"\n"


def respell(old: bytes, new: bytes):
    return lambda raw: raw.replace(old, new, 1)


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize(
    "harm",
    [
        lambda raw: double(raw, "data", {"n": 1, "text": "forged"}),
        lambda raw: double(raw, "d\\u0061ta", {"n": 1, "text": "forged"}),
        lambda raw: double(raw, "kind", "forged"),
        lambda raw: double(raw, "more", 1),
        respell(b'{"n":1,"kind":"note",', b'{"data":{"text":"forged"},"n":1,"kind":"note",'),
        respell(b'{"n":1,"kind":"note",', b'{"n":1,"kind":"forged","kind":"note",'),
        respell(b'{"n":1,"kind"', b'{"n":01,"kind"'),
        respell(b'{"n":1,"kind"', b'{"n": 1,"kind"'),
        respell(b'"kind":"note","data":{"n":1', b'"kind":"n\\u006fte","data":{"n":1'),
    ],
)
def test_a_line_is_read_only_as_it_was_written(path, harm, last):
    raw = harm(path.read_bytes())
    path.write_bytes(b"".join(raw.splitlines(keepends=True)[: 2 if last else None]))
    with pytest.raises(RunFolderError, match=r"journal\.jsonl:2: damaged or changed"):
        list(read(path))


@pytest.mark.parametrize(
    "payload", ['{"a":1,"a":2}', '{"b":[{"a":1,"\\u0061":1}]}', "NaN", "[1e999]", r'"\ud800"', "["]
)
def test_data_that_can_be_read_in_two_ways_is_refused_even_under_a_right_hash(tmp_path, payload):
    path = tmp_path / "journal.jsonl"
    hashed = digest(0, "note", payload, GENESIS)
    path.write_text(f'{{"n":0,"kind":"note","data":{payload},"prev":"{GENESIS}","hash":"{hashed}"}}\n')
    with pytest.raises(RunFolderError):
        list(read(path))


def test_a_last_line_with_holes_is_torn_and_not_changed(path):
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]) + lines[-1][:20] + bytes(30) + lines[-1][50:])
    assert texts(path) == TEXTS[:-1]


def test_every_part_of_a_line_is_under_its_hash():
    same = digest(1, "note", "{}", GENESIS)
    assert len({same, digest(2, "note", "{}", GENESIS), digest(1, "nope", "{}", GENESIS),
                digest(1, "note", "[]", GENESIS), digest(1, "note", "{}", same)}) == 5  # fmt: skip


def test_a_journal_that_is_not_there_or_no_file_is_an_error_for_the_user(tmp_path):
    with pytest.raises(RunFolderError, match="cannot be read"):
        list(read(tmp_path / "none"))
    with pytest.raises(RunFolderError):
        Journal(tmp_path)


def test_an_append_is_on_disk_before_it_returns(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(module.os, "fsync", lambda fd: synced.append(os.fstat(fd).st_size))
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.append("note", {})
    assert synced[-1] == path.stat().st_size > 0
    journal.close()


def test_a_full_disk_is_told_of_and_leaves_what_was_written_readable(tmp_path):
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.append("note", {"text": "kept"})
    with at_most(path.stat().st_size + 40), pytest.raises(RunFolderError, match="cannot be written") as caught:
        journal.append("note", {"text": "x" * 1000})
    assert "--resume" in caught.value.hint
    assert texts(path) == ["kept"]
    journal.append("note", {"text": "there is room again"})
    journal.close()
    assert texts(path) == ["kept", "there is room again"]


def test_a_disk_that_refuses_even_to_cut_off_the_torn_line_leaves_a_tail_that_is_ignored(tmp_path, monkeypatch):
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.append("note", {"text": "kept"})
    real = os.write

    def half(fd, data):
        if len(data) < 30:
            raise OSError(5, "Input/output error")
        return real(fd, data[: len(data) // 2])

    def refused(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(module.os, "write", half)
    monkeypatch.setattr(module.os, "ftruncate", refused)
    with pytest.raises(RunFolderError, match="Input/output error"):
        journal.append("note", {"text": "torn"})
    monkeypatch.undo()
    journal.close()
    assert texts(path) == ["kept"]
    assert not path.read_bytes().endswith(b"\n")
    again = Journal(path)
    again.append("note", {"text": "after"})
    again.close()
    assert texts(path) == ["kept", "after"]


def test_a_journal_is_private_and_never_written_through_a_link(tmp_path):
    target, link = tmp_path / "target", tmp_path / "journal.jsonl"
    link.symlink_to(target)
    with pytest.raises(RunFolderError):
        Journal(link)
    assert not target.exists()
    target.write_bytes(b"")
    with pytest.raises(RunFolderError):
        Journal(link)
    assert target.read_bytes() == b""
    Journal(tmp_path / "own.jsonl").close()
    assert (tmp_path / "own.jsonl").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ['?token=abc"rest', "api_key=abc\\", 'Bearer abcdefg"}', 'https://u:p"w@host/?key="'])
def test_masking_a_secret_never_breaks_the_line_that_holds_it(tmp_path, text):
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.append("note", {"text": text, "more": [text, {text: 1}]})
    journal.append("note", {"text": "after"})
    journal.close()
    assert texts(path)[1:] == ["after"]


def test_a_known_secret_is_masked_in_texts_and_names_whatever_characters_it_has():
    secret = 'can"ary\\for-the-journal'
    Secret(secret)
    line = encode({"text": f"it is {secret}!", secret: [secret]})
    assert secret not in json.dumps(json.loads(line), ensure_ascii=False)
    assert json.loads(line) == {"text": "it is ***!", "***": ["***"]}


@given(st.text())
def test_any_text_of_a_fact_comes_back_as_it_was_or_masked(text):
    kept = json.loads(encode(CollectError(item="modes", summary=text)))["summary"]
    assert kept == text or "***" in kept


def test_no_number_gets_in_that_json_does_not_have():
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode({"x": float("nan")})


def test_ctrl_c_at_any_line_of_an_append_leaves_a_journal_that_goes_on(tmp_path):
    """The signal may come while the disk is waited for: the record is then written, and not yet counted."""
    interrupted = 0
    for line in range(40):
        path, seen = tmp_path / f"{line}.jsonl", []
        journal = Journal(path)
        journal.append("note", {"text": "before"})

        def at(frame, event, _, seen=seen, line=line):
            if frame.f_code.co_filename != module.__file__:
                return None
            seen.append(event)
            if len(seen) == line + 1:
                raise KeyboardInterrupt
            return at

        tracer = sys.gettrace()
        sys.settrace(at)
        try:
            journal._append("note", '{"text":"meanwhile"}')
        except KeyboardInterrupt:
            interrupted += 1
        finally:
            sys.settrace(tracer)
        journal.append("note", {"text": "after"})
        journal.close()
        assert texts(path) in (["before", "after"], ["before", "meanwhile", "after"]), line
    assert 8 < interrupted < 40


def test_kill_minus_nine_in_the_middle_of_writing_leaves_whole_records_and_a_tail(tmp_path):
    path = tmp_path / "journal.jsonl"
    code = (
        "import sys; from pathlib import Path; from evalkit.stored.journal import Journal\n"
        "j = Journal(Path(sys.argv[1]))\n"
        "print('on', flush=True)\n"
        "n = 0\n"
        "while True: j.append('note', {'text': str(n) * 200}); n += 1\n"
    )
    for _ in range(5):
        process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"on\n"
        before = len(list(read(path)))
        while len(list(read(path))) < before + 3:
            pass
        process.kill()
        process.communicate()
    records = list(read(path))
    assert [record.n for record in records] == list(range(len(records)))
    assert len(records) >= 15
