"""The proxy of a request, as shells, desktops and clusters name it in the environment.

`HTTP_PROXY`, `HTTPS_PROXY` and `ALL_PROXY` (lower case first) and `NO_PROXY` with names, addresses, networks, ports and
patterns, as curl and Go read them. What cannot be honoured is refused before anything is sent, so that no key goes
where nobody meant it to go.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from fnmatch import fnmatchcase
from importlib.util import find_spec
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from socket import inet_aton
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from evalkit.errors import UsageError
from evalkit.secrets import Secret
from evalkit.text import cut

_SCHEMES = ("http", "https")
_SOCKS = ("socks5", "socks5h")
#: a shorter password may be any number or name
_SHORTEST_PASSWORD = 6
_PORTS = {"http": 80, "https": 443}
_ENTRY = re.compile(r"(\[[^\]]+\]|[^:\[\]]+|[0-9a-f:.]*:[0-9a-f:.]*:[0-9a-f:.]*)(?::([0-9]{1,5}))?")
_NUMBERS = re.compile(r"(?:0x[0-9a-f]+|[0-9]+)(?:\.(?:0x[0-9a-f]+|[0-9]+)){0,3}")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


class Proxy(NamedTuple):
    """`variable` is the name in the environment; `url` has a scheme, and may hold a user and a password."""

    variable: str
    url: str

    def __str__(self) -> str:
        parts = urlsplit(self.url)
        return f"the proxy that {self.variable} names ({parts.hostname}{f':{parts.port}' if parts.port else ''})"


def proxy_of(url: str) -> Proxy | None:
    """The proxy for `url`; None when it is reached directly, as loopback always is.

    Raises:
        UsageError: the environment names a proxy or an exception for this address that cannot be honoured.
    """
    parts = urlsplit(url)
    host, scheme = (parts.hostname or "").rstrip(".").lower(), parts.scheme.lower()
    if _is_loopback(host):
        return None
    for variable in (f"{scheme}_proxy", "all_proxy"):
        name, value = _read(variable)
        if value:
            port = parts.port or _PORTS.get(scheme, 0)
            return None if _is_excepted(host, port) else Proxy(name, _checked(name, value))
    return None


def proxy_for(url: str) -> str | None:
    """As `proxy_of`, its address alone."""
    found = proxy_of(url)
    return found.url if found else None


def _read(variable: str) -> tuple[str, str]:
    """Name and value as they are in the environment; an empty one in lower case says that there is none."""
    for name in (variable, variable.upper()):
        if name in os.environ:
            return name, os.environ[name].strip()
    return variable.upper(), ""


def _checked(name: str, value: str) -> str:
    url = value if _SCHEME.match(value) else f"http://{value}"
    hint = f"{name}=http://HOST:PORT, or NO_PROXY with the server's name, address or network"
    try:
        parts = urlsplit(url)
        usable, host = parts.scheme.lower(), parts.hostname
        parts.port  # noqa: B018  raises for what is no port
        _keep_secret(parts.password)
    except ValueError as error:
        raise UsageError(f"{name} is not a proxy: {error}", hint=hint) from None
    shown = cut(f"{usable}://{host}", 80)
    if usable in _SOCKS and find_spec("socksio") is None:
        more = f"in evalkit's checkout: pip install '.[socks]'; or {hint}"
        raise UsageError(f"{name} names a SOCKS proxy ({shown}), which needs the package socksio", hint=more)
    if usable not in (*_SCHEMES, *_SOCKS):
        raise UsageError(f"{name} names a proxy of a kind that evalkit does not speak ({shown})", hint=hint)
    if not host:
        raise UsageError(f"{name} is not a proxy", hint=hint)
    return url


def _keep_secret(password: str | None) -> None:
    """A proxy's answer may echo the password. One that is a plain word is left: masking it would tear texts apart."""
    for form in {password or "", unquote(password or "")}:
        word = form.isalpha() and (form.islower() or form.istitle())
        if len(form) >= _SHORTEST_PASSWORD and not word:
            Secret(form)


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    found = _address(host)
    # 0.0.0.0 and ::, which servers print as theirs, reach this machine
    return found is not None and (found.is_loopback or found.is_unspecified)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    with suppress(ValueError):
        found = ip_address(text.strip("[]").partition("%")[0])
        return getattr(found, "ipv4_mapped", None) or found
    with suppress(OSError, UnicodeError):  # 127.1, 2130706433: as the system reads them when it connects
        return ip_address(inet_aton(text)) if _NUMBERS.fullmatch(text) else None
    return None


def _is_excepted(host: str, port: int) -> bool:
    name, value = _read("no_proxy")
    return any(_excepts(name, entry, host, port) for entry in re.split(r"[,\s]+", value.lower()) if entry)


def _excepts(variable: str, entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    if "/" in entry:
        try:
            network = ip_network(entry.replace("[", "").replace("]", ""), strict=False)
        except ValueError:
            hint = "a network reads 10.0.0.0/8 or fd00::/8"
            raise UsageError(f"{variable} holds {cut(entry, 60)!r}, which is not a network", hint=hint) from None
        address = _address(host)
        return address is not None and address in network
    found = _ENTRY.fullmatch(entry)
    if found is None or (found[2] and int(found[2]) != port):
        return False
    wanted = found[1]
    mine, theirs = _address(host), _address(wanted)
    if theirs is not None:
        return mine == theirs
    if "*" in wanted and not wanted.startswith("*."):
        return fnmatchcase(host, wanted)
    wanted = wanted.removeprefix("*").strip(".")
    return bool(wanted) and (host == wanted or host.endswith(f".{wanted}"))
