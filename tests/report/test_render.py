from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from evalkit.report import directory, html, markdown, quote, terminal
from evalkit.report.write import to_json, write_all
from tests.support.report_doc import document, finding, harm, item

HOSTILE = [
    "</details><script>alert(1)</script>",
    "![x](https://evil.example/a.png) [click](javascript:alert(1))",
    "a | b\n| c | d |\n\n# heading\n```\nfence\n```",
    "@everyone #1 GH-2 https://evil.example www.evil.example",
    "::error file=a::b %0A {{ x }} {% raw %}",
    "=cmd|'/c calc'!A1",
    "\x1b[31mred\x07 \u202e \x00",
    "`````" * 20,
    "x" * 20_000,
]


def hostile(text: str) -> dict:
    doc = document()
    doc["items"] = [
        item(i, "fail", summary=text) for i in ("license", "modes", "hardware", "serving", "quality", "context")
    ]
    doc["items"][0]["findings"] = [
        finding("license.first", "fail", summary=text, observed=text, threshold=text, remedy=text, variant=text)
    ]
    doc["reasons"] = doc["next_steps"] = doc["not_shown"] = [text]
    doc["quality"]["harms"] = [
        harm(0, reason=text, prompt=text, baseline_text=text, mode_text=text + "!", tags=[text], case_id=text)
    ]
    doc["candidate"]["model"] = doc["checklist"]["name"] = doc["reproduce"] = text
    doc["provenance"]["servers"][0]["settings"] = {text: text}
    return doc


def nodes(text: str) -> list:
    tokens = MarkdownIt("commonmark", {"linkify": False}).enable(["table", "strikethrough"]).parse(text)
    return [*tokens, *(child for token in tokens for child in token.children or [])]


def check_markdown(text: str) -> None:
    html_lines = {"<details>", "</details>", "<summary>Side by side</summary>"}
    for token in nodes(text):
        if token.type in ("html_block", "html_inline"):
            for line in token.content.strip().splitlines():
                assert line in html_lines or re.fullmatch(r"<summary>\d+ findings?</summary>", line), line
        if token.type == "link_open":
            assert str(token.attrs["href"]).startswith("#")
        assert token.type not in ("image", "code_block", "s_open")


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_holds_only_nodes_of_the_template(text: str) -> None:
    check_markdown(markdown.render(hostile(text)))


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=st.sampled_from("`|<>![]()#@*_~\\:/-+=\n ab1.&$"), max_size=40))
def test_markdown_prose_and_code_never_open_anything(text: str) -> None:
    for made in (quote.prose(text), f"- {quote.prose(text)}", quote.code(text), f"> {quote.prose(text)}"):
        kinds = {t.type for t in nodes(made)} - {"inline", "text", "code_inline", "paragraph_open", "paragraph_close"}
        assert kinds <= {
            "bullet_list_open",
            "bullet_list_close",
            "list_item_open",
            "list_item_close",
            "blockquote_open",
            "blockquote_close",
            "text_special",
        }, (made, kinds)
    row = f"| a | b |\n|---|---|\n| {quote.cell(text)} | {quote.cell_code(text)} |\n"
    assert sum(t.type == "td_open" for t in nodes(row)) == 2


@pytest.mark.parametrize("text", HOSTILE)
def test_html_loads_and_runs_nothing_that_came_from_outside(text: str) -> None:
    page = html.render(hostile(text))
    assert page.count("<script") == 1
    assert not re.search(r"<(?:img|link|iframe|script)[^>]*(?:src|href)=\"(?!data:)", page)
    assert "default-src 'none'" in page.replace("&#39;", "'")


def test_terminal_fits_eighty_columns_without_escapes() -> None:
    for text in HOSTILE:
        out = terminal.render(hostile(text))
        assert "\x1b" not in out
        assert max(len(line) for line in out.splitlines()) <= 80


def test_simulated_is_on_the_first_line_everywhere() -> None:
    doc = document(simulated=True)
    for text in (markdown.render(doc), terminal.render(doc), directory.render(doc)):
        assert "SIMULATED" in text.splitlines()[0]
    assert directory.status(doc) == "watch"
    assert "SIMULATED" in html.render(doc)


@pytest.mark.parametrize(
    ("verdict", "expected"), [("go", "candidate"), ("no-go", "rejected"), ("inconclusive", "watch")]
)
def test_directory_status_follows_the_stated_rule(verdict: str, expected: str) -> None:
    assert directory.status(document(verdict=verdict)) == expected


def test_reports_are_private_whole_and_the_same_twice(tmp_path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    for folder in (first, second):
        folder.mkdir()
        write_all(folder, document())
    names = sorted(p.relative_to(first) for p in first.rglob("*") if p.is_file())
    assert {str(n) for n in names} >= {"report.md", "report.json", "report.html", "junit.xml", "charts/speedup.svg"}
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes()
        assert (first / name).stat().st_mode & 0o777 == 0o600
    assert json.loads((first / "report.json").read_text()) == document()
    assert to_json(document()).endswith("}\n")
    assert "<script" not in (first / "charts/speedup.svg").read_text()
