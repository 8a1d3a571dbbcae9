"""Untrusted text: nothing that a terminal obeys or a reader does not see gets through, and nothing else is changed."""

import json
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import evalkit
from evalkit.text import capital, json_page, json_safe, one_line, sanitize, strict_json

#: format characters that are signs of their own script and show as such
_SIGNS = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}
_TEXT = st.text(alphabet=st.characters(codec=None), max_size=200)
_HOSTILE = st.text(alphabet="\x1b[]0;\x07\x9b\u202e\u2066\u200b\ufeff\x7f\r\n\t a…\ud800\U000e0041", max_size=200)


def _hidden(code: int) -> bool:
    category = unicodedata.category(chr(code))
    return category in ("Cc", "Cs", "Co") or (category == "Cf" and code not in _SIGNS)


def test_every_code_point_is_shown_as_it_is_or_made_visible():
    assert not [hex(code) for code in range(sys.maxunicode + 1) if chr(code) not in "\t\n\r" and not _right(code)]


def _right(code: int) -> bool:
    if _hidden(code):
        return sanitize(chr(code)) == _escape(code)
    return unicodedata.category(chr(code))[0] not in "LNPS" or sanitize(chr(code)) in (chr(code), _escape(code))


def _escape(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{{{code:x}}}"


@pytest.mark.parametrize(
    "text",
    ["Grüße", "日本語", "مرحبا", "שלום", "1 ≤ 2 → ✓", "🙂", "a\tb\nc", "naïve café", "±25 °C"],
)
def test_ordinary_text_of_any_script_stays(text):
    assert sanitize(text) == text


@pytest.mark.parametrize(
    "attack",
    [
        "\x1b[31mred", "\x1b]0;title\x07", "\x1b]8;;http://evil\x1b\\link", "\x9b2J", "\u202egpj.exe", "pass\u200bword",
        "\u2066hidden\u2069", "\ufeff", "a\x08b", "\x7f", "\u2028new line", "\U000e0041\U000e0042", "\ud800",
    ],
)  # fmt: skip
def test_known_attacks_come_out_as_plain_ascii_marks(attack):
    shown = sanitize(attack)
    assert shown.isascii()
    assert shown.isprintable()


@given(st.one_of(_TEXT, _HOSTILE), st.integers(1, 300))
def test_twice_is_once_and_the_length_is_bounded(text, limit):
    once = sanitize(text, limit=limit)
    assert sanitize(once, limit=limit) == once
    assert len(once) <= limit + 1


@given(st.one_of(_TEXT, _HOSTILE))
def test_one_line_is_one_line(text):
    shown = one_line(text)
    assert len(shown.splitlines()) <= 1
    assert one_line(shown) == shown


def test_a_text_without_end_is_cut_before_it_costs_anything():
    assert len(sanitize("\x1b" * 50_000_000)) <= 2001


@given(st.recursive(st.one_of(_TEXT, _HOSTILE, st.integers(), st.none()), lambda inner: st.lists(inner, max_size=4)))
def test_safe_json_says_the_same_and_holds_nothing_to_obey(value):
    document = json_safe(json.dumps(value, ensure_ascii=False, indent=1))
    assert json.loads(document) == value
    assert not any(_hidden(ord(char)) and char != "\n" for char in document)
    document.encode()


_INTS = st.integers(-(2**64) + 1, 2**64 - 1)
_FLOATS = st.floats(-1e300, 1e300).filter(lambda value: not 0 < abs(value) < 1e-300)


@given(st.recursive(st.one_of(_TEXT, _INTS, st.none(), _FLOATS),
                    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4)))  # fmt: skip
def test_strict_json_reads_what_json_writes(value):
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half a surrogate pair: what JSON writes is refused
        with pytest.raises(ValueError, match="surrogates"):
            strict_json(json.dumps(value))
        return
    for ascii_only in (True, False):
        document = json.dumps(value, ensure_ascii=ascii_only)
        assert strict_json(document) == strict_json(document.encode()) == value


@pytest.mark.parametrize("number", ["5e-324", "-1e-301", "1e301", "1e999", str(2**64), f"-{2**64}", "9" * 5000])
def test_strict_json_refuses_figures_that_nothing_measures(number):
    for document in (f'{{"a": [{number}]}}', f'{{"a": [{number}]}}'.encode()):
        with pytest.raises(ValueError, match="measures"):
            strict_json(document)
    assert strict_json(f'{{"a": "{number}"}}') == {"a": number}


@pytest.mark.parametrize(
    "name",
    ["nvidia/Nemotron-Labs-Diffusion-8B: not read", "qwen3-8b is served", "diffusion: not measured", "self-speculation: no",
     "license.text-pinned is open", "hf_hub is set", "./model has no card", "v1 is old", ""],
)  # fmt: skip
def test_an_id_that_opens_a_sentence_keeps_its_spelling(name):
    assert capital(name) == name


def test_prose_gets_a_capital():
    assert capital("the repository has no license file: x/y") == "The repository has no license file: x/y"
    assert capital("no") == "No"


@given(st.text() | st.text(alphabet="a\x9b\u202e\u2066\x7f"))
def test_a_page_of_json_holds_the_text_and_nothing_that_a_terminal_obeys(text):
    page = json_page({"a": [text]})
    assert json.loads(page) == {"a": [text]}
    assert not {c for c in page if unicodedata.category(c) in ("Cc", "Cs") and c != "\n"}
    assert not set(page) & set("\u200b\u202e\u2066")


def test_documents_are_printed_by_it_alone():
    """A server's text may hold C1 and bidi controls, which JSON does not escape by itself."""
    rooms = [Path(evalkit.__file__).parent / name for name in ("cli", "matrix", "report/formats", "stored")]
    lines = [line for room in rooms for path in room.rglob("*.py") for line in path.read_text().splitlines()]
    raw = [x for x in lines if "indent=2, ensure_ascii=False" in x and "json_safe(" not in x]
    assert raw == []
