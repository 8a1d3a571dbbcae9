"""What a budget is charged: the minutes of all sessions, also of one that was killed, and every request once."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from evalkit.client.types import Exchange
from evalkit.facts import Facts, RunEnd, RunStart
from evalkit.quality.facts import Alone, Answer
from evalkit.run.recorder import requests_of, seconds_of
from evalkit.timing.facts import Pilot, RepeatedSample, TimedSample, WarmUp

BEGAN = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


def at(seconds):
    return (BEGAN + timedelta(seconds=seconds)).isoformat(timespec="microseconds")


def facts(written, end=None):
    start = RunStart(
        run_id="r", started_at=at(0), evalkit_version="0", plan_sha256="0" * 64, checklist_sha256="0" * 64,
        platform="p", python="3",
    )  # fmt: skip
    timed = tuple(
        TimedSample(
            mode="autoregressive", concurrency=1, prompt_id=f"p{i}", repeat=0, position=i,
            exchange=Exchange(ok=True, text="x", done_us=1, written_at=at(seconds)),
        )
        for i, seconds in enumerate(written)
    )  # fmt: skip
    return Facts(start=start, timed=timed, end=end)


def test_a_killed_session_is_charged_up_to_its_last_request():
    assert seconds_of(facts([5, 300, 610])) == 610


def test_a_session_that_ended_is_charged_by_its_own_count_and_a_killed_one_after_it_is_added():
    end = RunEnd(finished_at=at(100), seconds=98.5)
    assert seconds_of(facts([5, 90], end)) == 98.5
    # the next session began two hours later and was killed after 40 seconds
    assert seconds_of(facts([5, 90, 7300, 7340], end)) == 98.5 + 40


@given(st.lists(st.floats(0.001, 100_000), max_size=20))
def test_the_charge_is_never_more_than_the_time_that_passed(written):
    assert 0 <= seconds_of(facts(written)) <= max(written, default=0) + 1e-3


def test_every_request_is_charged_once_also_those_that_this_process_timed():
    reply = Exchange(ok=True, text="x", done_us=1, written_at=at(1))
    again = Exchange(ok=True, text="x", done_us=1, written_at=at(2))
    mode = "autoregressive"
    place = {"mode": mode, "concurrency": 1, "repeat": 0, "position": 0, "exchange": reply}
    asked = {"mode": mode, "suite": "s", "kind": "chat", "passed": True, "request_sha256": "0", "prompt_preview": ""}
    known = facts([]).model_copy(update={
        "timed": (TimedSample(prompt_id="p0", case_id="s|c0", **place),),
        "repeated": (RepeatedSample(prompt_id="p0", **place),),
        "answers": (Answer(case_id="c0", exchange=reply, **asked), Answer(case_id="c1", exchange=again, **asked)),
        "alone": (Alone(case_id="c1", exchange=again, **asked),),
        "warmups": (WarmUp(mode=mode, concurrency=1, requests=4, levelled=True, last_e2e_ms=()),),
        "pilot": Pilot.model_construct(extra_requests=20),
    })  # fmt: skip
    # a run keeps in memory only the timed replies that are answers too: it has the keys of the others
    timed = {"p0", "p1", "p2"}
    assert requests_of(timed, known) == 3 + 1 + 1 + 1 + 4 + 20
