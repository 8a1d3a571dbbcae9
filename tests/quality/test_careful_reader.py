"""Replies of every kind that graders once read differently from a careful reader, each with the reader's answer."""

from __future__ import annotations

import json

import pytest

from evalkit.quality import jsontext
from evalkit.quality.degeneration import loop_share, signals
from evalkit.quality.expectations import Problem, check_together, expectation
from evalkit.quality.grading import grade_exchange
from evalkit.quality.reasoning import answered, visible
from tests.quality.support import case, function, said, suite_file

PASS, FAIL = True, False
WEATHER = function("get_weather", ["city"], city={"type": "string"})
PROSE = (
    "The harbour was quiet in the morning. Two boats lay at the pier, and a man mended a net. Later the wind rose, and"
    " everybody went home before the rain. "
)
COUNTED = "\n".join(f"{n}. and then it all begins again" for n in range(1, 30))
CODE = "```python\ndef add(a, b):\n    return a + b\n```"


def passed(expect, text, *calls, tools=(), prompt="?", finish="stop", **of):
    one = case(*(expect if isinstance(expect, list) else [expect]), tools=tools, prompt=prompt, **of)
    return grade_exchange(one, said(text, *calls, finish=finish)).passed


READ = [
    # loops: with a counter, before a last sentence, in other scripts; what only looks like one is none
    ("no_loop", COUNTED, FAIL),
    ("no_loop", COUNTED + "\nThat is all there is to say.", FAIL),
    ("no_loop", PROSE + "and so it goes on and on and " * 20 + "I hope that this answers your question.", FAIL),
    ("no_loop", "\n".join(f"Step {n}: Repeat the process carefully." for n in range(1, 25)), FAIL),
    ("no_loop", "\n".join(f"{chr(97 + n)}) and then it begins again from the start" for n in range(20)), FAIL),
    ("no_loop", "我喜欢这个城市。" * 30 + "谢谢。", FAIL),
    ("no_loop", "\n".join(f"{n}. {n * n}" for n in range(1, 60)), PASS),
    ("no_loop", json.dumps([{"number": n, "square of it": n * n} for n in range(60)]), PASS),
    ("no_loop", "| n | even |\n|---|---|\n" + "\n".join(f"| {n} | yes, it is |" for n in range(50)), PASS),
    ("no_loop", PROSE * 2, PASS),
    ("no_loop", PROSE, PASS),
    # doubled words, in scripts without blanks too
    ("no_duplicates", "今天今天天气天气很好很好", FAIL),
    ("no_duplicates", "我我们们去去公园", FAIL),
    ("no_duplicates", "谢谢妈妈，我天天慢慢走，看看星星。", PASS),
    ("no_duplicates", "ドキドキしながら、いろいろな店をときどき見る。", PASS),
    ("no_duplicates", "The the train leaves leaves.", FAIL),
    # ends
    ("clean_end", "<think>The user wants a name, and I", FAIL),
    ("clean_end", PROSE + "After that they walked along the beach until the", FAIL),
    ("clean_end", PROSE + "After that they walked along the beach until evening came", FAIL),
    ("clean_end", "We sell apples, pears,", FAIL),
    ("clean_end", "All done.", PASS),
    ("clean_end", "Paris", PASS),
    ("clean_end", "- Open the lid\n- Press the red button on the left side of it", PASS),
    ("clean_end", PROSE + "\n\nBest regards,\nAnna", PASS),
    ("clean_end", "The interval [0, 1) is half open.", PASS),
    ("clean_end", "A list [1, 2", FAIL),
    # special tokens
    *(("no_special_tokens", f"Paris {token}", FAIL) for token in ("<think>", "[gMASK]", "<MASK>", "[mask]", "<|mask|>", "[MASK]")),
    ("no_special_tokens", "arr[mask] = 0 and ▁▂▃ is a chart", PASS),
    ({"instructions": {"forbidden": ["café"]}}, "A cafe\u0301 in town", FAIL),
    ({"instructions": {"forbidden": ["hidden"]}}, "a hid\u200bden word", FAIL),
    ({"instructions": {"forbidden": ["苹果"]}}, "我不喜欢苹果汁", FAIL),
    ({"instructions": {"keywords": ["café"]}}, "A cafe\u0301 in town", PASS),
    ({"contains": {"none": ["secret"]}}, "a sec\u00adret", FAIL),
    # numbers
    ({"number": 4}, "<think>2 + 2 = 4, but", FAIL),
    ({"number": 1000}, "It is 10^3", PASS),
    ({"number": 3}, "It is 10^3", FAIL),
    ({"number": 1000}, "It is 10³.", PASS),
    ({"number": 6.02e23}, "about 6.02 × 10^23", PASS),
    ({"number": 0.001}, "10^-3", PASS),
    ({"number": 0.001}, "10**-3", PASS),
    ({"number": 0.5}, "one half is 1/2", PASS),
    ({"number": 2}, "one half is 1/2", FAIL),
    ({"number": 1.5}, "1 1/2 cups", PASS),
    ({"number": 0.75}, "¾", PASS),
    ({"number": 0.5}, r"\frac{1}{2}", PASS),
    ({"number": -5}, "The answer is –5", PASS),
    ({"number": 5}, "The answer is –5", FAIL),
    ({"number": 5}, "pages 3–5", PASS),
    ({"number": 1234567}, "1'234'567", PASS),
    ({"number": 1234567}, "1’234’567", PASS),
    ({"number": 567}, "1'234'567", FAIL),
    ({"number": 1234567}, "1_234_567", PASS),
    ({"number": 123456}, "1,23,456", PASS),
    ({"number": 1234}, "1，234", PASS),
    ({"number": 0.5}, ".5", PASS),
    ({"number": 42}, "42km", PASS),
    ({"number": 42}, "about 42 km", PASS),
    ({"number": 2**53}, str(2**53 + 1), FAIL),
    ({"number": 2**53 + 1}, str(2**53 + 1), PASS),
    ({"number": 11}, "2026-11-28 and 11", PASS),
    # JSON among other things
    ({"json": {"where": "anywhere", "type": "object"}}, 'As shown in [1], it is {"a": 1}.', PASS),
    ({"json_match": {"value": {"a": 1}, "where": "anywhere"}}, 'See [1] and [2, 3]: {"a": 1}', PASS),
    ({"json_match": {"value": [4, 5, 6], "where": "anywhere"}}, "See [1]: the list is [4, 5, 6].", PASS),
    ({"json_match": {"any": "x"}}, '{"any": "y"}', FAIL),
    ({"json_match": {"any": "x"}}, '{"any": "x"}', PASS),
    ({"json_match": {"any": "x"}}, '{"other": 1}', FAIL),
    ({"json_match": {"value": 3}}, '{"value": 3}', PASS),
    ({"json_match": {"value": 3}}, '{"value": 4}', FAIL),
    ({"json_match": {"value": 3}}, "3", PASS),
    ({"json_match": {"value": 3, "unit": "kg"}}, '{"value": 3, "unit": "kg"}', PASS),
    ({"json_match": {"optional": "no"}}, '{"optional": "yes"}', FAIL),
    ({"json_match": {"name": "Café"}}, '{"name": "Cafe\u0301"}', PASS),
    ({"json": "whole"}, '\ufeff{"a": 1}', PASS),
    ({"json": "auto"}, 'Run it:\n```bash\ncurl x\n```\nResult:\n```json\n{"a": 1}\n```', PASS),
    # commas of all scripts
    ({"instructions": {"no_commas": True}}, "苹果，梨", FAIL),
    ({"instructions": {"no_commas": True}}, "تفاح، كمثرى", FAIL),
    ({"instructions": {"no_commas": True}}, "apples and pears", PASS),
    # words and sentences
    ({"instructions": {"words": 2}}, "one - two", PASS),
    ({"length": {"max": 2}}, "one – two", PASS),
    ({"instructions": {"sentences": 1}}, "Dr. Smith arrived.", PASS),
    ({"instructions": {"sentences": 2}}, "Dr. Smith arrived, e.g. by train. He left.", PASS),
    ({"instructions": {"sentences": 2}}, "你好。再见！", PASS),
    ({"instructions": {"sentences": 1}}, "It is 3.14 metres.", PASS),
    # code beside other fences
    ({"code_parses": {"defines": ["add"]}}, f"```bash\npip install x\n```\n{CODE}\n```\n3 is the output\n```", PASS),
    ({"code_parses": {"defines": ["add"]}}, f"```\n$ python add.py\n```\n{CODE.replace('python', '')}", PASS),
    ({"code_parses": {"defines": ["add"]}}, "1. Here:\n   ```python\n   def add(a, b):\n       return a + b\n   ```", PASS),
    ({"code_parses": {"defines": ["add"]}}, f"First try:\n```python\ndef add(a b)\n```\nBetter:\n{CODE}", PASS),
    ({"code_parses": {"defines": ["x", "y", "z"]}}, "```python\nx: int = 1\ny, z = 2, 3\n```", PASS),
    ({"code_parses": {"defines": ["add"]}}, "```bash\npip install x\n```", FAIL),
    ({"code_parses": {"defines": ["add"]}}, "\ufeff" + CODE, PASS),
]  # fmt: skip


