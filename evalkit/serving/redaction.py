"""The allow-list: the only fields of a server's own description that leave the parse. Each engine lists its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from evalkit.text import one_line

_LIMIT = 200


def text_of(value: object) -> str | None:
    """A short clean text, or None for anything else."""
    return one_line(value, limit=_LIMIT) if isinstance(value, str) and value.strip() else None


def scalar(value: object) -> object:
    """A number, truth value or short clean text; None for lists, objects and nonsense."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**63 else None
    if isinstance(value, float):
        return value if value == value and abs(value) < 1e18 else None  # noqa: PLR0124  NaN is not itself
    return text_of(value)


def model_name(value: object) -> str | None:
    """A Hub id as it is; of a path only its last part, so that no folder of the server's machine is kept."""
    text = text_of(value)
    if text is None:
        return None
    if text.count("/") == 1 and not text.startswith(("/", ".", "~")):
        return text
    last = text.replace("\\", "/").rstrip("/").rpartition("/")[2]
    return f"…/{last}" if last != text else text


def flat(raw: Mapping[str, Any], keep: Iterable[str], paths: Iterable[str] = ()) -> dict[str, Any]:
    """The allow-listed scalars of a flat description; of a path only its last part."""
    kept = {name: scalar(raw[name]) for name in keep if name in raw}
    return {**kept, **{name: model_name(raw[name]) for name in paths if raw.get(name)}}


def openapi_title(page: Mapping[str, Any]) -> tuple[str, str | None]:
    """Title and version of an /openapi.json; an empty title where there is none."""
    about = page.get("info")
    if not isinstance(about, dict):
        return "", None
    return one_line(str(about.get("title", "")), limit=100), text_of(about.get("version"))
