"""A reply that repeats one mark for ever is read in time that grows with its length, by every grader and signal."""

from __future__ import annotations

import re
import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from evalkit.quality.degeneration import loop_share, signals
from evalkit.quality.fences import closed
from evalkit.quality.graders import grade_one, registry
from evalkit.quality.toolcalls import read
from tests.quality.support import case, function, said

FORM = """instructions: {words: 3, sentences: 2, paragraphs: 1, lines: 2, bullets: 1, numbered: 1, table_rows: 1,
  table_columns: 2, placeholders: 1, highlights: 1, title: true, postscript: true, first_word: a, first_letters: ab,
  quoted: true, keywords: [a], frequency: {a: 2}}"""
TOOLS = [function("get")]
CASES = [
    case(yaml.safe_load(expect), tools=TOOLS)
    for expect in (FORM, *(g.example.expect for n, g in registry().items() if n not in ("judge", "python_tests")))
]
UNITS = ("~", ".", "\n", "```x\n", "~~~a\n", "<tool_call>{", "<TOOLCALL>[", "\n1", "| ", "[a,", "<think>", "{")


def seconds(text: str) -> float:
    """CPU of this thread for one reading by all."""
    reply = said(text)
    began = time.thread_time()
    for one in CASES:
        grade_one(one.expect[0], reply, one)
    signals(reply, CASES[0])
    return time.thread_time() - began


@pytest.mark.parametrize("unit", UNITS)
def test_time_grows_with_the_reply_and_no_faster(unit):
    """A reply four times as long takes at most eight times as long: with the square, sixteen times."""
    short, long = ((unit * (n // len(unit) + 1))[:n] + "x" for n in (5_000, 20_000))
    for _ in range(3):  # a reading that another process disturbed is taken again
        before = max(seconds(short), 0.02)
        if seconds(long) < 8 * before:
            return
    pytest.fail(f"{unit!r} is read in more than linear time")


#: what a closed fence is, in one pattern: it says the same, and takes the square of the length
FENCE = re.compile(
    r"^[ \t]*(?:(?:[-*+]|\d{1,4}[.)])[ \t]+)?(?P<mark>`{3,}+|~{3,}+)[ \t]*(?P<language>[\w+#.-]*)[^\n`]*\n"
    r"(?P<body>.*?)^[ \t]*(?P=mark)[`~]*[ \t]*$",
    re.MULTILINE | re.DOTALL,
)
PIECES = st.lists(
    st.sampled_from(["```", "~~~", "````", "~~~~~", "``", "\n", "\n", "\n", " ", "py", "x", "- ", "1. ", "`"]),
    max_size=40,
)


@given(PIECES)
def test_closed_fences_are_those_of_the_pattern(pieces):
    text = "".join(pieces)
    wanted = [(m.start(), m.end(), m["language"].lower()) for m in FENCE.finditer(text)]
    assert [(one.start, one.end, one.language) for one in closed(text)] == wanted


def test_a_loop_behind_a_table_or_behind_code_is_a_loop():
    said_once = "we will look into it and then we will come back to you with an answer "
    loop = said_once * 20
    for before in ("| a | b |\n|---|---|\n| 1 | 2 |\n", "```py\nx = 1\n```\n", ""):
        assert loop_share(f"{before}{loop}\nThat is all.") > 0.5


def test_a_call_behind_a_mark_that_nothing_closes_is_seen():
    whole = '<tool_call>{"name": "get", "arguments": {}}</tool_call>'
    for text in (whole, f"<TOOLCALL>[ {whole}", f"<tool_call>x {whole}", f"{whole}</tool_call>"):
        assert read(said(text), TOOLS).residue == "intact"
    assert read(said('<tool_call>{"name": "get"'), TOOLS).residue == "broken"