@pytest.mark.parametrize(("expect", "text", "wanted"), READ, ids=[f"{i}" for i in range(len(READ))])
def test_a_reply_is_graded_as_a_careful_reader_would(expect, text, wanted):
    assert passed(expect, text) is wanted


@pytest.mark.parametrize(
    ("text", "answer", "is_open"),
    [
        ("<think>Paris or Lyon, and", "", True),
        ("Paris. <think>But wait", "", True),
        ("<think>a</think> b <think>c", "", True),
        ("<THINK>a", "", True),
        ("[THINK]a", "", True),
        ("◁think▷a", "", True),
        ("<mm:think>a", "", True),
        ("<longcat_think>a</longcat_think>b", "b", False),
        ("<thoughts>a", "", True),
        ("<reasoning_content>a</reasoning_content> b", "b", False),
        ("<|think|>a", "", True),
        ("<|inner_prefix|>a<|inner_suffix|>b", "b", False),
        ("<think>France: Paris.</think>\nThe capital is Paris.", "The capital is Paris.", False),
        ("the template opened it</think>Paris", "Paris", False),
        ("<think><think>twice</think> Paris", "Paris", False),
        ("<think></think>Paris", "Paris", False),
        ("A <thinking>b</thinking> C", "A  C", False),
        ("The tag `<think>` opens it.", "The tag `<think>` opens it.", False),
        ("```\n<think>Paris or Lyon, and", "", True),
        ("```text\n<think>\nParis or Lyon\n```", "", True),
        ("Look:\n```xml\n<a/>\n```\n```\n<think>hm, no", "", True),
        ("```\n<think>\n```\nSo it begins.", "```\n<think>\n```\nSo it begins.", False),
        ("1 < think > 0", "1 < think > 0", False),
    ],
)
def test_the_answer_stands_behind_closed_reasoning_and_nowhere_without_its_end(text, answer, is_open):
    found = answered(text)
    assert (found.text, found.open) == (answer, is_open)


