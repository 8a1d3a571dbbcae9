"""Rate limits of hosted services against the load that production sends."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.checklist.schema import Checklist
from evalkit.client.types import Exchange, ExchangeError
from evalkit.facts import Facts
from evalkit.findings import Finding, Status
from evalkit.items.context.decide import decide
from evalkit.items.context.rates import reported_rates
from evalkit.serving.facts import EndpointFacts
from evalkit.timing.facts import TimedSample
from tests.support.start import START


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"x-ratelimit-limit-requests": "600"}, {"requests": 600.0}),
        ({"X-RateLimit-Limit-Tokens": "150_000"}, {"tokens": 150_000.0}),
        ({"anthropic-ratelimit-requests-limit": "50"}, {"requests": 50.0}),
        ({"x-ratelimit-limit-requests": "600", "x-ratelimit-reset-requests": "100ms"}, {"requests": 600.0}),
        ({"x-ratelimit-limit-requests": "600", "x-ratelimit-reset-requests": "60s"}, {"requests": 600.0}),
        ({"x-ratelimit-limit-requests": "14400", "x-ratelimit-reset-requests": "2m59.56s"}, {}),
        ({"x-ratelimit-limit-requests": "14400", "x-ratelimit-reset-requests": "3600"}, {}),
        ({"ratelimit-policy": "100;w=60"}, {"requests": 100.0}),
        ({"ratelimit-policy": '"burst";q=100;w=10, "day";q=1440;w=86400'}, {"requests": 1.0}),
        ({"ratelimit-limit": "10, 10;w=1"}, {"requests": 600.0}),
        ({"ratelimit-limit": "10"}, {}),
        ({"x-ratelimit-limit-requests": "lots"}, {}),
        ({"x-ratelimit-limit-requests": "9" * 40}, {}),
        ({}, {}),
    ],
)
def test_what_headers_tell_as_a_limit_a_minute(headers, told):
    assert {k: r.limit for k, r in reported_rates(headers).items() if r.resets_s is None} == told


@given(
    st.dictionaries(
        st.sampled_from(["x-ratelimit-limit-requests", "x-ratelimit-reset-requests", "ratelimit-policy"]), st.text()
    )
)
def test_headers_of_any_text_never_raise(headers):
    reported_rates(headers)


def decided(
    *,
    headers: dict[str, str] | None = None,
    replies: tuple[Exchange, ...] = (),
    place: str = "elsewhere",
    **needs: float,
) -> list[Finding]:
    asks = Checklist.model_validate(
        {
            "modes": {"diffusion": {"endpoint": "http://127.0.0.1:1"}},
            "items": {"context": {"need_tokens": 100, "limits": needs}},
        }
    )
    endpoint = EndpointFacts(
        label="diffusion", endpoint="http://127.0.0.1:1", reachable=True, place=place, rate_limits=headers or {}
    )
    timed = tuple(
        TimedSample(mode="diffusion", concurrency=1, prompt_id=str(n), repeat=0, position=0, exchange=reply)
        for n, reply in enumerate(replies)
    )
    made = decide(
        asks, Facts(start=START, endpoints={"diffusion": endpoint}, timed=timed), datetime(2026, 11, 24, tzinfo=UTC)
    )
    return [f for f in made if f.id == "context.rate-limits"]


def refusal(wait: float | None = 20.0) -> Exchange:
    return Exchange(
        ok=False, status=429, error=ExchangeError(kind="http", message="slow down", status=429, retry_after_s=wait)
    )


def answer(**headers: str) -> Exchange:
    return Exchange(ok=True, status=200, prompt_tokens=10, completion_tokens=10, server=headers)


def test_a_429_is_recorded_with_its_retry_after_although_nothing_was_asked():
    (finding,) = decided(replies=(answer(), refusal(5), refusal(20)))
    assert finding.status is Status.WARN
    assert finding.outcome == "refusals"
    assert "2 of 3" in finding.summary
    assert "20 s" in finding.summary


def test_a_429_without_retry_after_says_so():
    assert "without Retry-After" in decided(replies=(refusal(None),))[0].summary


def test_a_limit_above_the_need_that_refused_all_the_same_is_no_plain_pass():
    told = {"x-ratelimit-limit-requests": "600"}
    assert decided(headers=told, need_rpm=100)[0].status is Status.PASS
    assert decided(headers=told, replies=(refusal(),), need_rpm=100)[0].status is Status.WARN


def test_refusals_without_a_told_limit_leave_the_need_open():
    (finding,) = decided(replies=(refusal(),), need_rpm=100)
    assert finding.status is Status.INCONCLUSIVE
    assert finding.outcome == "not-reported"
    assert "429" in finding.summary


def test_a_refusing_server_here_is_not_taken_for_one_without_limits():
    assert decided(place="here", need_rpm=100)[0].status is Status.NOT_APPLICABLE
    assert decided(place="here", replies=(refusal(),), need_rpm=100)[0].status is Status.INCONCLUSIVE


def test_a_limit_of_a_day_is_never_held_to_be_one_of_a_minute():
    headers = {"x-ratelimit-limit-requests": "14400", "x-ratelimit-reset-requests": "6m0s"}
    (finding,) = decided(headers=headers, need_rpm=100)
    assert finding.status is Status.INCONCLUSIVE
    assert finding.outcome == "longer-window"


def test_headers_of_replies_under_load_count_and_tokens_have_their_own_line():
    replies = (answer(**{"x-ratelimit-limit-requests": "50", "x-ratelimit-limit-tokens": "1000000"}),)
    requests, tokens = decided(replies=replies, need_rpm=100, need_tpm=20_000)
    assert (requests.status, tokens.status) == (Status.FAIL, Status.PASS)
    assert (requests.observed, requests.threshold) == ("50", "100")
