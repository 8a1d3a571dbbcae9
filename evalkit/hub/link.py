"""The page behind a card's license_link, fetched only when asked for. The link is foreign: it may lead anywhere.

https on port 443 only; every address that the host resolves to must be public; the connection goes to the address that
was checked (a second look-up could answer another one); redirects are checked like the first link; size and time are
capped. No cookie, token or proxy is used.
"""

from __future__ import annotations

import html
import http.client
import ipaddress
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from evalkit.hub.source import TEXT_CAP
from evalkit.text import one_line

_TIMEOUT_S = 10.0
_TOTAL_S = 30.0
_REDIRECTS = 5
_SKIPPED = frozenset({"script", "style", "noscript", "template", "svg", "nav", "header", "footer", "form"})
_BLOCKS = frozenset({"p", "div", "li", "br", "h1", "h2", "h3", "h4", "h5", "h6", "tr", "section", "article"})

Resolve = Callable[[str, int], list[str]]
Allow = Callable[[str], bool]


class LinkProblem(Exception):  # noqa: N818  becomes a note
    """The link was not fetched: why."""


@dataclass(frozen=True)
class Page:
    """`content` is the text as kept: of an HTML page its visible text, since scripts and menus change daily."""

    url: str
    content: bytes


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet; addresses inside IPv6 wrappers are unwrapped first."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is None and ip in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return inner.is_global and not inner.is_multicast
    return ip.is_global and not ip.is_multicast


def resolve_host(host: str, port: int) -> list[str]:
    """Every address of a host.

    Raises:
        LinkProblem: none is known.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as e:
        raise LinkProblem(f"{one_line(host, limit=100)} is not known here") from e
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def fetch_text(
    url: str,
    *,
    allow: Allow = is_public,
    resolve: Resolve = resolve_host,
    context: ssl.SSLContext | None = None,
    port: int = 443,
) -> Page:
    """The text behind `url`. `allow`, `resolve`, `context` and `port` are for tests.

    Raises:
        LinkProblem: not https, not public, refused, too large, too slow, or no text.
    """
    deadline = time.monotonic() + _TOTAL_S
    for _ in range(_REDIRECTS + 1):
        host, target = _checked(url, port)
        addresses = resolve(host, port)
        refused = [address for address in addresses if not allow(address)]
        if refused or not addresses:
            raise LinkProblem(f"{host} leads to {', '.join(refused[:3]) or 'nothing'}, which is not a public address")
        context = context or ssl.create_default_context()
        answer = _get(_Pinned(host, addresses, port, context), target, max(deadline - time.monotonic(), 0.0))
        if isinstance(answer, str):
            url = urljoin(url, answer)
            continue
        return Page(one_line(url, limit=500), answer)
    raise LinkProblem(f"more than {_REDIRECTS} redirects")


def _checked(url: str, port: int) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
        asked_port = parts.port
    except ValueError as e:
        raise LinkProblem("it is not an address") from e
    if parts.scheme != "https":
        raise LinkProblem("it is not an https address")
    if parts.username or parts.password or asked_port not in (None, port) or not parts.hostname:
        raise LinkProblem("it names a user or a port")
    if re.search(r"[\x00-\x20\x7f]", url):
        raise LinkProblem("it holds white space or control characters")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.hostname, path


class _Pinned(http.client.HTTPSConnection):
    """Connects to the addresses that were checked and proves the host's name by its certificate."""

    def __init__(self, host: str, addresses: list[str], port: int, context: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=_TIMEOUT_S, context=context)
        self._addresses, self._tls = addresses[:4], context

    def connect(self) -> None:
        failure: OSError = OSError("no address")
        for address in self._addresses:
            try:
                plain = socket.create_connection((address, self.port), timeout=_TIMEOUT_S)
            except OSError as e:
                failure = e
                continue
            self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)
            return
        raise failure

    def hang_up(self) -> None:
        """Ends a reply that drips: a pending read fails."""
        try:
            if self.sock is not None:
                self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def _get(connection: _Pinned, target: str, patience_s: float) -> str | bytes:
    """The text, or the address of a redirect."""
    host = connection.host
    watchdog = threading.Timer(patience_s, connection.hang_up)
    watchdog.daemon = True
    watchdog.start()
    try:
        headers = {"User-Agent": "evalkit", "Accept": "text/*", "Accept-Encoding": "identity"}
        connection.request("GET", target, headers=headers)
        response = connection.getresponse()
        if response.status in (301, 302, 303, 307, 308):
            return response.getheader("Location") or ""
        if response.status != 200:
            raise LinkProblem(f"{host} answered {response.status}")
        kind = (response.getheader("Content-Type") or "").partition(";")[0].strip().lower()
        if kind and not kind.startswith("text/"):
            raise LinkProblem(f"it is {one_line(kind, limit=60)}, not text: download it and use --license-text")
        content = response.read(TEXT_CAP + 1)
    except (OSError, http.client.HTTPException, ValueError) as e:
        raise LinkProblem(f"{host} could not be read ({type(e).__name__})") from e
    finally:
        watchdog.cancel()
        connection.close()
    if len(content) > TEXT_CAP:
        raise LinkProblem(f"it is larger than {TEXT_CAP >> 20} MiB")
    if not content.strip():
        raise LinkProblem("it is empty")
    return visible_text(content) if kind == "text/html" else content


