"""JSON of an untrusted server, and the errors that it holds in any of the servers' shapes."""

from __future__ import annotations

import json
from typing import Any, TypeGuard

from evalkit.client.types import ErrorKind, ExchangeError
from evalkit.limits import GENERATION
from evalkit.text import cut, one_line

#: of a reply that is not JSON, from which what is shown is taken
_SHOWN_BYTES = 16_384
_MAX_COUNT = 1_000_000_000


class BadReplyError(Exception):
    """The reply is unusable: why, in the vocabulary of an exchange."""

    def __init__(self, kind: ErrorKind, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.error = ExchangeError(kind=kind, message=one_line(message), status=status)


def parse_json(data: bytes | bytearray, *, max_depth: int = GENERATION.max_depth) -> Any:
    """JSON of an untrusted server.

    Raises:
        BadReplyError: not UTF-8, not JSON, numbers or nesting beyond reason.
    """
    try:
        value = json.loads(str(data, "utf-8"))
    except (ValueError, RecursionError) as error:
        shown = one_line(bytes(data[:_SHOWN_BYTES]).decode("utf-8", "replace"), limit=120)
        raise BadReplyError("protocol", f"not JSON ({type(error).__name__}): {shown!r}") from None
    if data.count(b"{") + data.count(b"[") > max_depth and _deeper(value, max_depth):
        raise BadReplyError("protocol", f"JSON nested deeper than {max_depth} levels")
    return value


def _deeper(value: Any, limit: int) -> bool:
    """Whether lists and objects lie deeper in each other than `limit`; level by level, so that nothing recurses."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(limit):
        inner = [v for outer in level for v in (outer.values() if isinstance(outer, dict) else outer)]
        level = [v for v in inner if isinstance(v, dict | list)]
        if not level:
            return False
    return True


def error_message(payload: Any) -> tuple[str, int | None] | None:
    """Message and status of an error in any of the servers' shapes; None when the payload is not an error."""
    if not isinstance(payload, dict):
        return None
    error = payload.get("error", payload if payload.get("object") == "error" else None)
    if not error:
        detail = payload.get("detail") if "choices" not in payload else None
        return (str(detail), None) if detail else None
    if isinstance(error, dict):
        code = error.get("code", error.get("status_code"))
        text = error.get("message") or error.get("detail") or cut(json.dumps(error), 300)
        return str(text), code if is_count(code) and 100 <= code < 600 else None
    return str(error), None


def is_count(value: Any) -> TypeGuard[int]:
    """Whether a value is a plausible count: a whole number from 0 to a thousand million."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_COUNT
