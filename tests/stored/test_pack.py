from __future__ import annotations

import gzip
import hmac
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.client.types import ExchangeError
from evalkit.errors import RunFolderError
from evalkit.report.formats import rendered
from evalkit.stored.again import document_of
from evalkit.stored.compare import compare
from evalkit.stored.gate import gate
from evalkit.stored.open import open_for_gate
from evalkit.stored.pack import Pack, pack
from evalkit.text import strict_json
from evalkit.verdict.decide import decide
from tests.support.quality_run import CHECKLIST, NOW, WORDS, run_facts
from tests.support.stored_run import write_run

FAULTS = ("loop", "doubled", "special", "empty")


def statuses(checklist, facts) -> list:
    decision = decide(checklist, facts, NOW)
    return [(f.id, f.mode, f.variant, f.status) for item in decision.items for f in item.findings]


def packed(tmp_path, facts, *, redact: bool = True) -> Pack:
    folder = write_run(tmp_path / "run", CHECKLIST, facts)
    (tmp_path / "run.pack").write_bytes(pack(folder, redact=redact))
    return Pack.open(tmp_path / "run.pack")


def test_no_text_of_a_prompt_or_reply_survives_in_a_redacted_pack(tmp_path) -> None:
    facts = run_facts(faults=FAULTS, cases=12, prompts=12)
    redacted = packed(tmp_path, facts)
    plain = gzip.decompress(redacted.path.read_bytes())
    for word in {w.encode() for w in WORDS if len(w) > 3}:
        assert not re.search(rb"\b" + word + rb"\b", plain), word
    for text in (b"private", b"someone", b"/home", b"find_otter", b"thinking", b"quotes", b"<|mask|>"):
        assert text not in plain, text
    for one in facts.answers:
        assert one.reply_sha256.encode() not in plain
        assert one.request_sha256.encode() not in plain


@settings(max_examples=6, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    faults=st.lists(st.sampled_from(FAULTS), max_size=4).map(tuple),
    counted=st.booleans(),
    cases=st.integers(2, 40),
)
def test_findings_that_read_texts_decide_the_same_without_them(tmp_path_factory, seed, faults, counted, cases) -> None:
    facts = run_facts(seed, faults=faults, counted=counted, cases=cases, prompts=2)
    redacted = packed(tmp_path_factory.mktemp("p"), facts)
    assert statuses(redacted.checklist().checklist, redacted.facts()) == statuses(CHECKLIST, facts)
    assert redacted.cannot == ("be graded again",)


def in_braille(text: str, key: bytes) -> str:
    letters = "".join(chr(0x2880 + byte % 128) for byte in hmac.digest(key, text.encode(), "sha256")[:24])
    return letters[: len(text)].ljust(len(text), "\u2880")


@pytest.mark.parametrize("key", [b"k" * 32, b"short", b"longer than a block of the hash" * 3])
def test_a_redacted_pack_holds_the_keyed_hash_of_each_text_and_each_fingerprint(tmp_path, monkeypatch, key) -> None:
    monkeypatch.setattr("evalkit.stored.pack.secrets.token_bytes", lambda _: key)
    facts = run_facts(faults=FAULTS, cases=12, prompts=12)
    refused = facts.answers[0].exchange.model_copy(
        update={"ok": False, "error": ExchangeError(kind="http", message="HTTP 503 by the private server", status=503)}
    )
    facts = facts.model_copy(
        update={"answers": (facts.answers[0].model_copy(update={"exchange": refused}), *facts.answers)}
    )
    hidden = packed(tmp_path, facts).facts()
    assert hidden.answers[0].exchange.error.message == f"HTTP 503{in_braille(refused.error.message, key)[:-8]}"
    for before, after in zip(facts.answers, hidden.answers, strict=True):
        assert after.exchange.text == (in_braille(before.exchange.text, key) if before.exchange.text else "")
        assert after.prompt_preview == in_braille(before.prompt_preview, key)
        assert after.reply_sha256 == hmac.digest(key, before.reply_sha256.encode(), "sha256").hex()
        kept = {name: before.grades[0].detail[name] for name in ("achieved", "asked", "unit", "by_third")}
        assert after.grades[0].detail == kept
        assert after.signals.words == before.signals.words
    assert {one.exchange.text for one in hidden.timed} == {in_braille(one.exchange.text, key) for one in facts.timed}


