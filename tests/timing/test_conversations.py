"""Conversations: which requests they are made of, in which order these go to the modes, and what each of them sends."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.checklist.schema import ModesItem, Request
from evalkit.client import run
from evalkit.client.types import Target
from evalkit.client.wire import WireClient
from evalkit.errors import InputFileError
from evalkit.run.plan import execute
from evalkit.run.plan.schedule import make_plan
from evalkit.timing.conversations import continued, played, turns_of, units
from evalkit.timing.prompts import load_prompts
from tests.client.rawserver import FAST, serving
from tests.timing.support import AR, DLM, script


def says(role, text, **kw):
    return {"role": role, "content": text, **kw}


def talk(turns=3, **kw):
    """User turns with the assistant's recorded ones between them."""
    found = [says("system", "Be brief.")]
    for n in range(turns):
        found += [says("user", f"Question {n}.", **kw), says("assistant", f"Recorded {n}.", **kw)]
    return found[:-1]


def write(tmp_path, conversations):
    path = tmp_path / "talks.jsonl"
    rows = [{"id": name, "messages": messages, "max_tokens": 8} for name, messages in conversations.items()]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return load_prompts([path], Request())


MESSAGES = st.lists(st.sampled_from(["system", "user", "assistant", "tool"]).map(lambda role: says(role, role)),
                    min_size=1, max_size=12)  # fmt: skip


@given(MESSAGES)
def test_a_turn_is_a_place_where_the_assistant_is_asked_to_answer(messages):
    ends = turns_of(messages)
    assert ends == sorted(set(ends))
    for start, end in zip([0, *ends], ends, strict=False):
        assert {m["role"] for m in messages[start:end]} & {"user", "tool"}
        assert end == len(messages) or messages[end]["role"] == "assistant"
    asked = [m for m in messages if m["role"] in ("user", "tool")]
    assert bool(ends) == bool(asked)


def test_whole_is_the_default_and_each_turn_is_a_request_of_its_own(tmp_path):
    some = write(tmp_path, {"a": talk(3), "b": talk(1)})
    assert played(some, None) == some
    turns = played(some, "scripted").prompts
    assert [(p.id, p.conversation, p.cluster, len(p.ends)) for p in turns] == [
        ("a/1", "a", "a", 1), ("a/2", "a", "a", 2), ("a/3", "a", "a", 3), ("b", None, None, 0),
    ]  # fmt: skip
    assert turns[2].request.messages == tuple(talk(3))
    assert turns[0].request.messages == tuple(talk(3)[:2])
    assert units(turns) == [("a/1", "a/2", "a/3"), ("b",)]


def test_equal_conversations_are_one_and_equal_first_turns_are_not(tmp_path):
    some = write(tmp_path, {"a": talk(2), "b": talk(2), "c": [*talk(2)[:3], says("user", "Other.")]})
    turns = {p.id: p.same_as for p in played(some, "scripted").prompts}
    assert turns == {"a/1": None, "a/2": None, "b/1": "a/1", "b/2": "a/2", "c/1": None, "c/2": None}


@given(st.lists(st.text("ab", min_size=1), min_size=2, max_size=5))
def test_replies_take_the_place_of_recorded_turns(tmp_path_factory, replies):
    some = write(tmp_path_factory.mktemp("t"), {"a": talk(len(replies) + 1)})
    last = played(some, "live").prompts[-1]
    sent = continued(last, replies).messages
    assert [m["role"] for m in sent] == [m["role"] for m in last.request.messages]
    assert [m["content"] for m in sent if m["role"] == "assistant"] == replies
    assert [m for m in sent if m["role"] != "assistant"] == [
        m for m in talk(len(replies) + 1) if m["role"] != "assistant"
    ]


def test_results_of_tools_cannot_follow_calls_that_a_mode_never_made(tmp_path):
    some = write(tmp_path, {"a": [says("user", "Go."), says("assistant", "", tool_calls=[{"id": "1"}]),
                                  says("tool", "ok"), says("assistant", "Done."), says("user", "Thanks.")]})  # fmt: skip
    assert len(played(some, "scripted").prompts) == 3
    with pytest.raises(InputFileError, match="results of tools"):
        played(some, "live")


def test_pauses_are_those_of_the_log_and_times_are_never_sent(tmp_path):
    messages = [says("user", "a", at_ms=0), says("assistant", "b", at_ms=1500), says("user", "c", at_ms=4000),
                says("assistant", "d"), says("user", "e", at_ms=9000), says("assistant", "f"), says("user", "g", at_ms=9e8)]  # fmt: skip
    some = write(tmp_path, {"a": messages})
    assert not any("at_ms" in m for m in some.prompts[0].request.messages)
    turns = played(some, "scripted", pauses=True).prompts
    assert [p.pause for p in turns] == [None, ("reply", 2.5), ("request", 5.0), ("request", 60.0)]
    assert {p.pause for p in played(some, "scripted").prompts} == {None}
    with pytest.raises(InputFileError, match="at_ms"):
        write(tmp_path, {"a": [says("user", "a", at_ms=-1)]})


