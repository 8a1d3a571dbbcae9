"""The table of cards that can be named: `evalkit/data/gpus.yaml`."""

from __future__ import annotations

import difflib
import re
from functools import cache
from importlib.resources import files
from typing import Literal

from evalkit.errors import UsageError
from evalkit.findings import Frozen
from evalkit.text import one_line


class Card(Frozen):
    """One kind of card. `usable_gib` is what the fit counts with."""

    name: str
    aliases: tuple[str, ...] = ()
    memory_gb: float
    total_mib: int | None = None
    usable_gib: float
    bandwidth_gbs: float | None = None
    basis: Literal["read", "assumed"]
    #: takes its memory from the host's
    shared: bool = False
    source: str | None = None  # address

    @property
    def usable_bytes(self) -> int:
        return round(self.usable_gib * (1 << 30))


class CardTable(Frozen):
    as_of: str
    cards: tuple[Card, ...]


_COUNT = re.compile(r"\s*(\d{1,3})\s*[x×*]\s*(.+)|(.+?)\s*[x×*]\s*(\d{1,3})\s*\Z")


@cache
def table() -> CardTable:
    """Every card, with the date of the table."""
    import yaml

    raw = yaml.safe_load(files("evalkit.data").joinpath("gpus.yaml").read_text(encoding="utf-8"))
    sources = raw["sources"]
    cards = tuple(Card(**{**row, "source": sources[row["source"]]}) for row in raw["cards"])
    return CardTable(as_of=str(raw["as_of"]), cards=cards)


def find(name: str) -> Card | None:
    """The card of that name or alias: case, spaces and punctuation do not count, nor does the vendor's name."""
    wanted = _plain(name)
    for card in table().cards:
        if wanted and wanted in {_plain(known) for known in (card.name, *card.aliases)}:
            return card
    return None


def counted(name: str) -> tuple[int, str]:
    """`4x H100` or `H100 x4` as (4, "H100"); 1 where no count is given."""
    match = _COUNT.match(name)
    if not match:
        return 1, name.strip()
    count, rest = (match[1], match[2]) if match[1] else (match[4], match[3])
    return (int(count), rest.strip()) if 1 <= int(count) <= 128 else (1, name.strip())


def lookup(name: str) -> Card:
    """As `find`.

    Raises:
        UsageError: no such card; the hint names the nearest ones.
    """
    card = find(name)
    if card:
        return card
    names = {_plain(known): entry.name for entry in table().cards for known in (entry.name, *entry.aliases)}
    near = list(
        dict.fromkeys(names[key] for key in difflib.get_close_matches(_plain(name), list(names), n=4, cutoff=0.5))
    )
    listed = ", ".join(near or [entry.name for entry in table().cards])
    raise UsageError(f"no card named {one_line(name, limit=60)!r} is known", hint=f"name one of: {listed}")


def _plain(name: str) -> str:
    bare = re.sub(r"[^a-z0-9]", "", name.lower())
    return bare.removeprefix("nvidia").removeprefix("geforce")
