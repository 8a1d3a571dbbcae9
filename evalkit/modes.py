"""Names of decoding modes and their configurations."""

from __future__ import annotations

import re
from enum import StrEnum

INCUMBENT = "incumbent"


class Mode(StrEnum):
    """How a server decodes. `self-speculation`: one model drafts by diffusion and verifies itself."""

    AUTOREGRESSIVE = "autoregressive"
    DIFFUSION = "diffusion"
    SELF_SPECULATION = "self-speculation"
    SPECULATIVE = "speculative"


ALIASES = {
    "ar": Mode.AUTOREGRESSIVE,
    "dlm": Mode.DIFFUSION,
    "linear_spec": Mode.SELF_SPECULATION,
}

#: characters behind the @ of a label
LONGEST_CONFIG = 32
_CONFIG = re.compile(rf"[A-Za-z0-9._-]{{1,{LONGEST_CONFIG}}}\Z")


def canonical(label: str) -> str:
    """A mode label in its standard spelling: `ar` -> `autoregressive`, `dlm@t0.9` -> `diffusion@t0.9`.

    Raises:
        ValueError: the base name is not a decoding mode, or the part behind `@` is malformed.
    """
    base, at, config = label.partition("@")
    mode = ALIASES.get(base)
    name = mode.value if mode else base
    if name not in {m.value for m in Mode}:
        raise ValueError(f"unknown mode {base!r}: one of {', '.join(m.value for m in Mode)}")
    if at and not _CONFIG.match(config):
        raise ValueError(f"mode {label!r}: the part behind @ takes letters, digits, '.', '_' and '-'")
    return f"{name}@{config}" if at else name


def base_mode(label: str) -> Mode:
    """The decoding mode of a label: `diffusion@t0.9` -> diffusion."""
    return Mode(canonical(label).partition("@")[0])