@pytest.mark.parametrize("level", [1, 2])
def test_turns_follow_one_another_and_a_group_holds_whole_conversations(tmp_path, level):
    some = played(write(tmp_path, {f"c{n}": talk(1 + n % 3) for n in range(6)}), "scripted").prompts
    plan = make_plan(some, [AR, DLM], AR, ModesItem(concurrency=[level]))
    assert len({p.key for p in plan.requests}) == len(plan.requests) == len(some) * 4
    for mode in (AR, DLM):
        for repeat in range(2):
            sent = [p.prompt_id for p in plan.requests if (p.mode, p.repeat) == (mode, repeat)]
            for name in {p.split("/")[0] for p in sent}:
                places = [n for n, p in enumerate(sent) if p.split("/")[0] == name]
                assert places == list(range(places[0], places[0] + len(places)))
                assert [sent[n] for n in places] == sorted(sent[n] for n in places)
    for group in {p.group for p in plan.requests}:
        assert len({p.prompt_id.split("/")[0] for p in plan.requests if p.group == group}) <= level
    assert len(plan.looks) == 1
    started = make_plan(some, [AR, DLM], AR, ModesItem(concurrency=[level]), launched=[AR, DLM])
    assert len({p.key for p in started.requests}) == len(started.requests)


def test_prompts_alone_keep_their_order(tmp_path):
    from tests.timing.support import prompts

    some = prompts(tmp_path, 9).prompts
    assert [u for (u,) in units(some)] == [p.id for p in some]


def execute_talks(tmp_path, how, *, done=frozenset(), known=(), **kw):
    some = played(write(tmp_path, {"a": talk(3), "b": talk(2)}), how, pauses=bool(kw.pop("pauses", False)))
    item = ModesItem(warmup=0, repeats=1, repeated={"prompts": 0}, **kw)
    plan = make_plan(some.prompts, [AR, DLM], AR, item)
    samples, flushed = [], []

    async def flush(mode):
        flushed.append(mode)
        return True

    async def main():
        async with serving(script(0.0)) as one, serving(script(0.0)) as two:
            client = WireClient()
            targets = {m: Target(m, s.url, "m", limits=FAST) for m, s in ((AR, one), (DLM, two))}
            await execute.run_modes(
                targets, some, plan, client, done=done, known=known, on_sample=samples.append,
                settings=execute.Settings(turns=how, flush=flush),
            )  # fmt: skip
            await client.aclose()
            return [[body["messages"] for _, body in server.requests] for server in (one, two)]

    return samples, run(main()), flushed, plan


def test_recorded_turns_stand_and_caches_are_emptied_between_conversations_alone(tmp_path):
    samples, sent, flushed, plan = execute_talks(tmp_path, "scripted")
    assert [s.key for s in samples] == [p.key for p in plan.requests]
    assert len(flushed) == 2 * 2
    for messages in sent:
        assert sorted(len(m) for m in messages) == [2, 2, 4, 4, 6]
        assert {m[-1]["content"] for m in messages} == {"Question 0.", "Question 1.", "Question 2."}
        assert all(m["content"].startswith("Recorded") for one in messages for m in one if m["role"] == "assistant")
    assert {(s.prompt_id, s.conversation, s.turn) for s in samples if s.mode == AR} == {
        ("a/1", "a", 1), ("a/2", "a", 2), ("a/3", "a", 3), ("b/1", "b", 1), ("b/2", "b", 2),
    }  # fmt: skip


def test_live_feeds_the_modes_own_replies_on(tmp_path):
    _, sent, _, _ = execute_talks(tmp_path, "live")
    for messages in sent:
        assert [m["content"] for one in messages for m in one if m["role"] == "assistant"].count("abc") == 1 + 2 + 1


@pytest.mark.parametrize("how", ["scripted", "live"])
def test_a_conversation_that_was_begun_is_begun_again_and_nothing_is_kept_twice(tmp_path, how):
    samples, _, _, _ = execute_talks(tmp_path, how)
    longest = [s for s in samples if s.mode == AR and s.conversation == "a"]
    kept = [s for s in samples if s not in longest[1:]]
    changed = [s.model_copy(update={"exchange": s.exchange.model_copy(update={"text": "before"})}) for s in kept]
    again, sent, _, _ = execute_talks(tmp_path, how, done=frozenset(s.key for s in kept), known=changed)
    assert [s.prompt_id for s in again] == ["a/2", "a/3"]
    assert [len(m) for m in sent[0]] == [2, 4, 6]
    assert sent[1] == []
    said = [m["content"] for m in sent[0][-1] if m["role"] == "assistant"]
    assert said == (["before", "abc"] if how == "live" else ["Recorded 0.", "Recorded 1."])


def test_conversations_are_in_flight_together_and_their_turns_are_not(tmp_path):
    samples, _, flushed, _ = execute_talks(tmp_path, "scripted", concurrency=[2])
    assert len(flushed) == 2
    for mode in (AR, DLM):
        order = [s.turn for s in samples if s.mode == mode and s.conversation == "a"]
        assert order == [1, 2, 3]
