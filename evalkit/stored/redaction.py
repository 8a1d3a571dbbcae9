"""Leaves every text of prompts, replies and servers out of stored facts, so that what is decided stays the same.

A text becomes a keyed hash of the same length, whose key is thrown away: equal texts stay equal, lengths stay known,
nothing can be guessed back. Figures that graders measured in a text are kept; what they quote from it is not.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

from evalkit.report.document.quality import UNITS

#: fields that hold a text of a prompt or reply, or a message that may quote one; by kind of fact
_HIDDEN = {
    "answers": {"text", "reasoning", "name", "arguments", "prompt_preview", "reason", "message", "special_tokens"},
    "timed": {"text", "reasoning", "name", "arguments", "message"},
    "context_probes": {"error", "over_limit_detail", "output_error"},
    "launches": {"log_tail", "error"},
    "stability": {"detail"},
}
_HASHES = {"reply_sha256", "request_sha256", "asked_sha256"}
#: what graders measured: numbers under these names survive
_MEASURED = {
    "achieved", "asked", "by_third", "unit", "score", "words", "share", "rep4", "over_baseline", "schema_valid",
    "right_function", "right_arguments",
}  # fmt: skip
LEFT_OUT = "left out of a redacted pack"
_FOLDERS = re.compile(r"(?:/[^\s/=,:'\"]+)+/(?=[^\s/=,:'\"]+)")


def redacted(facts: dict[str, Any], key: bytes) -> dict[str, Any]:
    """`facts` (as JSON holds them) without texts."""
    kept = {name: _walk(value, _HIDDEN.get(name, set()), key) for name, value in facts.items()}
    kept["errors"] = [{**error, "summary": LEFT_OUT} for error in facts.get("errors", [])]
    kept["start"] = {**facts["start"], "argv": bare(facts["start"].get("argv", []))}
    kept["launches"] = [{**launch, "argv": bare(launch.get("argv", []))} for launch in kept["launches"]]
    return kept


def bare(argv: Iterable[str]) -> list[str]:
    """Words of a command without the folders of the machine that it ran on."""
    return [_FOLDERS.sub("", word) for word in argv]


def without_folders(facts: dict[str, Any]) -> dict[str, Any]:
    """Files by their bare names: folders of the machine that made the run concern nobody else."""
    named = {
        name: [{**one, "path": PurePath(one["path"]).name} for one in facts.get(name, [])]
        for name in ("prompts", "suites")
    }
    named["candidates"] = [{**one, "asked": _bare(one.get("asked"))} for one in facts.get("candidates", [])]
    return facts | named


def _bare(path: str | None) -> str | None:
    return PurePath(path).name if path is not None and PurePath(path).is_absolute() else path


def hide(text: str, key: bytes) -> str:
    """A keyed hash as long as the text."""
    digest = hmac.new(key, text.encode("utf-8", "surrogatepass"), "sha256").hexdigest()[:24]
    return digest[: len(text)].ljust(len(text), ".")


def _walk(value: Any, hidden: set[str], key: bytes, name: str = "") -> Any:
    if isinstance(value, dict):
        if name == "detail":
            return _measured(value)
        return {inner: _walk(one, hidden, key, inner) for inner, one in value.items()}
    if isinstance(value, list):
        return [_walk(one, hidden, key, name) for one in value]
    if isinstance(value, str) and value:
        if name in _HASHES:
            return hmac.new(key, value.encode(), "sha256").hexdigest()
        if name in hidden:
            return hide(value, key)
    return value


def _measured(detail: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in detail.items() if name in _MEASURED and _is_figure(value)}


def _is_figure(value: Any) -> bool:
    if isinstance(value, list):
        return len(value) <= 16 and all(_is_figure(one) and not isinstance(one, str) for one in value)
    return value in UNITS if isinstance(value, str) else value is None or isinstance(value, int | float)