GRADED = [
    ({"equals": "Paris"}, "Paris"), ({"json": "whole"}, '{"a": 1}'), ({"items": ["a", "b"]}, "a, b"),
    ({"length": {"max": 2}}, "two words"), ({"starts_with": "Par"}, "Paris"), ({"number": 4}, "4"),
    ({"instructions": {"words": 1}}, "Paris"), ({"balanced": {"depth": 1}}, "()"), ({"regex": "^Par"}, "Paris"),
    ({"code_parses": {"defines": ["x"]}}, "x = 1"), ({"sections": ["A"]}, "A\ntext"), ("no_loop", "Paris."),
]  # fmt: skip


@pytest.mark.parametrize(("expect", "text"), GRADED, ids=[str(i) for i in range(len(GRADED))])
def test_closed_reasoning_is_dropped_for_every_grader_and_open_reasoning_meets_none(expect, text):
    assert passed(expect, text) is True
    assert passed(expect, f"<think>\nIt could be 17, (hm\n</think>\n{text}") is True
    assert passed(expect, f"<think>\n{text}") is False
    assert passed(expect, f"{text}\n<think>\nbut") is False


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  \n",
        "\u200b\ufeff",
        "\u2800\u2800",
        "\u3164 \u115f",
        "\ufe0f",
        "<think>a</think>",
        "<think>a</think>\n\u200b",
    ],
)
@pytest.mark.parametrize("expect", ["no_loop", {"length": {"max": 9}}, {"not": {"contains": "x"}}, "no_special_tokens"])
def test_what_no_reader_sees_is_no_answer(text, expect):
    assert passed(expect, text) is False


def test_a_call_is_an_answer_without_text_and_with_open_reasoning_beside_it():
    expect = {"tool_calls": [{"name": "get_weather", "args": {"city": "Oslo"}}]}
    call = ("get_weather", '{"city": "Oslo"}')
    assert passed(expect, "", call, tools=[WEATHER], finish="tool_calls") is True
    assert passed(expect, "<think>I need the", call, tools=[WEATHER], finish="tool_calls") is True


