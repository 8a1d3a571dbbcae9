"""Replies in the styles that real models write (Markdown, LaTeX, fences, other languages), with a careful reader's grade."""

from __future__ import annotations

import pytest

from tests.quality.test_careful_reader import passed

PASS, FAIL = True, False
CODE = "def add(a, b):\n    return a + b\n"

WRITTEN = [
    # numbers
    ({"number":42},"The answer is $\\boxed{42}$.\n\nThis follows from 6 \\times 7.", PASS),
    ({"number":7},"The answer is $\\boxed{42}$.\n\nThis follows from 6 \\times 7.", FAIL),
    ({"number":1234567},"Die Antwort lautet 1.234.567.", PASS),
    ({"number":1234.56},"Das macht 1.234,56 €.", PASS),
    ({"number":56},"Das macht 1.234,56 €.", FAIL),
    ({"number":1234567},"La réponse est 1 234 567 habitants.", PASS),
    ({"number":13},"It is 13 rather than 12.", PASS),
    ({"number":13},"It is 13 instead of 12.", PASS),
    ({"number":12},"It is 13 instead of 12.", FAIL),
    ({"number":42},"<think>6*7=41? no</think>\n\n42", PASS),
    ({"number":0.5},"$x = \\frac{1}{2}$", PASS),
    ({"number":5},"x = 5 cm²", PASS),
    ({"number":25},"25 m²", PASS),
    ({"number":1500000},"1.5 million", PASS),
    ({"number":42},"答案是42。", PASS),
    ({"number":42},"答案是 **42** 个。", PASS),
    ({"number":42},"答えは42です。", PASS),
    ({"number":42},"The total is USD 42.00", PASS),
    ({"number":42},"= 42 ✅", PASS),
    ({"number":-42},"−42 °C", PASS),
    ({"number":1000},"1,000.00 (one thousand)", PASS),
    ({"number":12},"12 (twelve)", PASS),
    ({"number":80},"80 %", PASS),
    ({"number":2},"H₂O has 2 hydrogen atoms", PASS),
    ({"number":3},"Step 1: ...\nStep 2: ...\n\nFinal Answer: 3", PASS),
    # items
    ({"items":["red","green","blue"]},"red, green, and blue", PASS),
    ({"items":["red","green","blue"]},"red, green and blue", PASS),
    ({"items":["red","green","blue"]},"Here is the list:\n\n1. red\n2. green\n3. blue", PASS),
    ({"items":["red","green","blue"]},"```\nred, green, blue\n```", PASS),
    ({"items":["red","green","blue"]},"```text\nred, green, blue\n```", PASS),
    ({"items":["red","green","blue"]},"**red**, **green**, **blue**", PASS),
    ({"items":["red","green","blue"]},'["red", "green", "blue"]', PASS),
    ({"items":["red","green","blue"]},"- red\n- green\n- blue", PASS),
    ({"items":["red","green","blue"]},"red, blue, green", FAIL),
    ({"items":["red","green","blue"]},"red, green", FAIL),
    ({"items":["rot","grün","blau"]},"rot, grün und blau", PASS),
    ({"items":{"of":["红","绿","蓝"]}},"红、绿、蓝", PASS),
    ({"items":["black and white","red"]},"black and white, red", PASS),
    # balanced
    ({"balanced":{"depth":3}},"```\n([{}])\n```", PASS),
    ({"balanced":{"depth":3}},"```text\n([{}])\n```", PASS),
    # instructions
    ({"instructions":{"postscript":True}},"Thanks.\n\n**P.S.** Call me.", PASS),
    ({"instructions":{"postscript":True}},"PSYCHOLOGY is fun", FAIL),
    ({"instructions":{"numbered":3}},"**1. One**\ntext\n**2. Two**\ntext\n**3. Three**", PASS),
    ({"instructions":{"numbered":3}},"### 1. One\ntext\n### 2. Two\n### 3. Three", PASS),
    ({"instructions":{"bullets":2}},"+ one\n+ two", PASS),
    ({"instructions":{"paragraphs":2}},"One para.\n\n---\n\nTwo para.", PASS),
    ({"instructions":{"sentences":2}},"यह पहला वाक्य है। यह दूसरा है।", PASS),
    ({"instructions":{"sentences":2}},"هل أنت هنا؟ نعم أنا هنا.", PASS),
    ({"instructions":{"sentences":2}},"U.S. stocks rose. Bonds fell.", PASS),
    ({"instructions":{"sentences":1}},"Mr. and Mrs. Lee paid $3.50 at 5 p.m. today.", PASS),
    ({"instructions":{"quoted":True}},"「こんにちは」", PASS),
    ({"instructions":{"case":"lower"}},"all is well — 3 cats", PASS),
    ({"instructions":{"case":"upper"}},"GROẞE STRASSE", PASS),
    ({"instructions":{"title":True}},"<<A day>>\nText", PASS),
    ({"instructions":{"first_word":"Paris"}},"**Paris** is it.", PASS),
    ({"instructions":{"last_word":"done"}},"I am *done*.", PASS),
    ({"instructions":{"highlights":2}},"*one* and **two**", PASS),
    ({"instructions":{"table_rows":2}},"| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |", PASS),
    ({"instructions":{"keywords":["naïve"]}},"nai\u0308ve", PASS),
    # no_duplicates
    ("no_duplicates","Nous nous sommes rencontrés hier soir à Paris, et vous vous souvenez sûrement de cela.", PASS),
    ("no_duplicates","Die Stadt, die die Römer gründeten, liegt am Fluss.", PASS),
    ("no_duplicates","He gave her her book back yesterday.", PASS),
    ("no_duplicates","She put on on the the coat.", FAIL),
    # clean_end
    ("clean_end","Use `[` to open a list. Then go on.", PASS),
    ("clean_end","Enjoy your trip! 🎉", PASS),
    ("clean_end","यह अच्छा है।", PASS),
    ("clean_end","The set is $\\{1, 2\\}$.", PASS),
    ("clean_end","See [the docs](https://x.y/z).", PASS),
    ("clean_end","```python\nprint('[')\n```\nDone.", PASS),
    ("clean_end","$$\\int_0^1 x\\,dx = \\tfrac12$$", PASS),
    ("no_special_tokens","Paris<|endoftext|>", FAIL),
    ("no_loop","\n".join(f"- [ ] Task {n}: {w}" for n,w in enumerate(["buy milk", "call mum", "fix door", "book train", "send mail", "water plants", "clean car", "read book"])), PASS),
    # json
    ({"json":"auto"},'Here you go:\n```json\n{"a": 1}\n```\nLet me know!', PASS),
    ({"json":"auto"},'{"a": 1}', PASS),
    ({"json":"auto"},'Here you go: {"a": 1}', FAIL),
    ({"json_match":{"a":1}},'```json\n{\n  "a": 1 // one\n}\n```', FAIL),
    ({"json_match":{"a":1.0}},'{"a": 1}', PASS),
    ({"json_match":{"name":"Ünal"}},'{"name": "\\u00dcnal"}', PASS),
    ({"json_match":{"price":1234.5}},'{"price": "1,234.50"}', FAIL),
    # code
    ({"code_parses":{"defines":["add"]}},"Sure!\n\n```py\n"+CODE+"```\n\nUsage:\n```python\nprint(add(1,2))\n```", PASS),
    ({"code_parses":{"defines":["add"]}},CODE, PASS),
    ({"code_parses":{"defines":["add"]}},"```Python\n"+CODE+"```", PASS),
    ({"code_parses":{"defines":["add"]}},"<think>def add(</think>```python\n"+CODE+"```", PASS),
    ({"code_parses":{"defines":["add"]}},"~~~python\n"+CODE+"~~~", PASS),
    # sections
    ({"sections":["Aim","Method"]},"## **Aim**\nx\n## **Method**\ny", PASS),
    ({"sections":["Aim","Method"]},"**1. Aim**\nx\n\n**2. Method**\ny", PASS),
    ({"sections":{"numbered":3}},"**1.** a\n**2.** b\n**3.** c", PASS),
    # language
    ({"language":"en"},"The café in Zürich costs €5 – naïve? ✓", PASS),
    ({"language":"zh"},"河流从山上流下来，经过北京和上海。", PASS),
    ({"language":"ar"},"النهر يجري نحو البحر.", PASS),
    ({"language":"hi"},"नदी समुद्र में मिलती है।", PASS),
    # contains/equals/regex
    ({"contains":"Paris"},"**Paris**", PASS),
    ({"equals":"Paris"},"**Paris**", FAIL),
    ({"equals":"Paris"},"Paris.", FAIL),
    ({"equals":"yes"},"Yes", FAIL),
    ({"equals":{"any":["yes"],"ignore_case":True}},"YES", PASS),
    ({"contains":{"any":["straße"],"ignore_case":True}},"STRASSE", PASS),
    ({"contains":"שלום"},"\u200fשלום\u200f עולם", PASS),
    ({"regex":"^\\d{4}-\\d{2}-\\d{2}$"},"2026-11-24", PASS),
    ({"length":{"max":5}},"one two — three four five", PASS),
]  # fmt: skip


