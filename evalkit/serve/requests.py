"""A chat request as it was sent, checked: what this server answers, and with what it refuses the rest. Pure."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from evalkit.text import one_line, strict_json

#: bytes of a request, and of one image in it
MAX_BODY, MAX_IMAGE = 32 << 20, 10 << 20
MAX_IMAGES, MAX_MESSAGES, MAX_STOPS = 8, 2000, 16
#: tokens of a reply where the request has no limit
DEFAULT_TOKENS = 512
_ROLES = ("system", "user", "assistant", "developer")
#: first bytes of an image, and the ending of its file
_IMAGES = ((b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpg"), (b"GIF8", "gif"), (b"RIFF", "webp"))
#: parameters that change a reply, with the value at which each does nothing
_NOT_TAKEN: dict[str, Any] = {
    "tools": None, "functions": None, "logprobs": False, "top_logprobs": None, "n": 1, "top_p": 1, "min_p": 0,
    "presence_penalty": 0, "frequency_penalty": 0, "repetition_penalty": 1, "logit_bias": None, "ignore_eos": False,
}  # fmt: skip


class RefusedError(Exception):
    """A request that is answered with an error. `param`: the key of the request that is wrong."""

    def __init__(self, status: int, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.param = status, param


class Image(NamedTuple):
    """One picture of a request: its bytes, and the ending of its kind of file."""

    data: bytes
    kind: str


@dataclass(frozen=True)
class Ask:
    """One request. `messages` have text, or lists of parts in which an image is `{"type": "image", "image": INDEX}`."""

    messages: tuple[dict[str, Any], ...]
    images: tuple[Image, ...] = ()
    #: None: not said, `DEFAULT_TOKENS` as far as there is room
    max_tokens: int | None = None
    temperature: float = 0.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    thinking: bool | None = None
    stream: bool = False
    #: whether a last event, and whether every event, has token counts
    usage: bool = False
    usage_always: bool = False


def read(raw: bytes, *, names: Iterable[str], images: bool) -> Ask:
    """The request in `raw`, for a server of a model that is called `names`.

    Raises:
        RefusedError: what is wrong with it, for the client.
    """
    try:
        body = strict_json(raw)
    except ValueError as error:
        raise RefusedError(400, f"the body is not JSON: {one_line(str(error), limit=120)}") from None
    if not isinstance(body, dict):
        raise RefusedError(400, "the body must be a JSON object")
    model = body.get("model")
    if model is not None and model not in tuple(names):
        raise RefusedError(404, f"the model {one_line(str(model), limit=100)} is not served here", "model")
    for key, neutral in _NOT_TAKEN.items():
        if body.get(key) not in (None, neutral, [], {}):
            raise RefusedError(400, f"{key} is not supported by the model's own code", key)
    form = body.get("response_format")
    if form is not None and form != {"type": "text"}:
        raise RefusedError(400, "response_format is not supported by the model's own code", "response_format")
    pictures: list[Image] = []
    messages = _messages(body.get("messages"), pictures)
    if pictures and not images:
        raise RefusedError(400, "this model takes no images", "messages")
    options = _object(body, "stream_options")
    template = _object(body, "chat_template_kwargs")
    return Ask(
        messages=messages,
        images=tuple(pictures),
        max_tokens=_tokens(body),
        temperature=_temperature(body.get("temperature")),
        seed=_whole(body, "seed", 0, 2**63 - 1),
        stop=_stops(body.get("stop")),
        thinking=_flag(template, "enable_thinking", None),
        stream=bool(_flag(body, "stream", default=False)),
        usage=bool(_flag(options, "include_usage", default=False)),
        usage_always=bool(_flag(options, "continuous_usage_stats", default=False)),
    )


def _object(body: dict[str, Any], key: str) -> dict[str, Any]:
    value = body.get(key)
    if value is not None and not isinstance(value, dict):
        raise RefusedError(400, f"{key} must be an object", key)
    return value or {}


def _flag(body: dict[str, Any], key: str, default: bool | None) -> bool | None:
    value = body.get(key, default)
    if value is not None and not isinstance(value, bool):
        raise RefusedError(400, f"{key} must be true or false", key)
    return value


def _whole(body: dict[str, Any], key: str, least: int, most: int) -> int | None:
    value = body.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise RefusedError(400, f"{key} must be a whole number from {least} to {most}", key)
    return value


def _tokens(body: dict[str, Any]) -> int | None:
    given = [_whole(body, key, 1, 10_000_000) for key in ("max_completion_tokens", "max_tokens")]
    return next((value for value in given if value is not None), None)


def _temperature(value: Any) -> float:
    if value is None:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not (math.isfinite(value) and 0 <= value <= 2):
        raise RefusedError(400, "temperature must be a number from 0 to 2", "temperature")
    return float(value)


def _stops(value: Any) -> tuple[str, ...]:
    listed = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or len(listed) > MAX_STOPS or not all(isinstance(s, str) and s for s in listed):
        raise RefusedError(400, f"stop must be a text or a list of up to {MAX_STOPS} texts", "stop")
    return tuple(listed)


def _messages(given: Any, pictures: list[Image]) -> tuple[dict[str, Any], ...]:
    if not isinstance(given, list) or not 0 < len(given) <= MAX_MESSAGES:
        raise RefusedError(400, f"messages must be a list of 1 to {MAX_MESSAGES} objects", "messages")
    return tuple(_message(one, f"messages[{at}]", pictures) for at, one in enumerate(given))


def _message(one: Any, where: str, pictures: list[Image]) -> dict[str, Any]:
    if not isinstance(one, dict) or one.get("role") not in _ROLES:
        raise RefusedError(400, f"{where} needs a role: one of {', '.join(_ROLES)}", "messages")
    content = one.get("content")
    if isinstance(content, str):
        return {"role": one["role"], "content": content}
    if not isinstance(content, list) or not content:
        raise RefusedError(400, f"{where} needs content: a text, or a list of text and image_url parts", "messages")
    parts = [_part(part, f"{where}.content[{at}]", pictures) for at, part in enumerate(content)]
    if all(part["type"] == "text" for part in parts):
        return {"role": one["role"], "content": "".join(part["text"] for part in parts)}
    return {"role": one["role"], "content": parts}


def _part(part: Any, where: str, pictures: list[Image]) -> dict[str, Any]:
    if isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str):
        return {"type": "text", "text": part["text"]}
    link = part.get("image_url") if isinstance(part, dict) and part.get("type") == "image_url" else None
    url = link.get("url") if isinstance(link, dict) else None
    if not isinstance(url, str):
        raise RefusedError(400, f"{where} must be a text or an image_url part", "messages")
    if len(pictures) >= MAX_IMAGES:
        raise RefusedError(400, f"a request may have {MAX_IMAGES} images", "messages")
    pictures.append(image(url, where))
    return {"type": "image", "image": len(pictures) - 1}


def image(url: str, where: str) -> Image:
    """The picture in a data: URI. Addresses are never fetched, and what is not a picture is refused.

    Raises:
        RefusedError: an address, a broken URI, too large, or no PNG, JPEG, GIF or WebP.
    """
    head, comma, body = url.partition(",")
    if not head.startswith("data:image/") or not head.endswith(";base64") or not comma:
        raise RefusedError(
            400, f"{where}: an image is a data:image/…;base64 URI; addresses are not fetched", "messages"
        )
    if len(body) > MAX_IMAGE * 4 // 3 + 4:
        raise RefusedError(413, f"{where}: an image may have {MAX_IMAGE >> 20} MiB", "messages")
    try:
        data = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise RefusedError(400, f"{where}: the image is not Base64", "messages") from None
    kind = next((kind for first, kind in _IMAGES if data.startswith(first)), None)
    if kind is None:
        raise RefusedError(400, f"{where}: the image is not PNG, JPEG, GIF or WebP", "messages")
    return Image(data, kind)
