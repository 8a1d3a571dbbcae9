"""Request bodies checked and turned into jobs, by SGLang's rules."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import dataclass
from typing import Any

from evalkit.reference.model import Ask, allowed_tokens
from evalkit.reference.question import render
from evalkit.reference.refusals import (
    Refused,
    Route,
    bad_request,
    invalid,
    scheduler_message,
    too_long,
    too_much,
)
from evalkit.reference.script import Script
from evalkit.reference.tokenizer import VOCABULARY, pieces

_DEFAULT_MAX_NEW = {"completions": 16, "generate": 128}
_MAX_CHOICES = 64


@dataclass(frozen=True)
class Choice:
    """One reply to give: its prompt as tokens, and what is asked of the model."""

    prompt: list[str]
    ask: Ask


@dataclass(frozen=True)
class Job:
    """One accepted request."""

    route: Route
    model: str
    choices: tuple[Choice, ...]
    stream: bool = False
    include_usage: bool = False
    continuous_usage: bool = False
    rid: str | None = None
    #: alternatives wanted per token; null: no logprobs
    top_logprobs: int | None = None
    #: prompts and tools were given as lists, so the answer of /generate is one
    batch: bool = False
    #: the scheduler's refusal, which a stream reports inside
    late_error: str | None = None

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the distinct prompts: n choices of one prompt count it once."""
        return sum(len(prompt) for prompt in {id(c.prompt): c.prompt for c in self.choices}.values())


