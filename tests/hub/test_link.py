"""The card's license_link: fetched from public https addresses only, whatever it says and wherever it redirects."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.hub.link import LinkProblem, fetch_text, is_public, visible_text

PRIVATE = [
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.5.4", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "192.0.2.1", "198.18.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1",
    "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a00:1", "2002:7f00:1::", "2001:db8::1", "", "no address",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_public_is_refused(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "104.18.0.1", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_a_public_address_is_allowed(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://license.example/", "file:///etc/passwd", "ftp://license.example/", "license.example/terms", "LICENSE", "",
        "https://", "https:///terms", "https://user:pass@license.example/", "https://license.example:8443/",
        "https://license.example/a b", "https://license.example/\r\nHost: x", "https://[::1", "https://license.example:99999/",
        "javascript:alert(1)",
    ],
)  # fmt: skip
def test_a_link_that_is_no_plain_https_address_is_refused_before_any_look_up(url):
    def never(host: str, port: int) -> list[str]:
        raise AssertionError("looked up")

    with pytest.raises(LinkProblem):
        fetch_text(url, resolve=never)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "2130706433", "0x7f000001", "127.1"])
def test_this_machine_by_any_spelling_is_refused_after_the_look_up(host):
    with pytest.raises(LinkProblem, match=r"not a public address|not known"):
        fetch_text(f"https://{host}/")


def test_one_private_address_among_public_ones_is_enough_to_refuse():
    with pytest.raises(LinkProblem, match=r"10\.0\.0\.5"):
        fetch_text("https://license.example/", resolve=lambda _host, _port: ["8.8.8.8", "10.0.0.5"])


@given(st.text(max_size=200))
def test_a_link_of_any_text_gives_a_problem_and_no_other_error(text):
    with pytest.raises(LinkProblem):
        fetch_text(text, resolve=lambda _host, _port: ["127.0.0.1"])


class Pages(BaseHTTPRequestHandler):
    """Pages by path; `/away` leads to another host, `/round` to itself."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        self.server.seen.append((self.path, dict(self.headers)))
        redirects = {"/moved": "/terms", "/away": "https://metadata.internal/latest", "/plain": "http://license.example/terms",
                     "/round": "/round", "/other": "https://other.example/terms", "/lost": ""}  # fmt: skip
        if self.path in redirects:
            self._send(302, b"", {"Location": redirects[self.path]})
        elif self.path == "/html":
            page = b"<html><head><title>T</title><script>steal()</script></head><nav>Menu</nav><p>Some  license</p><p>two</p>"
            self._send(200, page, {"Content-Type": "text/html; charset=utf-8", "Set-Cookie": "a=b"})
        elif self.path == "/huge":
            self._send(200, b"x" * (5 << 20), {"Content-Type": "text/plain"})
        elif self.path == "/pdf":
            self._send(200, b"%PDF", {"Content-Type": "application/pdf"})
        elif self.path == "/gone":
            self._send(410, b"gone", {})
        elif self.path == "/empty":
            self._send(200, b"  ", {"Content-Type": "text/plain"})
        else:
            self._send(200, b"The terms.", {"Content-Type": "text/plain"})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A site for license.example and other.example behind TLS on loopback; gives (fetch, requests that it saw)."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", key, "-out", certificate, "-subj", "/CN=license.example",
         "-addext", "subjectAltName=DNS:license.example,DNS:other.example"],
        check=True, capture_output=True,
    )  # fmt: skip
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # a refused certificate ends the handshake
    server.seen = []
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(certificate, key)
    server.socket = ours.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    hosts = {"license.example": ["127.0.0.1"], "other.example": ["127.0.0.1"], "wrong.example": ["127.0.0.1"]}

    def fetch(url: str):
        return fetch_text(
            url, allow=lambda address: address == "127.0.0.1", port=server.server_address[1],
            resolve=lambda host, _port: hosts.get(host, ["169.254.169.254"]),
            context=ssl.create_default_context(cafile=str(certificate)),
        )  # fmt: skip

    yield fetch, server.seen
    server.shutdown()
    server.server_close()


def test_the_text_behind_the_link_is_kept_as_it_is(site):
    fetch, seen = site
    assert fetch("https://license.example/terms").content == b"The terms."
    sent = {name.lower() for name in seen[-1][1]}
    assert sent <= {"host", "user-agent", "accept", "accept-encoding"}


def test_of_an_html_page_the_visible_words_are_kept(site):
    assert site[0]("https://license.example/html").content == b"T\nSome license\ntwo"


@pytest.mark.parametrize(
    ("path", "url"), [("moved", "https://license.example/terms"), ("other", "https://other.example/terms")]
)
def test_a_redirect_to_an_allowed_host_is_followed_and_named(site, path, url):
    page = site[0](f"https://license.example/{path}")
    assert (page.url, page.content) == (url, b"The terms.")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("away", "not a public address"), ("plain", "https"), ("round", "redirects"), ("huge", "larger than 4 MiB"),
        ("pdf", "--license-text"), ("gone", "410"), ("empty", "empty"), ("lost", "redirects"),
    ],
)  # fmt: skip
def test_what_is_refused_on_the_way(site, path, why):
    with pytest.raises(LinkProblem, match=why):
        site[0](f"https://license.example/{path}")


def test_a_certificate_of_another_host_is_refused(site):
    with pytest.raises(LinkProblem, match="could not be read"):
        site[0]("https://wrong.example/terms")


@pytest.mark.parametrize(
    "unit", ["<a ", "<!--", "<![CDATA[", "</", "<br/", '<a href="', "<a '\">", "<script>", "&#", "<", "<?"]
)
def test_a_page_of_nothing_but_marks_is_read_in_linear_time(unit):
    """80,000 characters of `<a ` took a minute, and a page may have a million."""
    page = (unit * 400_000)[:400_000].encode()
    began = time.thread_time()
    visible_text(page)
    assert time.thread_time() - began < 5


def test_the_words_of_odd_markup_are_kept():
    page = (
        "<a href='x>y'>Li<b>cense</b></a><p>one</p>two<br/>3 &amp; &#65;<script>if (a<b) {'</p>'}</script>x<!-- c > d -->y"
        f'<svg/>z <svg>q</svg> 1 < 2 <nav>n</nav>&#{"1" * 5000};e <?php a ?>w<p title="a'
    )
    assert visible_text(page.encode()).decode() == 'License\none\ntwo\n3 & Axyz 1 < 2 \ufffde w<p title="a'


def test_hidden_words_are_not_taken_for_the_license():
    page = b"<script>The MIT License</script><style>x</style><footer>(c)</footer><p>Apache License</p></script>end"
    assert visible_text(page) == b"Apache License\nend"
