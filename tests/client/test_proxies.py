"""The proxy of the environment: honoured, or refused by name before a key is sent."""

from __future__ import annotations

import socket
import threading
from base64 import b64encode
from ipaddress import ip_address, ip_network
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.client import proxies, run
from evalkit.client.fallback import ProxyClient
from evalkit.client.proxies import proxy_for
from evalkit.doctor import network
from evalkit.errors import UsageError
from evalkit.secrets import Secret
from evalkit.serving.control import Control
from tests.cli.command import evalkit
from tests.client.rawserver import ASK, target

NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
KEY = "canary-key-of-proxies-1"


@pytest.fixture
def environment(monkeypatch):
    def set_to(**values):
        for name in NAMES:
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.upper(), raising=False)
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    set_to()
    return set_to


@pytest.mark.parametrize(
    ("exceptions", "url", "direct"),
    [
        ("localhost,10.0.0.0/8", "http://10.1.2.3:30000", True),
        ("localhost,10.0.0.0/8", "http://11.1.2.3:30000", False),
        ("10.1.2.3/8", "http://10.200.0.1", True),
        ("fd00::/8", "http://[fd12::1]:8000", True),
        ("[fd00::]/8", "http://[fd12::1]:8000", True),
        ("fd00::/8", "http://[fe80::1]:8000", False),
        ("10.0.0.0/8", "http://[::ffff:10.1.2.3]:1", True),
        ("10.1.2.3", "http://10.1.2.3", True),
        ("10.1.2.3:30000", "http://10.1.2.3:30000", True),
        ("10.1.2.3:30000", "http://10.1.2.3:30001", False),
        ("[::2]:80", "http://[::2]", True),
        ("::2", "http://[0:0::2]:9", True),
        ("example.org", "http://gpu.example.org", True),
        (".example.org", "http://example.org", True),
        ("*.example.org", "http://gpu.example.org.", True),
        ("example.org", "http://notexample.org", False),
        ("example.org:8080", "http://gpu.example.org:8080", True),
        ("gpu-*.internal", "http://gpu-7.internal", True),
        ("*", "http://anything.invalid", True),
        ("  a.example ,\tb.example ", "http://b.example", True),
        ("", "http://10.1.2.3", False),
        ("10.0.0.0/8", "http://ten.example", False),
    ],
)
def test_what_no_proxy_names_is_reached_directly(environment, exceptions, url, direct):
    environment(http_proxy="http://proxy.invalid:3128", no_proxy=exceptions)
    assert (proxy_for(url) is None) == direct


@given(st.ip_addresses(v=4), st.integers(0, 32), st.ip_addresses(v=4))
def test_a_network_excepts_what_lies_in_it(base, bits, host):
    lies_in = ip_address(host) in ip_network(f"{base}/{bits}", strict=False)
    assert proxies._excepts("no_proxy", f"{base}/{bits}", str(host), 80) == lies_in


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:1", "http://127.8.8.8:1", "http://[::1]:1", "http://a.localhost", "http://0.0.0.0:1",
        "http://[::]:1", "http://127.1:1", "http://2130706433:1", "http://0x7f.1:1",
    ],
)  # fmt: skip
@pytest.mark.parametrize("value", ["socks5://127.0.0.1:9", "http://proxy.invalid:3128", "nonsense://"])
def test_loopback_takes_no_proxy_whatever_is_named(environment, url, value):
    environment(ALL_PROXY=value, http_proxy=value)
    assert proxy_for(url) is None


def test_which_variable_counts(environment):
    environment(http_proxy="http://one:1", HTTP_PROXY="http://two:2", ALL_PROXY="http://three:3")
    assert proxy_for("http://host") == "http://one:1"
    assert proxy_for("https://host") == "http://three:3"
    environment(http_proxy="", HTTP_PROXY="http://two:2")
    assert proxy_for("http://host") is None
    environment(HTTP_PROXY="proxy:3128")
    assert proxy_for("http://host") == "http://proxy:3128"


@pytest.mark.parametrize("name", ["ALL_PROXY", "http_proxy"])
@pytest.mark.parametrize(
    "value",
    ["socks://127.0.0.1:9", "socks4://h:1", "ftp://h:1", "http://", "http://h:port", "http://[::1", "file:///etc/x"],
)
def test_a_proxy_that_cannot_be_used_is_refused_by_its_name(environment, name, value):
    environment(**{name: value})
    with pytest.raises(UsageError, match=name):
        proxy_for("http://gpu-box.invalid:30000")


