"""Texts that a server, a card or a prompt may hold, a document full of one of them, and what a parser may find in it."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.support.report_doc import MODES, case_replies, case_row, document, finding, harm, item

HOSTILE = [
    "</details><script>alert(1)</script>",
    "![x](https://evil.example/a.png) [click](javascript:alert(1)) <https://evil.example>",
    "a | b\n| c | d |\n\n# heading\n```\nfence\n```",
    "@everyone #1 GH-2 https://evil.example www.evil.example a@evil.example",
    "::error file=a::b %0A {{ x }} {% raw %}",
    "=cmd|'/c calc'!A1",
    "\x1b[31mred\x07 \u202e \x00 \x9b2J",
    "`````" * 20,
    "```mermaid\nxychart-beta\n    title \"x\"\n```\n%%{init: {'securityLevel': 'loose'}}%%",
    "<!-- --> &lt;img src=x onerror=alert(1)&gt; <img src=x onerror=alert(1)> ]]> <![CDATA[",
    '" onmouseover="alert(1)" x=\'',
    "title\n=====\n\n---\n\n    code\n\n1. one\n- two\n> three\n[^1]: note\n\n$$x$$ ~~y~~ **z** _w_",
    "漢字" * 60 + " \U0001f469\u200d\U0001f4bb " + "e\u0301" * 40,
    "x" * 1_000_000,
]


def hostile(text: str) -> dict:
    """A document that holds `text` wherever a text from outside may stand."""
    doc = document()
    doc["items"] = [
        item(i, "fail", summary=text) for i in ("license", "modes", "hardware", "serving", "quality", "context")
    ]
    doc["items"][0]["findings"] = [
        finding("license.first", "fail", summary=text, observed=text, threshold=text, remedy=text, variant=text)
    ]
    doc["reasons"] = doc["next_steps"] = doc["not_shown"] = [text]
    doc["versus_incumbent"] = text
    doc["quality"]["harms"] = [
        harm(0, reason=text, prompt=text, baseline_text=text, mode_text=text + "!", tags=[text], case_id=text)
    ]
    row = case_row(0, (1, 0, None), suite=text, case_id=text, tags=[text])
    replies = case_replies(0, reason=text, text=text, graders=[text], finish_reason=text, error=text)
    doc["quality"] |= {"cases": [row], "replies": [replies | {"suite": text, "case_id": text, "prompt": text}]}
    doc["prompts"] = [
        {"prompt_id": text, "tags": [text], "e2e_ms": {}, "speedup": dict.fromkeys(MODES[1:], gain)}
        for gain in (0.9, 1.2)
    ]
    doc["candidate"]["model"] = doc["checklist"]["name"] = doc["reproduce"] = text
    doc["provenance"]["servers"][0] |= {"settings": {text: text}, "endpoint": text, "engine": text, "model": text}
    doc["provenance"]["prompts"][0]["path"] = doc["provenance"]["suites"][0]["path"] = text
    doc["gpus"][0]["name"] = text
    doc["waivers"][0] |= {"reason": text, "owner": text}
    doc["timelines"][0] |= {"prompt_id": text, "tags": [text]}
    doc["context_probes"][0]["steps"][0] |= {"ok": False, "error": text, "finish_reason": text}
    doc["modes"][1]["levels"][0]["speedup"]["by_tag"] = {text: 1.5}
    doc["modes"][1]["levels"][0]["speedup"] |= {"slower_share": 0.1, "worst_decile": 0.9}
    doc["modes"][1] |= {"engine": text, "declared_mode": text, "reasons": [text, text]}
    doc["vendor_claims"][0] |= {"claim": text, "conditions": text, "source": text, "differs": [text]}
    doc["integrity"] = [text]
    return doc


def nodes(text: str) -> list[Token]:
    """Every node, as GitHub's dialect parses it, inline ones behind their block."""
    tokens = MarkdownIt("commonmark", {"linkify": False}).enable(["table", "strikethrough"]).parse(text)
    return [*tokens, *(child for token in tokens for child in token.children or [])]


def check_markdown(text: str) -> None:
    """Raw HTML, links and images are those of the template; nothing in a text is active on a forge."""
    html_lines = {
        "<details>", "</details>", "<summary>Side by side</summary>", "<summary>Provenance</summary>",
        "<summary>Speed in detail: spread, tags, streams</summary>",
        "<summary>Quality in detail: tools, length, position, context, variants</summary>",
    }  # fmt: skip
    for token in nodes(text):
        if token.type in ("html_block", "html_inline"):
            for line in token.content.strip().splitlines():
                assert line in html_lines or re.fullmatch(r"<summary>\d+ findings?: [a-z0-9, -]+</summary>", line), line
        if token.type == "link_open":
            assert str(token.attrs["href"]).startswith("#")
        if token.type == "text":
            assert not ACTIVE.search(token.content), token.content[:200]
        assert token.type not in ("image", "code_block", "s_open")


#: what a forge turns into a mention, a reference or a link outside code
ACTIVE = re.compile(r"(?<![\w@])@\w|(?<!\w)#\d|\bGH-\d|https?://|\bwww\.\w")