def visible_text(page: bytes) -> bytes:
    """The words of an HTML page, block by block, without scripts, styles and navigation. Linear in the page."""
    parts: list[str] = []
    skipping = 0
    for text, tag, ends in _pieces(page.decode("utf-8", "replace")):
        if text and not skipping:
            parts.append(html.unescape(_HUGE.sub("\ufffd", text)))
        if tag in _SKIPPED:
            skipping = max(skipping - 1, 0) if ends else skipping + 1
        elif tag in _BLOCKS:
            parts.append("\n")
    lines = (" ".join(line.split()) for line in "".join(parts).splitlines())
    return "\n".join(line for line in lines if line).encode("utf-8")


#: a number that no character has; Python refuses to read one of thousands of digits
_HUGE = re.compile(r"&#(?:[0-9]{8,}+|[xX][0-9a-fA-F]{7,}+);?")
_OPENS = re.compile(r"<(/?)([A-Za-z][^\s/>]{0,63})")
_PLAIN = re.compile(r"[^\"'>]*+")
#: contents that are no markup, and where they end
_RAW = {name: re.compile(f"</{name}", re.IGNORECASE) for name in ("script", "style")}


def _pieces(page: str) -> Iterator[tuple[str, str, bool]]:
    """Texts with the tag behind each, in lower case, and whether it is an end tag. No mark is looked for twice that was
    not found.
    """
    at, quotes = 0, True
    while (start := page.find("<", at)) >= 0:
        opened = _OPENS.match(page, start)
        if opened is None and page[start + 1 : start + 2] not in ("!", "?", "/"):
            yield page[at : start + 1], "", False
            at = start + 1
            continue
        text, comment = page[at:start], page.startswith("<!--", start)
        end = _end_of(page, opened.end()) if opened and quotes else -1
        if end < 0:  # a comment, or a tag whose quotes do not close: from then on they are not looked at
            quotes = quotes and opened is None
            end = page.find("-->", start + 4) + 2 if comment else page.find(">", start)
        if end < (start + 4 if comment else start):
            break
        yield text, "", False
        at = end + 1
        if opened is None:
            continue
        name, ends = opened[2].lower(), opened[1] == "/"
        yield "", name, ends
        if page[end - 1] == "/" and not ends:
            yield "", name, True
        elif name in _RAW and not ends:
            closed = _RAW[name].search(page, at)
            if closed is None:
                return
            at = closed.start()
    yield page[at:], "", False


def _end_of(page: str, at: int) -> int:
    """Where the tag ends that is open at `at`: at a `>` outside quotes; -1: nowhere."""
    while (found := _PLAIN.match(page, at)) and found.end() < len(page):
        sign = page[found.end()]
        if sign == ">":
            return found.end()
        at = page.find(sign, found.end() + 1) + 1
        if at == 0:
            return -1
    return -1