def test_socks_needs_its_package(environment, monkeypatch):
    environment(ALL_PROXY="socks5://127.0.0.1:9")
    monkeypatch.setattr(proxies, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match="ALL_PROXY names a SOCKS proxy"):
        proxy_for("http://gpu-box.invalid")
    monkeypatch.setattr(proxies, "find_spec", lambda name: name)
    assert proxy_for("http://gpu-box.invalid") == "socks5://127.0.0.1:9"


def test_what_is_no_network_is_refused_before_the_key_goes_to_the_proxy(environment):
    environment(http_proxy="http://proxy.invalid:3128", NO_PROXY="10.0.0.0/40")
    with pytest.raises(UsageError, match="NO_PROXY"):
        proxy_for("http://10.1.2.3")


class Forbidding:
    """A proxy that says 403 to everything and keeps what it was sent."""

    def __init__(self) -> None:
        self.seen = []
        self.says = b""
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://jd:canary-word@127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.seen.append(connection.recv(65536))
            head = f"HTTP/1.1 403 Forbidden\r\ncontent-length: {len(self.says)}\r\nconnection: close\r\n\r\n"
            connection.sendall(head.encode() + self.says)
            connection.close()


@pytest.fixture
def forbidding():
    proxy = Forbidding()
    yield proxy
    proxy.socket.close()


def test_an_answer_by_way_of_a_proxy_says_so(environment, forbidding):
    environment(HTTP_PROXY=forbidding.url)
    url = "http://gpu-box.invalid:30000"

    async def main():
        client = ProxyClient()
        got = await client.chat(target(url, api_key=Secret(KEY)), ASK)
        await client.aclose()
        async with Control(url) as control:
            return got, await control.get_json("/v1/models")

    reply, page = run(main())
    for message in (reply.error.message, page.error.message):
        assert "403" in message
        assert "the proxy that HTTP_PROXY names (127.0.0.1:" in message
        assert "canary-word" not in message
        assert "key is missing" not in message
    assert len(forbidding.seen) == 2


@pytest.mark.parametrize("password", ["Zk9/secret-pw77", "hunter22", "QwErTyUiOp"])
def test_a_password_that_the_proxy_echoes_is_not_shown(environment, forbidding, password):
    basic = b64encode(f"jd:{password}".encode())
    forbidding.says = f"denied: jd:{password}, {basic.decode()}, {quote(password, safe='')}".encode()
    environment(HTTP_PROXY=forbidding.url.replace("canary-word", quote(password, safe="")))

    async def main():
        client = ProxyClient()
        got = await client.chat(target("http://gpu-box.invalid:30000"), ASK)
        await client.aclose()
        return got.error.message

    message = run(main())
    assert "denied: jd:***" in message
    assert password not in message
    assert quote(password, safe="") not in message
    assert basic.decode()[6:-6] not in message


def test_a_key_does_not_go_to_a_proxy_that_an_exception_rules_out(environment, forbidding, monkeypatch, capsys):
    """The server's address is in a network of NO_PROXY. It is taken for one that is not this machine."""
    monkeypatch.setenv("MY_KEY", KEY)
    monkeypatch.setattr(proxies, "_is_loopback", lambda _: False)
    with socket.create_server(("127.0.0.2", 0)) as closed:
        port = closed.getsockname()[1]
    command = ("probe", f"http://127.0.0.2:{port}", "--no-observe", "--api-key-env", "MY_KEY")
    environment(http_proxy=forbidding.url, NO_PROXY="localhost,127.0.0.0/8,10.0.0.0/8")
    assert evalkit(capsys, *command).code == 3
    assert forbidding.seen == []
    environment(http_proxy=forbidding.url, NO_PROXY="localhost,10.0.0.0/8")
    done = evalkit(capsys, *command)
    assert done.code == 3
    assert forbidding.seen
    assert "the proxy that http_proxy names" in done.out


@pytest.mark.parametrize("value", ["socks://127.0.0.1:9", "127.0.0.1:9"])
def test_a_command_ends_with_the_name_of_the_variable_and_no_fault(environment, value, capsys):
    environment(ALL_PROXY=value)
    done = evalkit(capsys, "probe", "http://gpu-box.invalid:30000", "--no-observe")
    assert done.code in (2, 3)
    assert "ALL_PROXY" in done.out + done.err
    assert network()["transport"]["loopback"] == "wire"