@pytest.mark.parametrize("redact", [False, True])
def test_a_pack_is_the_same_however_many_lines_are_written_together(tmp_path, monkeypatch, redact) -> None:
    monkeypatch.setattr("evalkit.stored.pack.secrets.token_bytes", lambda _: b"k" * 32)
    folder = write_run(tmp_path / "run", CHECKLIST, run_facts(faults=FAULTS, cases=12, prompts=12))
    whole = pack(folder, redact=redact)
    monkeypatch.setattr("evalkit.stored.pack._WORTH", 1)
    assert pack(folder, redact=redact) == whole
    (tmp_path / "run.pack").write_bytes(whole)
    assert Pack.open(tmp_path / "run.pack").verify() == []


def test_gate_report_and_compare_take_a_redacted_pack_and_say_what_it_cannot_do(tmp_path) -> None:
    facts = run_facts(cases=12, prompts=12)
    redacted = packed(tmp_path, facts)
    whole = gate(write_run(tmp_path / "again", CHECKLIST, facts), NOW)
    told = gate(redacted, NOW)
    assert (told.exit_code, told.verdict) == (whole.exit_code, whole.verdict)
    assert any("cannot be graded again" in note for note in told.notes)
    document = document_of(redacted.path)
    for name in ("markdown", "html", "terminal", "github"):
        text = rendered(name, document)
        assert "it cannot be graded again" in " ".join(text.split()), name
        assert "lanterns" not in text
    side_by_side = compare([("a", CHECKLIST, facts), ("b", redacted.checklist().checklist, redacted.facts())])
    assert side_by_side["comparable"]
    assert {row["pairs"] for row in side_by_side["comparisons"][0]["rows"]} == {12}


def test_a_finding_that_would_be_decided_otherwise_is_carried_as_a_doubt(tmp_path, monkeypatch) -> None:
    from evalkit import redaction

    monkeypatch.setattr(redaction, "hide", lambda text, key: "")
    redacted = packed(tmp_path, run_facts(counted=False, cases=8, prompts=8))
    assert len(redacted.cannot) > 1
    result = gate(redacted, NOW)
    assert result.exit_code == 3
    assert any("without its texts the pack cannot decide" in reason for reason in result.reasons)


def test_a_pack_names_files_without_the_folders_of_the_machine(tmp_path) -> None:
    whole = packed(tmp_path, run_facts(cases=2, prompts=2), redact=False)
    assert [p.path for p in whole.facts().prompts] == ["prompts.jsonl"]
    assert [s.path for s in whole.facts().suites] == ["long.yaml", "tools.yaml"]
    assert whole.checklist().checklist.prompts == ["prompts.jsonl"]
    assert whole.checklist().checklist.tasks == ["tasks/long.yaml"]


def lines_of(one: Pack) -> list[dict]:
    return [json.loads(line) for line in gzip.decompress(one.path.read_bytes()).splitlines()]


