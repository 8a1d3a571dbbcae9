"""Where a target's requests go: scheme, host and port of its address, checked before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, urlsplit

from evalkit.errors import UsageError
from evalkit.text import cut

_HINT = "an address reads http://host:port or https://host"


@dataclass(frozen=True, slots=True)
class Origin:
    """`path` is a prefix without `/v1`; `netloc` is what the Host header says."""

    tls: bool
    host: str
    port: int
    netloc: str
    path: str


@lru_cache(maxsize=256)
def origin_of(url: str) -> Origin:
    """The origin of `url`; a trailing `/v1` is dropped.

    Raises:
        UsageError: no http or https address, or one that carries a user name.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError as error:
        raise UsageError(f"not an address: {error}", hint=_HINT) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError("not an http or https address", where=cut(url, 200), hint=_HINT)
    if parts.username is not None or parts.password is not None:
        raise UsageError("the address carries a user name", hint="give the key by api_key_env")
    tls = parts.scheme == "https"
    host = parts.hostname
    try:
        shown = f"[{host}]" if ":" in host else host.encode("idna").decode()
    except UnicodeError:
        raise UsageError("not a host name", where=cut(host, 200), hint=_HINT) from None
    netloc = shown if port in (None, 443 if tls else 80) else f"{shown}:{port}"
    path = quote(parts.path.rstrip("/").removesuffix("/v1").rstrip("/"), safe="/%:@!$&'()*+,;=-._~")
    return Origin(tls, host, port or (443 if tls else 80), header_value(netloc, "address"), path)


def header_value(value: str, what: str) -> str:
    """`value`, which may stand in a header.

    Raises:
        UsageError: it holds a control character, or one beyond Latin-1. The value itself is not shown.
    """
    if not value.isprintable() or any(ord(char) > 0xFF for char in value):
        raise UsageError(
            f"the {what} holds characters that HTTP cannot carry", hint=f"check the {what} for line breaks"
        )
    return value
