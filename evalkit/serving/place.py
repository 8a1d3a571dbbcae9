"""Where an endpoint is: on this machine, behind a tunnel, elsewhere, or unknown."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from evalkit.text import cut

Where = Literal["here", "tunnel", "elsewhere", "unknown"]

_TUNNELS = (
    "ssh",
    "sshd",
    "autossh",
    "plink",
    "kubectl",
    "cloudflared",
    "ngrok",
    "socat",
    "chisel",
    "gost",
    "tailscaled",
)
_PROXIES = ("nginx", "haproxy", "envoy", "traefik", "caddy", "litellm")
_CONTAINERS = ("docker-proxy", "rootlessport", "rootlesskit", "conmon", "slirp4netns", "pasta", "containerd")


@dataclass(frozen=True)
class Place:
    """`pid` only where the port's owner is the server itself; `started` is that process's start (epoch seconds)."""

    where: Where
    why: str
    pid: int | None = None
    started: float | None = None
    port: int | None = None


async def find(url: str) -> Place:
    """Looks up the address and, on this machine, the owner of the port. Never raises."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        async with asyncio.timeout(3):
            infos = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError, UnicodeError):
        return Place("unknown", "the address does not resolve")
    addresses = {str(info[4][0]).partition("%")[0] for info in infos}
    if not addresses & _own(addresses):
        return Place("elsewhere", "the address is not one of this machine's")
    return await asyncio.to_thread(_owner, port)


def _own(addresses: set[str]) -> set[str]:
    import psutil

    mine = {a.address.partition("%")[0] for nic in psutil.net_if_addrs().values() for a in nic}
    return mine | {a for a in addresses if ipaddress.ip_address(a).is_loopback}


def _owner(port: int) -> Place:
    import psutil

    try:
        listening = [
            c
            for c in psutil.net_connections("tcp")
            if c.status == psutil.CONN_LISTEN and c.laddr and c.laddr.port == port
        ]
    except (psutil.Error, OSError):
        return Place("unknown", "the owner of the port cannot be read without more rights")
    pids = sorted({c.pid for c in listening if c.pid})
    if not pids:
        return Place("unknown", f"the owner of port {port} belongs to another user or container")
    try:
        process = psutil.Process(pids[0])
        return _judge(process.name(), port, process.pid, process.create_time())
    except psutil.Error:
        return Place("unknown", f"the owner of port {port} went away")


def _judge(name: str, port: int, pid: int, started: float) -> Place:
    short = cut(name, 40)
    if name in _TUNNELS:
        return Place("tunnel", f"port {port} is owned by {short}: the server is at its other end")
    if name in _PROXIES:
        return Place("unknown", f"port {port} is owned by the proxy {short}")
    if name in _CONTAINERS:
        return Place("here", f"port {port} is published by {short}, a container of this machine")
    return Place("here", f"port {port} is owned by {short} (pid {pid}) on this machine", pid, started, port)
