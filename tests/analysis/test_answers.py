"""Which timed replies are answers."""

from __future__ import annotations

import pytest

from evalkit.analysis.readings import Readings, value_ms
from evalkit.client.types import ToolCall
from evalkit.timing.facts import TimedSample
from tests.timing.support import AR, DLM, sample


def said(mode: str, prompt: str, repeat: int = 0, **fields) -> TimedSample:
    one = sample(mode, prompt, repeat, 100.0)
    return one.model_copy(update={"exchange": one.exchange.model_copy(update={"text": "", **fields})})


@pytest.mark.parametrize("text", ["", " \n\t", "\u200b\u200d", "\x00\x1b", "\u3000\u2800"])
def test_text_that_nobody_sees_is_a_failed_request(text):
    readings = Readings([said(AR, "p", text="Yes."), said(DLM, "p", text=text)])
    assert (readings.failed(AR, 1), readings.failed(DLM, 1)) == (0, 1)


def test_a_tool_call_is_an_answer():
    assert Readings([said(DLM, "p", tool_calls=(ToolCall(name="f", arguments="{}"),))]).failed(DLM, 1) == 0


def test_reasoning_alone_counts_only_where_every_mode_answers_so():
    both = [said(AR, "p", reasoning="Hm."), said(DLM, "p", reasoning="Hm.")]
    one = [said(AR, "q", text="Yes."), said(DLM, "q", reasoning="Hm.")]
    readings = Readings([*both, *one])
    assert [s.prompt_id for s in readings.good(DLM, 1)] == ["p"]
    assert (readings.failed(AR, 1), readings.failed(DLM, 1)) == (0, 1)
    assert value_ms(readings.good(DLM, 1)[0], "e2e") == 100.0


def test_a_reply_without_an_end_is_cut_where_its_mode_writes_ends():
    whole, cut = said(DLM, "p", text="Yes."), said(DLM, "q", text="Yes", finish_reason=None)
    assert Readings([whole, cut]).failed(DLM, 1) == 1
    assert Readings([cut]).failed(DLM, 1) == 0
