from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from evalkit.checklist.schema import Checklist, LoadedChecklist
from evalkit.client.types import Exchange
from evalkit.errors import RunFolderError, UsageError
from evalkit.explain.explain import explain, findings_markdown
from evalkit.facts import Facts, RunEnd, RunStart
from evalkit.hub.facts import CandidateFacts
from evalkit.quality.facts import Answer
from evalkit.stored.changes import changes
from evalkit.stored.gate import distrust, parse_age
from evalkit.stored.pack import Pack, pack

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def facts(**changed) -> Facts:
    answers = tuple(
        Answer(
            mode=mode,
            suite="s",
            kind="chat",
            case_id="c",
            request_sha256="0" * 64,
            exchange=Exchange(ok=True, text="the secret words"),
            prompt_preview="the private prompt",
            passed=True,
        )
        for mode in ("autoregressive", "diffusion")
    )
    known = {
        "start": RunStart(
            run_id="r",
            started_at="2026-11-24T09:00:00+00:00",
            evalkit_version="0.1.0",
            plan_sha256="a",
            checklist_sha256="b",
        ),
        "end": RunEnd(finished_at="2026-11-24T10:00:00+00:00"),
        "candidates": (CandidateFacts(model="org/model", revision=COMMIT),),
        "answers": answers,
    }
    return Facts(**{**known, **changed})


class Stored:
    path = Path("run")
    redacted = False
    cannot = ()

    def facts(self) -> Facts:
        return facts()

    def checklist(self) -> LoadedChecklist:
        return LoadedChecklist(checklist=Checklist(), path=None, folder=Path(), sha256="b")

    def verify(self, facts=None) -> list[str]:
        return []


def test_a_pack_gives_back_the_run_and_notices_a_change(tmp_path) -> None:
    import gzip

    file = tmp_path / "r.pack"
    file.write_bytes(pack(Stored()))
    assert pack(Stored()) == file.read_bytes()
    assert Pack.open(file).facts() == facts()
    assert Pack.open(file).verify() == []
    file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes()).replace(b"secret", b"public")))
    assert Pack.open(file).verify() == ["the pack was changed after it was written"]


@pytest.mark.parametrize("data", [b"", b"nothing", b"\x1f\x8b\x08broken", b"{}"])
def test_what_is_no_pack_is_said_so(tmp_path, data) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(RunFolderError, match="not an evalkit pack"):
        Pack.open(tmp_path / "x")


@pytest.mark.parametrize(
    ("made", "options", "word"),
    [
        ({}, {}, None),
        ({"end": None}, {}, "did not finish"),
        ({"end": RunEnd(finished_at="2026-10-01T10:00:00+00:00")}, {}, "before it began"),
        ({"end": RunEnd(finished_at="2027-10-01T10:00:00+00:00")}, {}, "future"),
        ({"end": RunEnd(finished_at="never")}, {}, "cannot be read"),
        ({}, {"revision": COMMIT}, None),
        ({}, {"revision": COMMIT[:8]}, None),
        ({}, {"revision": "f" * 40}, "not ffff"),
        ({"candidates": ()}, {"revision": COMMIT}, "unknown"),
    ],
)
def test_gate_distrusts_runs_that_say_nothing_here_and_now(made, options, word) -> None:
    options = {"max_age": timedelta(days=30), "revision": None, "checklist": Checklist()} | options
    doubts = distrust(facts(**made), NOW, **options)
    assert bool(doubts) == (word is not None)
    assert word is None or word in doubts[0]


@pytest.mark.parametrize(
    ("items", "looser"),
    [
        ({"modes": {"speedup": {"at_least": 0.9}}}, True),
        ({"modes": {"speedup": {"at_least": 2.0}}}, False),
        ({"quality": {"margin": {"default": 0.1}}}, True),
        ({"quality": {"margin": {"default": 0.01}}}, False),
        ({"quality": {"floor": {"default": 0.2}}}, True),
        ({"quality": {"required": False}}, True),
        ({"serving": {"allow": ["release", "fork"]}}, True),
        ({"serving": {"accept_inferred": True}}, True),
        ({"context": {"probe": True}}, False),
        ({"modes": {"adopt": ["diffusion"]}}, True),
        ({"modes": {"latency": {"e2e_p95_ms": 100.0}}}, False),
    ],
)
def test_a_checklist_that_asks_less_is_looser(items, looser) -> None:
    found = changes(Checklist(), Checklist.model_validate({"items": items}))
    assert [change.looser for change in found] == [looser]


def test_new_waivers_are_looser_and_fewer_are_not() -> None:
    waiver = {"finding": "license.x", "reason": "because", "owner": "jd", "expires": NOW.date()}
    waived = Checklist.model_validate({"waivers": [waiver]})
    assert changes(Checklist(), waived)[0].looser
    assert not changes(waived, Checklist())[0].looser


def test_ages_are_read_or_refused() -> None:
    assert parse_age("30d") == timedelta(days=30)
    with pytest.raises(UsageError):
        parse_age("soon")


def test_explain_names_the_nearest() -> None:
    assert "not enough" in explain("inconclusive")
    with pytest.raises(UsageError) as caught:
        explain("inconclusiv")
    assert "inconclusive" in caught.value.hint
    assert "# Statuses" in findings_markdown()
