"""How this machine would talk to the Hub. Never the token itself."""

from __future__ import annotations

from evalkit.findings import Frozen


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
