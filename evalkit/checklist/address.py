"""An endpoint of the command line, checked as those of a checklist are."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from evalkit.checklist.schema import Endpoint
from evalkit.client.origin import address_of
from evalkit.errors import UsageError
from evalkit.text import cut


def endpoint_at(url: str, **fields: Any) -> Endpoint:
    """The endpoint at `url`, with other keys of a mode.

    Raises:
        UsageError: no http(s) address, or one with a key, a user or a password in it.
    """
    try:
        address_of(url)
        return Endpoint(endpoint=url, **fields)
    except (ValidationError, ValueError):
        raise UsageError("not an address", where=cut(url, 200), hint="an address reads http://host:port") from None