class Desk:
    """Takes requests for one script."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._draws = itertools.count()

    def accept(self, route: Route, raw: bytes) -> Job:
        """The job that a body asks for.

        Raises:
            Refused: with the status and body that SGLang would answer.
        """
        body = parse_json(route, raw)
        take = {"chat": self._chat, "completions": self._completions, "generate": self._generate}[route]
        try:
            return take(body)
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
            # A field of a type that nothing above expects; pydantic would name it.
            raise invalid(route, "value_error", (), f"Value error, {error}") from error

    def _chat(self, body: dict[str, Any]) -> Job:
        messages = body.get("messages")
        if messages is None:
            given = {**body, "tool_choice": "auto" if body.get("tools") else "none"}
            raise invalid("chat", "missing", ("messages",), "Field required", input=given)
        if not isinstance(messages, list) or not all(isinstance(m, dict) for m in messages):
            raise invalid(
                "chat", "list_type", ("messages",), "Input should be a valid list of messages", input=messages
            )
        if not messages:
            raise bad_request("chat", "Messages cannot be empty.")
        tools = tuple(t for t in body.get("tools") or () if isinstance(t.get("function", t), dict))
        choice = body.get("tool_choice") or ("auto" if tools else "none")
        offered = () if choice == "none" else tools
        prompt = pieces(render(messages, offered))
        wanted = body.get("max_completion_tokens") or body.get("max_tokens")
        self._check_max_tokens(wanted)
        sampling = {
            **body,
            "max_new_tokens": wanted,
            "json_schema": _schema(body.get("response_format")),
            "tools": offered,
            "tool_choice": choice.get("function", {}).get("name") if isinstance(choice, dict) else choice,
        }
        top = int(body.get("top_logprobs") or 0) if body.get("logprobs") else None
        return self._job("chat", body, [prompt], sampling, top_logprobs=top)

    def _completions(self, body: dict[str, Any]) -> Job:
        prompt = body.get("prompt")
        if prompt is None:
            raise invalid("completions", "missing", ("prompt",), "Field required", input=body)
        self._check_max_tokens(body.get("max_tokens"))
        sampling = {**body, "max_new_tokens": body.get("max_tokens"), "tools": ()}
        top = body.get("logprobs")
        return self._job("completions", body, self._prompts(prompt), sampling, top_logprobs=top)

    def _generate(self, body: dict[str, Any]) -> Job:
        prompt = body.get("text", body.get("input_ids"))
        if prompt is None:
            raise bad_request("generate", "Either text, input_ids or input_embeds should be provided.")
        sampling = body.get("sampling_params") or {}
        schema = sampling.get("json_schema")
        sampling = {**sampling, "json_schema": json.loads(schema) if isinstance(schema, str) else schema}
        batch = isinstance(prompt, list) and not all(isinstance(p, int) for p in prompt)
        return self._job("generate", body, self._prompts(prompt), sampling, batch=batch)

    @staticmethod
    def _prompts(prompt: Any) -> list[list[str]]:
        if isinstance(prompt, list) and prompt and all(isinstance(p, int) for p in prompt):
            prompt = [prompt]
        many = prompt if isinstance(prompt, list) else [prompt]
        return [pieces(p if isinstance(p, str) else VOCABULARY.decode(map(int, p))) for p in many]

    def _job(
        self,
        route: Route,
        body: dict[str, Any],
        prompts: list[list[str]],
        sampling: dict[str, Any],
        *,
        top_logprobs: int | None = None,
        batch: bool = False,
    ) -> Job:
        options = body.get("stream_options") or {}
        choices: list[Choice] = []
        late = None
        for prompt in prompts:
            seen = allowed_tokens(prompt, self._script)
            late = late or self._late_error(seen)
            max_new = self._max_new(route, seen, sampling.get("max_new_tokens"))
            for number in range(min(int(sampling.get("n") or 1), _MAX_CHOICES)):
                ask = self._ask(route, "".join(seen), max_new, {**sampling, "number": number})
                choices += [Choice(seen, ask)]
        return Job(
            route,
            str(body.get("model") or self._script.model),
            tuple(choices),
            stream=bool(body.get("stream")),
            include_usage=bool(options.get("include_usage")),
            continuous_usage=bool(options.get("continuous_usage_stats")),
            rid=body["rid"] if isinstance(body.get("rid"), str) else None,
            top_logprobs=top_logprobs,
            batch=batch,
            late_error=late,
        )

    def _ask(self, route: Route, prompt: str, max_new: int, sampling: dict[str, Any]) -> Ask:
        temperature = _number(route, "temperature", sampling.get("temperature"), 1.0)
        seed = sampling.get("seed", sampling.get("sampling_seed"))
        stop = sampling.get("stop") or ()
        return Ask(
            prompt,
            max_new,
            temperature,
            draw=f"{next(self._draws)}" if seed is None else f"seed {seed} {sampling['number']}",
            ignore_eos=bool(sampling.get("ignore_eos")),
            min_new=int(sampling.get("min_tokens") or sampling.get("min_new_tokens") or 0),
            stop=(stop,) if isinstance(stop, str) else tuple(map(str, stop)),
            tools=tuple(sampling.get("tools") or ()),
            tool_choice=str(sampling.get("tool_choice") or "auto"),
            schema=sampling.get("json_schema"),
        )

    def _check_max_tokens(self, wanted: Any) -> None:
        limit = self._script.context_length
        if isinstance(wanted, int) and wanted > limit:
            message = (
                f"max_completion_tokens is too large: {wanted}.This model supports at most {limit} completion tokens."
            )
            raise bad_request("chat", message)

    def _late_error(self, prompt: list[str]) -> str | None:
        limit = self._script.max_req_input_len
        return scheduler_message(len(prompt), limit) if len(prompt) >= limit else None

    def _max_new(self, route: Route, prompt: list[str], wanted: Any) -> int:
        """Tokens that the reply may have; SGLang caps them silently at what is left."""
        script, used = self._script, len(prompt)
        if used >= script.context_length:
            raise too_long(route, used, script.context_length)
        asked = _number(route, "max_new_tokens", wanted, _DEFAULT_MAX_NEW.get(route, math.inf))
        explicit = wanted is not None
        if explicit and used + asked > script.context_length and script.truncate_silently is None:
            raise too_much(route, used, int(asked), script.context_length)
        left = min(script.context_length, script.max_total_num_tokens) - used - 2
        if script.algorithm:
            left -= script.block_size - 2
        return max(1, int(min(asked, left)))


def parse_json(route: Route, raw: bytes) -> dict[str, Any]:
    """The body as an object.

    Raises:
        Refused: not JSON, or not an object.
    """
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        at = getattr(error, "pos", 0)
        why = "unexpected end of data" if at >= len(raw.rstrip()) else str(getattr(error, "msg", error))
        raise invalid(route, "json_invalid", (at,), "JSON decode error", input={}, ctx={"error": why}) from error
    if not isinstance(body, dict):
        raise invalid(route, "model_attributes_type", (), "Input should be a valid dictionary", input=body)
    return body


def _number(route: Route, name: str, value: Any, default: float) -> float:
    if value is None:
        return default
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or number < 0:
        raise bad_request(route, f"{name} must be a non-negative finite number, got {number}.")
    return number


def _schema(response_format: Any) -> dict[str, Any] | None:
    if not isinstance(response_format, dict):
        return None
    if response_format.get("type") == "json_schema":
        return dict((response_format.get("json_schema") or {}).get("schema") or {})
    return {"type": "object"} if response_format.get("type") == "json_object" else None


__all__ = ["Choice", "Desk", "Job", "Refused"]
