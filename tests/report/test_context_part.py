"""All limits of the context in one table of the report."""

from __future__ import annotations

from datetime import UTC, datetime

from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.items.context import decide as context
from evalkit.report.words.tables import limits_table
from evalkit.serving.facts import EndpointFacts, ServerContext
from tests.support.cards import facts
from tests.support.start import START


def document(seen: Facts) -> dict[str, object]:
    asks = Checklist.model_validate(
        {"modes": {"diffusion": {"endpoint": "http://127.0.0.1:1"}}, "items": {"context": {"need_tokens": 8192}}}
    )
    found = context.decide(asks, seen, datetime(2026, 11, 24, tzinfo=UTC))
    return {"items": [{"id": "context", "findings": [f.model_dump(mode="json") for f in found]}]}


def test_every_source_of_a_limit_has_a_row_with_how_it_is_known(tmp_path):
    card = "---\nlicense: mit\n---\nIts context length is 128K tokens.\n"
    candidate = facts(
        tmp_path, None, "instruct-8b", README__md=card, generation_config__json='{"max_new_tokens": 512}',
        tokenizer_config__json='{"model_max_length": 131072}',
    )  # fmt: skip
    server = EndpointFacts(
        label="diffusion", endpoint="http://127.0.0.1:1", reachable=True, context=ServerContext(max_model_len=2048)
    )
    _, rows = limits_table(document(Facts(start=START, candidates=(candidate,), endpoints={"diffusion": server})))
    cells = {row[0]: row[1:] for row in rows}
    assert cells["config.json max_position_embeddings"] == ("262,144", "declared", "yes")
    assert cells["tokenizer model_max_length"] == ("131,072", "declared", "yes")
    assert cells["rope scaling: original length"] == ("16,384", "declared", "no")
    assert cells["generation default max_new_tokens"] == ("512", "declared", "no")
    assert cells["card: Its context length is 128K tokens"] == ("131,072", "vendor-reported", "no")
    assert cells["diffusion server: window"] == ("2,048", "declared", "yes")
    assert cells["usable window of the model: the least that binds"][0] == "131,072"
    assert cells["needed: prompt and reply together"] == ("8,192", "declared", "–")


def test_without_any_limit_there_is_no_table():
    assert limits_table(document(Facts(start=START)))[1] == []
