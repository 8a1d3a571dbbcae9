"""Addresses as providers document them: paths without /v1, queries, no list of models, other headers, many models."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic import ValidationError

from evalkit.checklist.schema import Checklist, Endpoint
from evalkit.client import open_client, run
from evalkit.client.origin import address_of
from evalkit.errors import UsageError
from evalkit.serving.probe import probe, target_for

CHUNKS = [
    {"model": "m", "choices": [{"index": 0, "delta": {"content": "word "}, "finish_reason": None}], "usage": {"completion_tokens": n, "prompt_tokens": 5}}
    for n in range(1, 25)
]  # fmt: skip
END = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


@contextmanager
def server(prefix="/v1", *, models=("m",), query="", header=None, status=200, chats=lambda _: True):
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def say(self, code, body):
            self.send_response(code)
            self.send_header("content-length", str(len(body)))
            self.send_header("content-type", "text/event-stream" if body.startswith(b"data") else "application/json")
            self.end_headers()
            self.wfile.write(body)

        def fits(self, route):
            path, _, found = self.path.partition("?")
            asked.append((self.command, self.path, self.headers.get("authorization"), self.headers.get("api-key")))
            if path != prefix + route or found != query:
                self.say(404, b'{"error": {"message": "no such route"}}')
            elif header and not self.headers.get(header):
                self.say(401, b'{"error": {"message": "no key"}}')
            else:
                return True
            return False

        def do_GET(self):
            if models is None:
                self.say(404, b"{}")
            elif self.fits("/models"):
                cards = [one if isinstance(one, dict) else {"id": one} for one in models]
                self.say(200, json.dumps({"data": cards}).encode())

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if not self.fits("/chat/completions"):
                return
            if not chats(body["model"]):
                self.say(400, b'{"error": {"message": "does not chat"}}')
                return
            self.say(
                status,
                b"".join(b"data: " + json.dumps(c).encode() + b"\n\n" for c in [*CHUNKS, END]) + b"data: [DONE]\n\n",
            )

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{httpd.server_port}", asked
    finally:
        httpd.shutdown()
        httpd.server_close()


def look(url, **fields):
    endpoint = Endpoint(endpoint=url, **fields)

    async def main():
        client = open_client([url])
        try:
            return await probe("diffusion", endpoint, client=client)
        finally:
            await client.aclose()

    return run(main()), endpoint


@pytest.mark.parametrize(
    ("prefix", "address"),
    [
        ("/v1", ""), ("/v1", "/v1"), ("/v1", "/v1/"), ("/v1", "/v1/chat/completions"), ("/v1", "/v1/models"),
        ("/team/v1", "/team"), ("/team/v1", "/team/v1"), ("/v1beta/openai", "/v1beta/openai"),
        ("/v1beta/openai", "/v1beta/openai/chat/completions"), ("/api/paas/v4", "/api/paas/v4/"),
        ("/openai/v1", "/openai/v1"), ("", "/chat/completions"),
    ],
)  # fmt: skip
def test_an_address_reaches_its_routes(prefix, address):
    with server(prefix) as (url, _):
        facts, _ = look(url + address)
    assert (facts.reachable, facts.observed_mode, facts.error) == (True, "autoregressive", None)
    assert facts.round_trip_ms > 0


def test_a_query_goes_with_every_request_and_a_key_in_its_own_header(monkeypatch):
    monkeypatch.setenv("EVALKIT_TEST_KEY", "abc")
    with server("/openai/v1", query="api-version=preview", header="api-key") as (url, asked):
        where = f"{url}/openai/v1?api-version=preview"
        facts, endpoint = look(where, api_key_env="EVALKIT_TEST_KEY", api_key_header="api-key")
        refused, _ = look(where, api_key_env="EVALKIT_TEST_KEY")
    assert (facts.reachable, facts.observed_mode) == (True, "autoregressive")
    assert (refused.reachable, refused.error_kind) == (False, "auth")
    sent = [one for one in asked if one[3]]
    assert sent
    assert all(bearer is None and key == "abc" for _, _, bearer, key in sent)
    assert target_for("x", endpoint, facts).route == "/v1/chat/completions?api-version=preview"


@pytest.mark.parametrize("prefix", ["/v1", "/api/paas/v4"])
def test_a_server_without_a_list_of_models_is_used_when_the_model_is_given(prefix):
    with server(prefix, models=None) as (url, _):
        address = url + prefix.removesuffix("/v1")
        unnamed, _ = look(address)
        named, _ = look(address, model="m")
        with server("/elsewhere/v1", models=None) as (other, _):
            gone, _ = look(other, model="m")
    assert (unnamed.reachable, unnamed.error_kind) == (False, "not-found")
    assert (named.reachable, named.observed_mode) == (True, "autoregressive")
    assert not gone.reachable


@pytest.mark.parametrize(
    "first",
    ["nomic-embed-text", "text-embedding-3-small", "bge-reranker-v2", "whisper-1", {"id": "x", "type": "embedding"}],
)
def test_a_model_that_does_not_chat_is_not_taken_for_the_first(first):
    with server(models=(first, "acme/tiny-dlm"), chats=lambda name: name == "acme/tiny-dlm") as (url, _):
        facts, endpoint = look(url)
    assert target_for("x", endpoint, facts).model == facts.model == "acme/tiny-dlm"
    assert facts.observed_mode == "autoregressive"


def test_201_is_an_answer():
    with server(status=201) as (url, _):
        assert look(url)[0].observed_mode == "autoregressive"


MANY = [
    {"id": "vendor/huge", "max_model_len": 1_000_000},
    *({"id": f"m{n}", "max_model_len": 8192} for n in range(400)),
]
OWN = {"id": "alias", "max_model_len": 4096}


@pytest.mark.parametrize(("place", "window"), [(None, None), (0, 4096), (25, 4096), (240, 4096), (400, 4096)])
def test_the_window_of_an_alias_is_its_own_or_not_known(place, window):
    listed = MANY if place is None else [*MANY[:place], OWN, *MANY[place:]]
    with server(models=listed) as (url, _):
        facts, _ = look(url, model="alias")
    assert facts.context.max_model_len == window
    assert ("alias" in facts.served_models) is (place is not None)


def test_the_only_model_of_a_server_may_be_called_otherwise():
    with server(models=[OWN]) as (url, _):
        assert look(url, model="mine")[0].context.max_model_len == 4096


@pytest.mark.parametrize("query", [
    "key=abc", "api_key=abc", "access_token=abc", "x=1&sig=abc", "accessToken=abc", "clientSecret=abc", "code=abc",
    "k%65y=abc", "key[]=abc", "x=1;key=abc", "passwd=abc", "X-Amz-Signature=abc", "k=AIzaSyA1abc" + "d4" * 14,
])  # fmt: skip
def test_a_key_in_a_query_is_refused(query):
    with pytest.raises(UsageError, match="key"):
        address_of(f"http://h/v1?{query}")
    with pytest.raises(ValidationError, match="api_key_env") as error:
        Checklist.model_validate({"modes": {"diffusion": {"endpoint": f"http://h/v1?{query}"}}})
    assert "abc" not in str(error.value.errors(include_input=False, include_url=False))
