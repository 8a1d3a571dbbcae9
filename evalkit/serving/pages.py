"""What a server answers on its control routes, as the engines read it. No network: `control` makes the replies."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

#: model cards of one server that are read
_MOST_CARDS = 10_000


@dataclass(frozen=True)
class ControlError:
    """Why there is no answer. `kind`: refused | timeout | auth | not-found | not-json | http | protocol."""

    kind: str
    message: str


@dataclass(frozen=True)
class Reply:
    """One answer: `json` where asked for, else `text`; exactly one of body and `error` is meant to be used."""

    status: int | None = None
    json: Any = None
    text: str = ""
    error: ControlError | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return self.error is None

    @property
    def late(self) -> bool:
        """No answer within the deadline."""
        return self.error is not None and self.error.kind == "timeout"

    @property
    def page(self) -> dict[str, Any]:
        """The JSON object, or an empty one for anything else."""
        return self.json if isinstance(self.json, dict) else {}


class Pages(Protocol):
    """Reads the pages of one server. Never raises for what the server does."""

    base: str

    async def get_json(self, path: str) -> Reply: ...
    async def get_text(self, path: str) -> Reply: ...


@dataclass
class Answers:
    """What the routes answered, before anything is kept."""

    models: Reply
    engine: str | None = None
    version: str | None = None
    gateway: str | None = None
    info: dict[str, Any] = field(default_factory=dict)  # /server_info or the engine's own page, unwrapped
    model_info: dict[str, Any] = field(default_factory=dict)
    metrics: str | None = None
    #: it answers chat completions, by its own description; without /v1/models this is how it is known to be a server
    chat: bool = False
    #: arguments of a server that evalkit starts
    argv: tuple[str, ...] = ()

    @property
    def cards(self) -> list[dict[str, Any]]:
        """The model cards of /v1/models, whatever its shape."""
        data = self.models.json.get("data") if isinstance(self.models.json, dict) else self.models.json
        return [card for card in data[:_MOST_CARDS] if isinstance(card, dict)] if isinstance(data, list) else []

    @property
    def owner(self) -> object:
        """Who owns the first model card, by its own words: many engines write their name there."""
        return next((card.get("owned_by") for card in self.cards), None)