def rewritten(one: Pack, lines: list[dict | str]) -> Pack:
    texts = (line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines)
    one.path.write_bytes(gzip.compress("".join(f"{text}\n" for text in texts).encode()))
    return Pack.open(one.path)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The lines of a small pack, and a way to write others in its place."""
    whole = packed(tmp_path_factory.mktemp("small"), run_facts(cases=2, prompts=2), redact=False)
    return whole, lines_of(whole)


CHANGES = {
    "checklist": lambda head, *facts: [{**head, "checklist": {**head["checklist"], "name": "another"}}, *facts],
    "problems": lambda head, *facts: [{**head, "problems": ["x"]}, *facts],
    "undecidable": lambda head, *facts: [{**head, "undecidable": ["x"]}, *facts],
    "a record": lambda head, first, *facts: [head, {**first, "data": {**first["data"], "run_id": "mine"}}, *facts],
    "a record dropped": lambda head, first, _, *facts: [head, first, *facts],
    "a record twice": lambda head, first, one, *facts: [head, first, one, one, *facts],
    "two swapped": lambda head, first, one, two, *facts: [head, first, two, one, *facts],
    "another hash": lambda *lines: [*lines[:-1], {"sha256": "0" * 64}],
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_pack_is_not_trusted(small, change) -> None:
    whole, lines = small
    assert rewritten(whole, CHANGES[change](*lines)).verify()[-1] == "the pack was changed after it was written"


BROKEN = {
    "no end": lambda *lines: lines[:-1],
    "a hash in the middle": lambda head, *facts: [head, {"sha256": "0"}, *facts],
    "something behind the end": lambda *lines: [*lines, lines[1]],
    "no JSON": lambda head, *facts: [head, "{", *facts],
    "a key twice": lambda head, *facts: [head, '{"kind":"start","kind":"end","data":{}}', *facts],
    "NaN": lambda head, *facts: [head, '{"kind":"error","data":{"item":NaN}}', *facts],
    "a time that divides to zero": lambda head, *facts: [head, '{"kind":"error","data":{"item":5e-324}}', *facts],
    "a count of no machine": lambda head, *facts: [head, f'{{"kind":"error","data":{{"item":1{"0" * 30}}}}}', *facts],
    "no start": lambda head, *facts: [head, *(f for f in facts if f.get("kind") != "start")],
    "an unknown kind": lambda head, *facts: [head, {"kind": "dream", "data": {}}, *facts],
    "a list": lambda head, *facts: [head, "[1]", *facts],
    "no data": lambda head, *facts: [head, {"kind": "end"}, *facts],
    "data of no shape": lambda head, *facts: [head, {"kind": "timed", "data": 3}, *facts],
}


@pytest.mark.parametrize("change", BROKEN)
def test_a_broken_pack_holds_no_facts(small, change) -> None:
    whole, lines = small
    with pytest.raises(RunFolderError):
        rewritten(whole, list(BROKEN[change](*lines))).facts()


def test_a_pack_is_the_facts_of_its_run_and_the_same_bytes_each_time(tmp_path) -> None:
    facts = run_facts(faults=FAULTS, cases=12, prompts=12)
    folder = write_run(tmp_path / "run", CHECKLIST, facts)
    (tmp_path / "a.pack").write_bytes(pack(folder))
    assert pack(folder) == (tmp_path / "a.pack").read_bytes()
    bare = {"prompts": (), "suites": (), "candidates": ()}
    assert Pack.open(tmp_path / "a.pack").facts().model_copy(update=bare) == folder.facts().model_copy(update=bare)


@pytest.mark.parametrize("name", ["markdown", "json", "html", "junit", "terminal", "github", "directory"])
def test_redacted_reports_hold_no_text_of_prompts_or_replies(name) -> None:
    from evalkit.report.document.build import build

    facts = run_facts(cases=24, prompts=4, faults=FAULTS)
    one_word = tuple(
        a.model_copy(update={"exchange": a.exchange.model_copy(update={"text": "Zanzibar"})})
        if a.case_id == "c3" and a.mode == "diffusion"
        else a
        for a in facts.answers
    )
    facts = facts.model_copy(update={"answers": one_word})
    document = build(CHECKLIST, facts, decide(CHECKLIST, facts, NOW), redact_prompts=True)
    text = rendered(name, document)
    for word in ("lanterns", "harbours", "otters", "kettles", "private", "someone", "/home", "<|mask|>", "Zanzibar"):
        assert word not in text, word
    shown = build(CHECKLIST, facts, decide(CHECKLIST, facts, NOW))
    assert name in ("terminal", "directory", "junit") or "lanterns" in rendered(name, shown)


@pytest.mark.parametrize("name", ["markdown", "json", "html", "junit", "terminal", "github", "directory"])
def test_a_pack_of_an_earlier_version_stays_readable(name) -> None:
    """Within a major version formats only grow: `small-0.1.0.pack` was written by it."""
    from pathlib import Path

    file = Path(__file__).parent.parent / "fixtures/runs/small-0.1.0.pack"
    assert Pack.open(file).verify() == []
    assert "Trident-8B" in rendered(name, document_of(file))


@pytest.mark.parametrize(
    "content",
    [
        '{"kind":"evalkit-pack","format":1,"z":NaN}', r'{"kind":"evalkit-pack","format":1,"z":"\ud800"}',
        '{"kind":"evalkit-pack","format":1,"problems":3}', '{"kind":"evalkit-pack","format":1,"cannot":7}',
        '{"kind":"evalkit-pack","format":1,"undecidable":{}}', '{"kind":"evalkit-pack","format":1,"z":-1e999}',
        '{"kind":"evalkit-pack","format":1,"format":1}', '{"kind":"evalkit-pack","format":1,"z":' + "[" * 100_000,
        '{"kind":"evalkit-pack","format":1,"sha256":[]}',
    ],
)  # fmt: skip
def test_a_malformed_pack_is_no_pack(tmp_path, content) -> None:
    path = tmp_path / "x.pack"
    path.write_bytes(gzip.compress(content.encode()))
    with pytest.raises(RunFolderError, match="not an evalkit pack"):
        Pack.open(path)


HEAD = '{"kind":"evalkit-pack","format":2,"checklist":{},"checklist_sha256":"x"'


@pytest.mark.parametrize(
    "content",
    [
        f'{HEAD},"x":[{"[]," * 3_000_000}[]]}}\n', f'{HEAD}}}\n{{"kind":"skipped","data":[{"{}," * 3_000_000}0]}}\n',
        f'{HEAD}}}\n{"x" * (20 << 20)}\n',
    ],
    ids=["head", "record", "bytes"],
)  # fmt: skip
def test_a_pack_that_unpacks_to_more_than_any_run_is_refused_before_it_is_read(tmp_path, monkeypatch, content) -> None:
    """30 KB of such a file took 850 MB, and 250 KB would have taken several GB."""
    seen = []
    monkeypatch.setattr("evalkit.stored.pack.strict_json", lambda line: seen.append(len(line)) or strict_json(line))
    path = tmp_path / "x.pack"
    path.write_bytes(gzip.compress(f'{content}{{"sha256":"0"}}\n'.encode()))
    found = gate(open_for_gate(path), NOW)
    assert (found.exit_code, "is not an evalkit pack" in found.reasons[0]) == (3, True), found.reasons
    assert max(seen, default=0) < 1000


@pytest.mark.parametrize("name", ["done_us", "first_chunk_us", "first_byte_us", "last_chunk_us"])
def test_a_reply_that_ended_before_it_was_asked_for_is_not_readable(small, name) -> None:
    whole, lines = small
    timed = [
        {**one, "data": {**one["data"], "exchange": {**one["data"]["exchange"], name: -1}}}
        for one in lines
        if one.get("kind") == "timed"
    ]
    found = gate(rewritten(whole, [*lines[:2], *timed, *lines[2:]]), NOW)
    assert (found.exit_code, "is not readable" in found.reasons[0]) == (3, True), found.reasons


@pytest.mark.parametrize("value", [[], {}, ["x"], {"a": 1}, 7, True])
def test_a_setting_of_a_strange_type_is_undecided_and_no_fault(small, value) -> None:
    whole, lines = small
    for line in lines:
        if line.get("kind") == "endpoint":
            line["data"]["settings"] = {"dllm_algorithm": value}
    assert gate(rewritten(whole, lines), NOW).exit_code == 3


@pytest.mark.parametrize("key", ["checklist", "problems", "simulated"])
def test_a_key_that_the_head_says_twice_is_refused(small, key) -> None:
    whole, (head, *facts) = small
    twice = json.dumps(head).replace("{", f'{{"x":{{"{key}":1,"{key}":2}},', 1)
    with pytest.raises(RunFolderError):
        rewritten(whole, [twice, *facts])
