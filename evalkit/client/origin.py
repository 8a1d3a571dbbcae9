"""Where a target's requests go: scheme, host and port of its address, checked before anything is sent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl, quote, urlsplit

from evalkit.errors import UsageError
from evalkit.secret_shapes import names_a_secret
from evalkit.secrets import redact
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


#: routes that an address may end with
_ROUTES = ("/chat/completions", "/completions", "/models", "/embeddings", "/responses")
#: names of query fields whose values are keys
_KEYS = re.compile(
    r"(?i)(?:^|[-_])(?:key|token|secret|password|passwd|pwd|sig|signature|sas|auth|apikey|code|credentials?)\W*$"
)


@dataclass(frozen=True, slots=True)
class Address:
    """An endpoint as somebody wrote it. `base` is what control routes follow; `api` is what the OpenAI routes
    follow, after `base`: `/v1` or nothing. None: the address does not say which. `query` goes with each of them.
    """

    base: str
    api: str | None
    query: str = ""

    @property
    def guess(self) -> str:
        """What `api` is where no route answers: a path that ends with a version of its own has no `/v1` behind it."""
        if self.api is not None:
            return self.api
        return "" if re.search(r"/(?:v\d+[a-z]*\d*(?:/openai)?|openai/deployments/[^/]+)\Z", self.base) else "/v1"


@lru_cache(maxsize=256)
def address_of(url: str) -> Address:
    """The parts of an endpoint's address, a full route included.

    Raises:
        UsageError: as `origin_of`, or a key in the query.
    """
    rest, _, query = url.strip().partition("#")[0].partition("?")
    fields = parse_qsl(query.replace(";", "&"), keep_blank_values=True)
    named = [name for name, value in fields if _is_key(name, value)]
    if named:
        raise UsageError(f"the address contains a key ({named[0][:40]})", hint="give the key by api_key_env")
    rest = rest.rstrip("/")
    route = next((tail for tail in _ROUTES if rest.endswith(tail)), "")
    rest = rest.removesuffix(route).rstrip("/")
    origin = origin_of(rest)
    base = f"{'https' if origin.tls else 'http'}://{origin.netloc}{origin.path}"
    if rest.endswith("/v1") or not origin.path:
        return Address(
            base, "/v1" if rest.endswith("/v1") or not route else "", quote(query, safe="=&%+,;:/@!$'()*~-._")
        )
    return Address(base, "" if route else None, quote(query, safe="=&%+,;:/@!$'()*~-._"))


def _is_key(name: str, value: str) -> bool:
    """Whether a query field is a key: by its name (`key`, `accessToken`, `code` of Azure), or by what it holds."""
    return _KEYS.search(name) is not None or names_a_secret(name) or redact(value) != value


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
        raise UsageError("the address contains a user name", hint="give the key by api_key_env")
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
    """`value`, which may be in a header.

    Raises:
        UsageError: it holds a control character, or one beyond Latin-1. The value itself is not shown.
    """
    if not value.isprintable() or any(ord(char) > 0xFF for char in value):
        raise UsageError(
            f"the {what} contains characters that HTTP cannot carry", hint=f"check the {what} for line breaks"
        )
    return value