@pytest.mark.parametrize(("expect", "text", "wanted"), WRITTEN, ids=[str(i) for i in range(len(WRITTEN))])
def test_a_reply_is_graded_by_what_it_says_and_not_by_how_it_is_set(expect, text, wanted):
    assert passed(expect, text) is wanted


@pytest.mark.parametrize(
    ("value", "text", "wanted"),
    [
        (420_000, "42万", PASS), (42, "42万", PASS), (420, "42万", FAIL), (345, "12 345", PASS), (12_345, "12 345", PASS),
        (45, "12 345", FAIL), (2345, "1 2345", PASS), (12_345, "1,2 345", FAIL), (1.5, "1.234,5", FAIL), (1234.5, "1.234,5", PASS),
        (234, "1.234, 5 and 234", PASS), (3, r"\boxed{x} and 3", PASS), (2, r"\boxed{1} no: \boxed{\frac{4}{2}} (7)", PASS),
        (12, "12 instead of 13", PASS), (42, "答案是42个苹果在桌子上面放着", PASS), (42, "v42", FAIL), (2, "CO2", FAIL),
    ],
)  # fmt: skip
def test_other_ways_to_write_a_number_give_no_other_number(value, text, wanted):
    assert passed({"number": value}, text) is wanted


@pytest.mark.parametrize(
    "text",
    ["black, and white", "black and white, red, green", "and", "red, green, blue, and", "Colours: red, green and blue\nand more",
     "red, green, and, blue"],
)  # fmt: skip
def test_a_word_for_and_joins_no_other_list(text):
    assert passed({"items": ["red", "green", "blue"]}, text) is False
