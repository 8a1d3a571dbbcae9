"""What a server or tool that evalkit starts sees of its environment."""

from __future__ import annotations

from evalkit.environment import for_server
from evalkit.harness.process import environment


def test_a_password_in_an_address_reaches_no_tool_and_no_server(monkeypatch):
    hidden = {"HTTPS_PROXY": "http://me:canary-17@proxy:3128", "http_proxy": "me:canary-17@proxy:3128",
              "HF_ENDPOINT": "https://me:canary-17@mirror", "UV_INDEX_URL": "https://me:canary-17@index/simple"}  # fmt: skip
    for name, value in hidden.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:3128")
    for passed in (environment({}, []), for_server([])):
        assert "canary" not in str(passed)
        assert passed["HTTP_PROXY"] == "http://proxy:3128"
    assert (
        environment({}, ["HTTPS_PROXY"])["HTTPS_PROXY"]
        == for_server(["HTTPS_PROXY"])["HTTPS_PROXY"]
        == hidden["HTTPS_PROXY"]
    )
