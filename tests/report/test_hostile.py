"""Text from outside is quoted everywhere: the parsed output has the nodes of the template, whatever the text."""

from __future__ import annotations

import json
import re
import unicodedata
from xml.etree import ElementTree as ET

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lxml import html as lxml_html
from rich.cells import cell_len

from evalkit.report.formats import directory, html, markdown, terminal
from evalkit.report.formats.report_json import render as to_json
from evalkit.report.words import charts, quote
from evalkit.text import one_line, sanitize
from tests.report.test_charts import full
from tests.support.hostile import ACTIVE, HOSTILE, check_markdown, hostile, nodes

ANY = st.one_of(
    st.text(alphabet=st.sampled_from("`|<>![]()#@*_~\\:/-+=\n\t ab1.&$%{}\"'^"), max_size=60),
    st.text(max_size=60),
    st.lists(st.sampled_from(HOSTILE[:-1]), min_size=1, max_size=3).map(" ".join),
)


def blocks(text: str) -> list[tuple[str, str, int, str]]:
    return [(t.type, t.tag, t.nesting, t.info) for t in nodes(text) if t.block]


PLAIN = blocks(markdown.render(hostile("word")))
PAGE = [(e.tag, sorted(e.attrib)) for e in lxml_html.document_fromstring(html.render(hostile("word"))).iter()]


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_holds_only_nodes_of_the_template(text: str) -> None:
    made = markdown.render(hostile(text))
    check_markdown(made)
    assert blocks(made) == PLAIN
    assert len(made) < 200_000


@settings(max_examples=25, deadline=None)
@given(ANY)
def test_markdown_keeps_its_structure_whatever_the_text(text: str) -> None:
    made = markdown.render(hostile(text or "x"))
    check_markdown(made)
    assert blocks(made) == PLAIN


@settings(max_examples=300, deadline=None)
@given(ANY)
def test_markdown_prose_and_code_never_open_anything(text: str) -> None:
    for made in (quote.prose(text), f"- {quote.prose(text)}", quote.code(text), f"> {quote.prose(text)}"):
        found = nodes(made)
        kinds = {t.type for t in found} - {"inline", "text", "code_inline", "paragraph_open", "paragraph_close"}
        assert kinds <= {
            "bullet_list_open",
            "bullet_list_close",
            "list_item_open",
            "list_item_close",
            "blockquote_open",
            "blockquote_close",
            "text_special",
        }, (made, kinds)
        assert not any(ACTIVE.search(t.content) for t in found if t.type == "text"), made
    row = f"| a | b |\n|---|---|\n| {quote.cell(text)} | {quote.cell_code(text)} |\n"
    assert sum(t.type == "td_open" for t in nodes(row)) == 2
    fence = nodes(quote.block(text))
    assert [t.type for t in fence] == ["fence"]


@pytest.mark.parametrize("text", HOSTILE)
def test_html_has_the_elements_of_the_template(text: str) -> None:
    check_page(text)


@settings(max_examples=20, deadline=None)
@given(ANY)
def test_html_keeps_its_structure_whatever_the_text(text: str) -> None:
    check_page(text or "x")


def check_page(text: str) -> None:
    made = html.render(hostile(text))
    root = lxml_html.document_fromstring(made)
    assert [(e.tag, sorted(e.attrib)) for e in root.iter() if e.tag not in ("ins", "del", "code")] == [
        one for one in PAGE if one[0] not in ("ins", "del", "code")
    ]
    data, script = root.iter("script")
    assert script.text == html._script()
    assert data.get("type") == "application/json"
    assert not set(data.text) & set("<>&")
    held = json.loads(data.text)
    assert held["rows"][0][1] == one_line(text, limit=120)
    assert held["replies"][0]["modes"][1]["text"] == sanitize(text, limit=2000)
    for element in root.iter():
        assert not any(name.startswith("on") for name in element.attrib)
        assert element.get("href", "#").startswith("#")
        assert element.get("src", "data:image/svg+xml;").startswith("data:image/svg+xml;")
    assert len(made) < 500_000


@pytest.mark.parametrize("text", HOSTILE)
def test_terminal_fits_eighty_columns_and_is_plain(text: str) -> None:
    check_terminal(text)


@settings(max_examples=40, deadline=None)
@given(ANY)
@example(
    "</details><script>alert(1)</script> ::error file=a::b %0A {{ x }} {% raw %} a | b\n| c | d |\n\n# heading\n```\nfence\n```"
)
@example('" onmouseover="alert(1)" x=\' ::error file=a::b %0A {{ x }} {% raw %} </details><script>alert(1)</script>')
def test_terminal_stays_plain_whatever_the_text(text: str) -> None:
    check_terminal(text)


def check_terminal(text: str) -> None:
    made = terminal.render(hostile(text))
    assert max(cell_len(line) for line in made.splitlines()) <= 80
    assert not {c for c in made if unicodedata.category(c) in ("Cc", "Cs", "Co") and c != "\n"}
    assert not re.search("[\u200b-\u200f\u202a-\u202e\u2066-\u2069]", made)


@pytest.mark.parametrize("text", HOSTILE)
def test_labels_in_charts_are_text(text: str) -> None:
    def drawn(label: str) -> dict[str, list[str]]:
        doc = full()
        doc["modes"][1]["mode"] = label
        doc["prompts"][0]["prompt_id"] = label
        for row in doc["prompts"]:
            row["speedup"] = {
                label: row["speedup"]["diffusion"],
                "self-speculation": row["speedup"]["self-speculation"],
            }
        doc["frontier"][1]["mode"] = label
        doc["lengths"][-1]["mode"] = doc["lengths"][-2]["mode"] = doc["context_probes"][0]["mode"] = label
        return {name: [node.tag for node in ET.fromstring(svg).iter()] for name, svg in charts.draw(doc).items()}

    assert drawn(text[:2000]) == drawn("diffusion")


@pytest.mark.parametrize("text", HOSTILE)
def test_directory_entry_and_json_give_the_text_back(text: str) -> None:
    doc = hostile(text)
    assert json.loads(to_json(doc)) == doc
    page = directory.render(doc)
    record = yaml.safe_load(page.split("---\n", 2)[1])
    assert record["own_evaluation"]["versus_incumbent"] == sanitize(text)
    for token in nodes(page.split("---\n", 2)[2]):
        assert token.type not in ("html_block", "html_inline", "image")
        assert token.type != "link_open" or str(token.attrs["href"]) in record["sources"]


def test_code_in_a_remedy_is_code_in_html_and_nothing_else_is() -> None:
    made = html._spans("lower `a<b>` or <i>x</i> `` y")
    assert str(made) == "lower <code>a&lt;b&gt;</code> or &lt;i&gt;x&lt;/i&gt; `` y"
