"""What is asked against what the servers told, before a timed request."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.checklist.schema import Checklist
from evalkit.findings import KnownBy
from evalkit.run.preflight import Work, preflight
from evalkit.serving.facts import Capability, EndpointFacts, ServerContext

AR, DIFF = "autoregressive", "diffusion"


def asked(*labels: str, **more) -> Checklist:
    modes = {label: {"endpoint": f"http://h:{n + 1}"} for n, label in enumerate(labels or (AR,))}
    return Checklist.model_validate({"modes": modes, **more})


def served(label: str = AR, **more) -> EndpointFacts:
    fields = {
        "engine": "sglang",
        "declared_mode": label.partition("@")[0],
        "context": ServerContext(max_model_len=4096),
    }
    return EndpointFacts(label=label, endpoint="http://h", reachable=True, **{**fields, **more})


def can(**named: object) -> tuple[Capability, ...]:
    return tuple(Capability(name=name, value=value, known_by=KnownBy.DECLARED) for name, value in named.items())


def conflicts(checklist: Checklist, *ends: EndpointFacts, **work):
    return preflight(checklist, {e.label: e for e in ends}, Work(**work))


@pytest.mark.parametrize(
    ("checklist", "facts", "work", "certain", "says"),
    [
        (asked(), served(), {"tokens": 5000, "least": 4200}, True, "5000 tokens are needed"),
        (asked(), served(), {"tokens": 5000, "least": 3000}, False, "perhaps 5000"),
        (
            asked(),
            served(context=ServerContext(max_model_len=262144, max_total_num_tokens=2048)),
            {"tokens": 3000, "least": 3000},
            True,
            "the server takes 2048",
        ),
        (
            asked(items={"modes": {"concurrency": [4]}}),
            served(capabilities=can(max_running_requests=1)),
            {},
            False,
            "the server runs 1",
        ),
        (asked(), served(), {"case_least": 4500}, False, "a task case needs 4500"),
        (asked(), served(capabilities=can(tool_calls=False)), {"tools": True}, True, "tool calls are not parsed"),
        (asked(), served(declared_mode=DIFF), {}, True, "declares diffusion"),
        (asked(), served(declared_mode="speculative"), {}, True, "declares speculative"),
        (
            asked(DIFF),
            served(DIFF, engine="vllm", capabilities=can(temperature_0=False, temperature_1=True)),
            {},
            True,
            "temperature 0 is asked, the server refuses it",
        ),
        (
            asked(request={"extra_body": {"seed": 7}}),
            served(capabilities=can(seed=False)),
            {},
            True,
            "a seed is asked",
        ),
        (
            Checklist.model_validate({"modes": {AR: {"endpoint": "http://h:1", "model": "mine"}}}),
            served(engine="vllm", served_models=("other",)),
            {},
            True,
            "mine is not among those served: other",
        ),
        (
            Checklist.model_validate({"modes": {AR: {"endpoint": "http://h:1", "model": "mine"}}}),
            served(served_models=("other",)),  # SGLang answers to any name
            {},
            False,
            "mine is not among those served",
        ),
    ],
)
def test_each_conflict_is_named_with_a_remedy(checklist, facts, work, certain, says):
    (found,) = conflicts(checklist, facts, **work)
    assert found.certain is certain
    assert says in found.what
    assert found.remedy
    assert found.mode == facts.label


def test_all_conflicts_are_named_at_once():
    facts = served(
        declared_mode=DIFF,
        engine="vllm",
        served_models=("x",),
        capabilities=can(max_running_requests=1, tool_calls=False, temperature_0=False),
    )
    checklist = Checklist.model_validate(
        {"modes": {AR: {"endpoint": "http://h:1", "model": "m"}}, "items": {"modes": {"concurrency": [8]}}}
    )
    assert len(conflicts(checklist, facts, tokens=9000, least=9000, tools=True)) == 6


def test_diffusion_of_vllm_at_temperature_0_is_no_conflict_unless_the_server_refused_it():
    assert conflicts(asked(DIFF), served(DIFF, engine="vllm")) == []
    assert conflicts(asked(DIFF), served(DIFF, engine="vllm", capabilities=can(temperature_0=True))) == []
    one = asked(DIFF, request={"temperature": 1.0})
    assert conflicts(one, served(DIFF, engine="vllm", capabilities=can(temperature_0=False))) == []


@pytest.mark.parametrize(
    ("engine", "flag"), [("sglang", "--max-running-requests 4"), ("vllm", "--max-num-seqs 4"), (None, "a higher limit")]
)
def test_the_remedy_names_the_flag_of_the_engine(engine, flag):
    checklist = asked(items={"modes": {"concurrency": [4]}})
    (found,) = conflicts(checklist, served(engine=engine, capabilities=can(max_running_requests=1)))
    assert flag in found.remedy


def test_two_labels_of_one_process_are_one_mode():
    labels = ("diffusion@a", "diffusion@b")
    ends = [served(label, process="p") for label in labels]
    (found,) = conflicts(asked(*labels), *ends)
    assert found.mode == "diffusion@b"
    assert found.certain
    assert "same server process as diffusion@a" in found.what
    assert not conflicts(asked(*labels), *(served(label, process=label) for label in labels))
    assert not conflicts(asked(*labels), *(served(label, process=None) for label in labels))


@pytest.mark.parametrize(
    ("budget", "work", "says"),
    [
        ({}, {"minutes": 15.0, "seconds": 3600.0}, "up to 60 min"),
        ({"requests": 10}, {"requests": 400}, "400 timed requests"),
        ({}, {"minutes": 15.0, "seconds": 600.0}, None),
        ({}, {"minutes": None, "seconds": 1e6}, None),
    ],
)
def test_the_plan_is_held_against_the_budget(budget, work, says):
    found = conflicts(asked(budget=budget), served(), **work)
    assert [says in c.what for c in found] == ([True] if says else [])
    assert all(c.mode is None and not c.certain for c in found)


def test_a_server_that_told_nothing_conflicts_with_nothing():
    silent = EndpointFacts(label=AR, endpoint="http://h", reachable=True)
    assert conflicts(asked(), silent, tokens=10**6, least=10**6, tools=True) == []


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(1, 10**6))
def test_a_window_that_fits_never_conflicts_and_one_that_cannot_always_does(tokens, least, limit):
    least = min(tokens, least)
    found = conflicts(asked(), served(context=ServerContext(max_model_len=limit)), tokens=tokens, least=least)
    assert bool(found) is (tokens > limit)
    assert all(c.certain is (least > limit) for c in found)


def test_a_reference_implementation_is_no_baseline_of_engines_and_one_among_its_own():
    own = [served(label, engine="remote-code", process=label) for label in (AR, DIFF)]
    assert conflicts(asked(AR, DIFF), *own) == []
    assert conflicts(asked(), own[0]) == []
    (found,) = conflicts(asked(AR, DIFF), own[0], served(DIFF, process="b"))
    assert (found.mode, found.certain) == (AR, True)
    assert "timing reference" in found.what
    later = preflight(asked(AR, DIFF), {AR: own[0]}, Work(), {DIFF: served(DIFF, process="b")})
    assert [one.mode for one in later] == [AR]  # an engine that was met in another session
