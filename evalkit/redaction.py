"""Leaves every text of prompts, replies and servers out of facts, so that what is decided stays the same.

A text becomes a keyed hash of the same length, whose key is thrown away: equal texts stay equal, lengths stay known,
nothing can be guessed back. Figures that graders measured in a text are kept; what they quote from it is not. The hash
is written in braille patterns, which no id or setting uses: whatever a finding quotes is found again by `masked`.
This is the only way by which texts are left out: of packs, and of reports, which are decided from such facts.
"""

from __future__ import annotations

import hmac
import json
import os
import re
import secrets
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

from evalkit.facts import Facts
from evalkit.text import shows

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
#: units in which the `length` grader counts
UNITS = ("words", "chars", "lines", "tokens")

#: what stands in a report for a text that was left out
MASK = "(redacted)"
#: first of the braille patterns with a dot; a hash has one of 128 for each byte
_FIRST = 0x2880
_HASHED = re.compile("[\u2880-\u28ff]+")
#: what a server's refusal is told by
_STATUS = re.compile(r"HTTP \d{3}\b")
_FOLDERS = re.compile(r"(?:/[^\s/=,:'\"]+)+/(?=[^\s/=,:'\"]+)")


def redacted(facts: dict[str, Any], key: bytes) -> dict[str, Any]:
    """`facts` (as JSON holds them) without texts."""
    kept = {name: _walk(value, _HIDDEN.get(name, set()), key) for name, value in facts.items()}
    kept["errors"] = [{**error, "summary": MASK} for error in facts.get("errors", [])]
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
    named["candidates"] = [_placeless(one) for one in facts.get("candidates", [])]
    return facts | named


def _placeless(candidate: dict[str, Any]) -> dict[str, Any]:
    """A model without the folder that it was read from: what the checklist writes, where that is relative, stays."""
    model, asked = candidate["model"], candidate.get("asked")
    if candidate.get("kind") == "folder":
        model = bare_name(model)
    if asked is not None and PurePath(asked).is_absolute():
        asked = bare_name(asked)
    return {**candidate, "model": model, "asked": asked}


def bare_name(path: str) -> str:
    """The last part of a path; the path itself where it has none."""
    return PurePath(os.path.normpath(path)).name or path


def hide(text: str, key: bytes) -> str:
    """A keyed hash as long as the text; the status code that an error begins with stays, and so does what shows a
    reader nothing.
    """
    if not shows(text):
        return text
    status = _STATUS.match(text)
    kept = status.group() if status else ""
    digest = hmac.new(key, text.encode("utf-8", "surrogatepass"), "sha256").digest()[:24]
    letters = "".join(chr(_FIRST + byte % 128) for byte in digest)
    return kept + letters[: len(text) - len(kept)].ljust(len(text) - len(kept), chr(_FIRST))


def without_texts(facts: Facts) -> Facts:
    """`facts` without texts, under a key that nobody has: what a redacted report is decided from."""
    kept = redacted(facts.model_dump(mode="json"), secrets.token_bytes(32))
    return Facts.model_validate_json(json.dumps(kept))


def masked(value: Any) -> Any:
    """`value` with one word for every text that was left out, so that the same run gives the same bytes."""
    if isinstance(value, str):
        return _HASHED.sub(MASK, value)
    if isinstance(value, dict):
        found: dict[str, Any] = {}
        for key, one in value.items():
            name, count = masked(key), 1
            while name in found:
                name, count = f"{masked(key)} {count + 1}", count + 1
            found[name] = masked(one)
        return found
    return [masked(one) for one in value] if isinstance(value, (list, tuple)) else value


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
