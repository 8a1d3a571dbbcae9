"""How replies end: end words of many servers, spellings of null, errors inside a choice."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.client.ends import end_of, is_blank
from evalkit.client.payload import BadReplyError
from evalkit.client.reply import Reply
from evalkit.text import shows

from .rawserver import HEAD, LAST, chunk, event
from .test_wire import ask

DONE = chunk(b"data: [DONE]\n\n")


def choice(reason, text="a", **more):
    payload = {"model": "m", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": reason, **more}]}
    return b"data: " + json.dumps(payload).encode() + b"\n\n"


@pytest.mark.parametrize(
    ("word", "end"),
    [
        ("stop", "stop"), ("STOP", "stop"), ("end_turn", "stop"), ("eos_token", "stop"), ("COMPLETE", "stop"),
        ("length", "length"), ("MAX_TOKENS", "length"), ("max tokens", "length"), ("model_length", "length"),
        ("tool_calls", "tool_calls"), ("tool_use", "tool_calls"), ("function_call", "function_call"),
        ({"type": "stop", "matched": 2}, "stop"), ("FINISH_REASON_STOP", "stop"),
    ],
)  # fmt: skip
def test_end_words_of_other_servers_mean_the_same(word, end):
    assert end_of(word) == end


@pytest.mark.parametrize(
    "word", ["content_filter", "error", "abort", "SAFETY", "insufficient_system_resource", "x", 7, True, ["stop"], {}]
)
def test_any_other_word_is_no_end_of_an_answer(word):
    assert end_of(word) is None
    assert not is_blank(word)
    got, _ = ask([HEAD, chunk(event("a", usage=1)), chunk(choice(word, "")), DONE, LAST])
    assert (got.ok, got.error.kind) == (False, "aborted")


@pytest.mark.parametrize("blank", ["", "null", "None", " NULL ", False])
def test_a_text_for_null_is_no_end_and_a_stream_that_is_cut_behind_it_fails(blank):
    for closing in (choice(blank, ""), b'data: {"choices": [], "usage": {"completion_tokens": 2}}\n\n'):
        whole, _ = ask([HEAD, chunk(choice(blank)), chunk(choice(blank, "b")), chunk(closing), DONE, LAST])
        assert (whole.ok, whole.text, whole.finish_reason) == (True, "ab", None)
    ended, _ = ask([HEAD, chunk(choice(blank)), chunk(choice("stop", "")), DONE, LAST])
    assert (ended.ok, ended.finish_reason) == (True, "stop")
    for tail in ([LAST], ["close"], [DONE, LAST]):
        cut, _ = ask([HEAD, chunk(choice(blank, "")), chunk(choice(blank)), chunk(choice(blank, "b")), *tail])
        assert (cut.ok, cut.error.kind) == (False, "incomplete")


@pytest.mark.parametrize(
    "more",
    [
        {"error": {"code": 502, "message": "upstream is gone"}},
        {"error": "gone"},
        {"delta": {"error": {"message": "no"}}},
    ],
)
@pytest.mark.parametrize("reason", ["stop", None])
def test_an_error_inside_a_choice_fails_the_reply(more, reason):
    got, _ = ask([HEAD, chunk(event("a", usage=1)), chunk(choice(reason, "", **more)), DONE, LAST])
    assert (got.ok, got.error.kind) == (False, "stream-error")


def test_a_whole_reply_is_held_to_the_same_ends():
    def body(reason, **more):
        return json.dumps({"choices": [{"message": {"content": "a"}, "finish_reason": reason, **more}]}).encode()

    for reason in ("stop", "", None):
        reply = Reply()
        reply.whole(body(reason), 5)
        assert reply.finish_reason == (reason or None)
    for bad in (body("content_filter"), body("stop", error={"message": "no"})):
        with pytest.raises(BadReplyError):
            Reply().whole(bad, 5)


def test_the_model_of_every_event_is_kept():
    def named(model, text):
        payload = {"model": model, "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}
        return chunk(b"data: " + json.dumps(payload).encode() + b"\n\n")

    script = [
        HEAD,
        named("one", "a"),
        named("one", "b"),
        named("two", "c"),
        named("one", "d"),
        chunk(choice("stop", "")),
    ]
    got, _ = ask([*script, DONE, LAST])
    assert got.models == ("one", "two", "m")


# -- usage that is no count ------------------------------------------------------------------------------------------


def counted(text, tokens):
    usage = {"prompt_tokens": tokens, "completion_tokens": tokens, "total_tokens": 2 * tokens}
    payload = {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}], "usage": usage}
    return chunk(b"data: " + json.dumps(payload).encode() + b"\n\n")


def at_end(tokens):
    payload = {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": tokens}}
    return [chunk(choice("stop", "")), chunk(b"data: " + json.dumps(payload).encode() + b"\n\n"), DONE, LAST]


def test_zeros_beside_text_are_no_counts():
    got, _ = ask([HEAD, *[counted("ha ", 0)] * 5, *at_end(5)])
    assert (got.ok, got.text, got.completion_tokens, got.prompt_tokens) == (True, "ha " * 5, 5, 9)
    assert {tokens for _, tokens in got.chunks} == {None}
    never, _ = ask([HEAD, *[counted("ha ", 0)] * 5, *at_end(0)])
    assert (never.ok, never.completion_tokens) == (True, None)


def test_a_count_that_never_moves_is_no_count_and_one_that_moves_shows_a_chunk_that_came_twice():
    stuck, _ = ask([HEAD, *[counted("ha ", 1)] * 5, *at_end(5)])
    assert (stuck.ok, stuck.completion_tokens, {tokens for _, tokens in stuck.chunks}) == (True, 5, {None})
    twice, _ = ask([HEAD, counted("a", 1), counted("b", 2), counted("b", 2), counted("c", 3), *at_end(3)])
    assert (twice.ok, twice.error.kind) == (False, "protocol")


@pytest.mark.parametrize("counts", [[16, 16, 8], [1, 3, 2, 4]])
def test_counts_of_each_chunk_alone_are_added_up_and_any_other_disorder_fails(counts):
    texts = [counted(f"w{place} ", count) for place, count in enumerate(counts)]
    got, _ = ask([HEAD, *texts, *at_end(sum(counts))])
    assert (got.ok, got.completion_tokens) == (True, sum(counts))
    assert [tokens for _, tokens in got.chunks] == [sum(counts[: n + 1]) for n in range(len(counts))]
    assert not any("backwards" in note for note in got.notes)
    for last in (max(counts), sum(counts) + 1):
        mixed, _ = ask([HEAD, *texts, *at_end(last)])
        assert (mixed.ok, mixed.error.kind) == (False, "protocol")


# -- text that nobody sees -------------------------------------------------------------------------------------------


@given(
    st.text(
        alphabet=" \t\n\r\x00\x07\x1b\x7f\xa0\xad\u034f\u115f\u1160\u2003\u200b\u200d\u2028\u2060\u2800\u3000\u3164\ufe0f\ufeff\uffa0\U000e0041"
    )
)
def test_white_space_and_invisible_characters_show_nothing(text):
    assert not shows(text)


@given(st.text(max_size=6), st.sampled_from("a0.?é中ह🙂‐"), st.text(max_size=6))
def test_one_visible_character_is_enough(before, seen, after):
    assert shows(before + seen + after)


def deltas(*texts):
    reply = Reply()
    for place, text in enumerate(texts):
        reply.event(choice(None, text)[6:-2], place)
    reply.event(choice("stop", "")[6:-2], len(texts))
    return reply


@pytest.mark.parametrize(
    "texts",
    [("Once", "Once upon", "Once upon a time"), ("O", "On", "Onc", "Once", "Once u", "Once up"),
     ("Once upon", "Once upon a", "Once upon a time", "Once upon a time")],
)  # fmt: skip
def test_a_stream_whose_deltas_repeat_the_text_so_far_is_refused_in_words(texts):
    with pytest.raises(BadReplyError, match="whole text so far"):
        deltas(*texts).settle()


@pytest.mark.parametrize(
    "texts", [("ha", "haha", "haha!"), ("1", "10", "100", "1000"), ("Once", "Once upon"), ("well", "well", "well"), ()]
)
def test_deltas_that_only_happen_to_begin_alike_are_read(texts):
    deltas(*texts).settle()