def test_a_suite_may_keep_the_reasoning_in_what_is_graded(tmp_path):
    text = (
        "suite: {{name: s, kind: chat, reasoning: {}}}\ncases:\n  - {{id: a, prompt: x, expect: [{{contains: why}}]}}\n"
    )
    reply = said("<think>this is why</think>Paris")
    for word, wanted in (("keep", True), ("drop", False)):
        (one,) = suite_file(tmp_path, text.format(word)).cases
        assert grade_exchange(one, reply).passed is wanted
        assert grade_exchange(one, said("<think>this is why")).passed is False


def test_the_signals_say_loops_with_counters_and_open_reasoning():
    seen = signals(said("<think>" + COUNTED), case("no_loop"))
    assert seen.tail_loop > 0.9
    assert seen.open_reasoning
    closed = signals(said("<think>short</think>Paris."), case("no_loop"))
    assert not closed.open_reasoning
    assert closed.special_tokens == ()


@pytest.mark.parametrize(
    "text",
    [
        "Sure: get_weather(city='Oslo')", 'I will call get_weather("Oslo").', "Let me check: get_weather(city = Oslo)",
        'get_weather: {"city": "Oslo"}', 'Calling get_weather with {"city": "Oslo"}.', "Action: get_weather\nAction Input: Oslo",
        "```python\nget_weather(city='Oslo')\n```\nHere it is.",
    ],
)  # fmt: skip
def test_a_call_in_prose_is_no_abstention(text):
    assert passed("no_tool_call", text, tools=[WEATHER]) is False
    assert passed({"tool_calls": [{"name": "get_weather", "args": {"city": "Oslo"}}]}, text, tools=[WEATHER]) is False


@pytest.mark.parametrize(
    "text",
    [
        "Paris is the capital of France.", "I could use get_weather, but there is no need.",
        "The tool get_weather (which I have) does not know capitals.", "forget_weather(city='x') is another function.",
    ],
)  # fmt: skip
def test_a_tool_that_is_only_mentioned_is_not_called(text):
    assert passed("no_tool_call", text, tools=[WEATHER]) is True


def test_an_expected_value_outside_of_the_schema_is_refused_at_any_depth():
    tool = function(
        "draw", ["shape"],
        shape={"type": "object", "properties": {"kind": {"type": "string", "enum": ["box", "disc"]},
                                                "sizes": {"type": "array", "items": {"type": "integer"}}}},
    )  # fmt: skip

    def check(args):
        built = (expectation({"tool_calls": [{"name": "draw", "args": args}]}, "expect.0"),)
        check_together(built, (tool,))

    check({"shape": {"kind": {"any_of": ["box", "disc"]}}})
    check({"shape": {"kind": "box", "sizes": [1, {"any_of": [2, 3]}]}})
    for bad in (
        {"shape": {"kind": {"any_of": ["box", "star"]}}}, {"shape": {"kind": {"any_of": ["star"]}, "sizes": [1]}},
        {"shape": {"kind": "star"}}, {"shape": {"sizes": [{"any_of": ["two"]}]}},
        {"shape": {"any_of": [{"kind": "star"}]}},
    ):  # fmt: skip
        with pytest.raises(Problem):
            check(bad)


def test_a_rule_that_misses_its_point_is_refused_in_json_match_as_in_calls():
    for bad in ({"city": {"any_of": []}}, {"city": {"any_of": ["a"], "equals": "a"}}):
        with pytest.raises(Problem):
            expectation({"json_match": bad}, "expect.0")
    with pytest.raises(Problem, match="exakt"):
        expectation({"json_match": {"value": 3, "exakt": True}}, "expect.0")


def test_a_long_text_is_read_in_linear_time():
    text = " ".join(f"w{n * 7919 % 100_003}" for n in range(200_000))
    assert loop_share(text) == 0.0
    assert answered("<think></think>" * 50_000).text == ""
    assert jsontext.first_value("[1] " * 40 + '{"a": 2}') == {"a": 2}


@pytest.mark.parametrize(
    ("text", "seen"),
    [("plain, with\ta tab\nand a line ", "plain, with\ta tab\nand a line"), ("Zürich\u00ad 東京\u200b", "Zürich 東京"),
     ("\u202eabc\x07", "abc"), ("a\u3000b\u3000", "a\u3000b"), ("\u200b\u2060 \n", ""), ("", "")],
)  # fmt: skip
def test_what_no_reader_sees_is_left_out(text, seen):
    assert visible(text) == seen
