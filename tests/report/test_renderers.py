"""Markdown of the report as GitHub's own parser and others read it: nothing in a text from outside is live."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lxml import html as lxml_html
from markdown_it import MarkdownIt

from evalkit.report.formats import github, markdown, terminal
from evalkit.report.words import quote
from evalkit.secrets import MASK
from evalkit.text import calm
from tests.support.hostile import ACTIVE, hostile

PAYLOADS = [
    "![x](https://evil.example/pixel.png)", "[click](https://evil.example)", "<https://evil.example>", "https://evil.example/",
    "@org/team", "#12", "GH-7", "www.evil.example", "<script>alert(1)</script>", "<img/src=https://evil.example/p.png>",
    "a@evil.example", "<!--", "</details>", "[x]: https://evil.example", "<details>", "![][x]", "$x$", "\\", "::error::x", "|",
]  # fmt: skip
#: spans and ticks glued to each other and to what they could set free
GLUED = st.lists(
    st.one_of(
        st.sampled_from(
            ["`", "``", "`a`", "``b`c``", "```", "`a b`", " ", "b", "(", ")", ".", ",", ":", "\\`", "*", "_", "~~", "|"]
        ),
        st.sampled_from(PAYLOADS),
    ),
    min_size=1,
    max_size=8,
).map("".join)


def cmark(text: str) -> str:
    cmarkgfm = pytest.importorskip("cmarkgfm")
    return cmarkgfm.cmark.markdown_to_html_with_extensions(
        text, options=cmarkgfm.cmark.Options.CMARK_OPT_UNSAFE, extensions=["table", "autolink", "strikethrough"]
    )


def mistune(text: str) -> str:
    plugins = ["table", "url", "strikethrough", "footnotes"]
    return pytest.importorskip("mistune").create_markdown(escape=False, plugins=plugins)(text)


def markdown_it(text: str) -> str:
    return MarkdownIt("commonmark", {"linkify": False}).enable(["table", "strikethrough"]).render(text)


RENDERERS = [cmark, mistune, markdown_it]


def check_silent(page: str, made: str) -> None:
    """No link, image or other element of a text, and nothing outside code that a forge makes one of."""
    root = lxml_html.fragment_fromstring(page, create_parent="div")
    assert {element.tag for element in root.iter()} <= {"div", "p", "code", "pre", "table", "thead", "tbody", "tr", "th", "td",
                                                        "ul", "li", "blockquote"}, (made, page)  # fmt: skip
    for code in root.xpath("//code"):
        code.text = ""
    assert not ACTIVE.search(" ".join(root.itertext())), (made, page)


@pytest.mark.parametrize("render", RENDERERS)
@settings(max_examples=400, deadline=None)
@given(GLUED)
@example("`a`b`![x](https://evil.example/pixel.png)")
@example("`a`b`<script>alert(1)</script>")
@example("`a`:`b`@org/team")
@example("a `b```c``d`https://evil.example")
def test_what_is_glued_to_a_code_span_stays_silent(render: Callable[[str], str], text: str) -> None:
    for made in (
        quote.prose(text),
        f"- {quote.prose(text)}",
        f"> {quote.prose(text)}",
        quote.code(text),
        quote.block(text),
    ):
        check_silent(render(made), made)
    row = f"| a | b |\n|---|---|\n| {quote.cell(text)} | {quote.cell_code(text)} |\n"
    page = render(row)
    check_silent(page, row)
    assert page.count("<td") == 2


@settings(max_examples=300, deadline=None)
@given(GLUED)
@example("![x](https://evil.example/pixel.png)" * 6)
def test_quoting_loses_no_letter(text: str) -> None:
    def letters(shown: str) -> str:
        return "".join(re.findall(r"[A-Za-z0-9]", shown))

    for made in (quote.prose(text), quote.code(text, limit=600)):
        if MASK not in made:  # `https://a)@b` reads as an address with a name in it
            assert letters(made.replace("&#124;", "")) == letters(text)


@pytest.mark.parametrize("render", [cmark, mistune])
@settings(max_examples=15, deadline=None)
@given(GLUED)
@example("`a`b`![x](https://evil.example/pixel.png)")
def test_the_whole_report_has_the_elements_of_its_template(render: Callable[[str], str], text: str) -> None:
    def elements(made: str) -> list[tuple[str, str]]:
        root = lxml_html.fragment_fromstring(render(made), create_parent="div")
        return [(one.tag, one.get("href", "")) for one in root.iter() if one.tag not in ("code", "pre")]

    assert elements(markdown.render(hostile(text))) == elements(markdown.render(hostile("word")))


COMMAND = re.compile(r"^\s*::|##(?:vso|teamcity)?\[")


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 90),
    st.sampled_from(["::error::x", "::add-mask::y z", "##[error]x", "##vso[task.x]y", "##teamcity[x]"]),
)
def test_no_line_of_a_report_is_a_command_to_a_runner_wherever_it_is_wrapped(before: int, command: str) -> None:
    text = f"{'x' * before} {command}\n{command}\r  {command}"
    for made in (terminal.render(hostile(text)), github.render(hostile(text)), quote.block(text), calm(text)):
        assert not [line for line in re.split(r"[\r\n]", made) if re.match(r"\s*::", line)]
    for made in (terminal.render(hostile(text)), calm(text)):
        assert not re.search(r"##(?:vso|teamcity)?\[", made)


@given(st.text(alphabet=st.sampled_from(":# [x\n\r\t\u3000\u00a0"), max_size=30))
def test_a_calm_text_stays_as_it_is_and_says_the_same(text: str) -> None:
    once = calm(text)
    assert calm(once) == once
    assert not [line for line in re.split(r"[\r\n]", once) if COMMAND.search(line)]
    assert re.sub(r"\s", "", once) == re.sub(r"\s", "", text)
