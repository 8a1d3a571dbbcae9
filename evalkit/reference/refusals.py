"""Errors in the shapes that SGLang 0.5.23 answers with."""

from __future__ import annotations

from typing import Any, Literal

Route = Literal["chat", "completions", "generate"]

_ENDPOINTS = {
    "chat": ("openai_v1_chat_completions", "/v1/chat/completions", 1870),
    "completions": ("openai_v1_completions", "/v1/completions", 1862),
    "generate": ("generate_request", "/generate", 912),
}


class Refused(Exception):  # noqa: N818  an answer of the protocol, not a fault of the server
    """A request that is answered with an error status instead of a reply."""

    def __init__(self, body: dict[str, Any], status: int = 400) -> None:
        super().__init__(str(body))
        self.body, self.status = body, status


def error_object(message: str, kind: str = "BadRequestError") -> dict[str, Any]:
    """The flat error of the OpenAI routes."""
    return {"object": "error", "message": message, "type": kind, "param": None, "code": 400}


def bad_request(route: Route, message: str) -> Refused:
    """A request that is understood and cannot be served, in the envelope of its route."""
    if route == "generate":
        return Refused({"error": {"message": message}})
    return Refused(error_object(message))


def invalid(route: Route, kind: str, where: tuple[str | int, ...], message: str, **more: Any) -> Refused:
    """A body that does not fit the schema."""
    function, path, line = _ENDPOINTS[route]
    detail = str({"type": kind, "loc": ("body", *where), "msg": message, **more})
    text = (
        f"1 validation error:\n  {detail}\n\n"
        f'  File "http_server.py", line {line}, in {function}\n    POST {path} [{detail}]'
    )
    return Refused(error_object(text, "Bad Request"))


def too_long(route: Route, prompt: int, context: int) -> Refused:
    """The prompt alone fills the context."""
    return bad_request(
        route,
        f"The input ({prompt} tokens) is longer than the model's context length ({context} tokens).",
    )


def too_much(route: Route, prompt: int, max_new: int, context: int) -> Refused:
    """Prompt and reply together exceed the context."""
    return bad_request(
        route,
        f"Requested token count exceeds the model's maximum context length of {context} tokens. "
        f"You requested a total of {prompt + max_new} tokens: {prompt} tokens from the input messages and "
        f"{max_new} tokens for the completion. Please reduce the number of tokens in the input messages or the "
        "completion to fit within the limit.",
    )


def scheduler_message(prompt: int, limit: int) -> str:
    """The scheduler's refusal of a prompt that passed the checks in front of it."""
    return (
        f"Input length ({prompt} tokens) exceeds the maximum allowed length ({limit} tokens). "
        "Use a shorter input or enable --allow-auto-truncate."
    )
