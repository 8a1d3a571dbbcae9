"""Who may ask what, by SGLang 0.5.23's levels of routes."""

from __future__ import annotations

from hmac import compare_digest

from evalkit.reference.script import Script

_OPEN = ("/health", "/metrics", "/ready", "/_reference")
_ADMIN_OPTIONAL = ("/flush_cache",)


def allowed(script: Script, method: str, path: str, authorization: str) -> bool:
    """Whether a request may pass. The admin key, where set, is the only one for admin routes and opens no others."""
    if method == "OPTIONS" or path.startswith(_OPEN):
        return True
    wanted = script.api_key
    if path in _ADMIN_OPTIONAL:
        wanted = script.admin_key or script.api_key
    if wanted is None:
        return True
    scheme, _, given = authorization.partition(" ")
    return scheme.lower() == "bearer" and compare_digest(given.strip().encode(), wanted.encode())
