"""How this machine would talk to the Hub. Never the token itself."""

from __future__ import annotations

import queue
import threading

from evalkit.findings import Frozen
from evalkit.text import one_line


class HubSettings(Frozen):
    """`token`: whether one is set, in the environment or by a login."""

    endpoint: str
    offline: bool
    token: bool


def hub_settings() -> HubSettings:
    """As huggingface_hub reads HF_ENDPOINT, HF_HUB_OFFLINE and HF_TOKEN."""
    from huggingface_hub import constants, get_token

    from evalkit.secrets import redact

    return HubSettings(
        endpoint=redact(str(constants.ENDPOINT).rstrip("/")),
        offline=bool(constants.HF_HUB_OFFLINE),
        token=bool(get_token()),
    )


class Reach(Frozen):
    """Whether the Hub answered; `tried` says what was asked and what came of it."""

    online: bool | None
    tried: str


def reach(settings: HubSettings, limit_s: float = 3.0) -> Reach:
    """Ask the Hub's address for anything, for at most `limit_s` seconds, the name's look-up included."""
    if settings.offline:
        return Reach(online=None, tried="not asked, as HF_HUB_OFFLINE is set")
    asked = f"HEAD {settings.endpoint} within {limit_s:g} s"
    said: queue.SimpleQueue[Reach] = queue.SimpleQueue()
    threading.Thread(target=lambda: said.put(_asked(settings.endpoint, asked, limit_s)), daemon=True).start()
    try:
        return said.get(timeout=limit_s + 0.5)
    except queue.Empty:
        return Reach(online=False, tried=f"{asked}: no answer")


def _asked(endpoint: str, asked: str, limit_s: float) -> Reach:
    from huggingface_hub import get_session

    try:
        status = get_session().head(endpoint, timeout=limit_s, follow_redirects=False).status_code
    except Exception as error:  # noqa: BLE001  whatever the HTTP library or an address of the user's raises
        return Reach(online=False, tried=f"{asked}: {type(error).__name__}: {one_line(str(error), limit=120)}")
    return Reach(online=status < 500, tried=f"{asked}: HTTP {status}")
