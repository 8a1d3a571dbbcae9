from __future__ import annotations

import pytest

from tests.hub.hub_cases import plain
from tests.support.hub_client import collect_all
from tests.support.hub_server import HubServer

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("http://127.0.0.1:8080", True),
        ("https://mirror.example", True),
        ("http://mirror.example", False),
        ("http://10.0.0.8", False),
    ],
)
def test_a_token_crosses_no_plain_network(monkeypatch, url, sent):
    from evalkit.hub.api import token_for

    monkeypatch.setenv("HF_TOKEN", "hf_sentinelsentinel")
    notes: list[str] = []
    assert bool(token_for(url, notes)) is sent
    assert bool(notes) is not sent


def test_a_cache_that_cannot_be_written_is_said_to_be_that(tmp_path):
    (tmp_path / "file").touch()
    with HubServer({"acme/plain": plain()}) as hub:
        facts, _ = collect_all(hub.endpoint, tmp_path, ["acme/plain"], HF_HOME=str(tmp_path / "file" / "home"))
    assert facts["acme/plain"]["error_kind"] == "invalid"
    assert "HF_HOME" in facts["acme/plain"]["hint"]
