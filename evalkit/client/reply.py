"""A chat completion put together from its events, whatever dialect the server speaks.

Dialects, from recorded exchanges with SGLang 0.5.23, vLLM 0.32, transformers-serve 5.23 and llama-cpp-python 0.3.36:
usage on every chunk, on the finish chunk, on a chunk without choices, null, or never; reasoning under two names;
errors flat, nested, or as text.
"""

from __future__ import annotations

import math
from itertools import accumulate, pairwise
from typing import Any

from evalkit.client.calls import Calls
from evalkit.client.ends import End, end_of, is_blank
from evalkit.client.payload import BadReplyError, error_message, is_count, parse_json
from evalkit.client.template import Template
from evalkit.client.types import Note, ToolCall
from evalkit.limits import GENERATION
from evalkit.text import one_line, shows

_MAX_TOOL_CALLS = 256
#: names of models that are kept of one reply
_MAX_MODELS = 4
#: characters of a first event whose repetition shows a cumulative stream, and parts that show it however short it is
_SURE, _CHAIN = 4, 6
#: forms of an event that are tried before a stream is read as JSON throughout
_MAX_FORMS = 8
#: figures of the server about its own work that are kept when they are numbers
_FIGURES = frozenset(
    {
        "spec_accept_length", "spec_accept_rate", "spec_verify_ct", "spec_num_correct_drafts",
        "spec_num_proposed_drafts", "e2e_latency", "queue_time", "first_token_latency", "decode_throughput",
        "prompt_time", "completion_time", "total_time", "prompt_ms", "predicted_ms", "predicted_n", "draft_n",
        "draft_n_accepted", "reasoning_tokens", "accepted_prediction_tokens", "rejected_prediction_tokens",
        "forward_passes",
    }
)  # fmt: skip

_HOLDERS = frozenset({"sglext", "meta_info", "timings", "time_info"})


def _lead(entry: dict[str, Any]) -> float | None:
    """By how much the chosen token's logprob lies over the best other one's."""
    top = entry.get("top_logprobs")
    given = [one for one in top if isinstance(one, dict)] if isinstance(top, list) else []
    others = [one.get("logprob") for one in given if one.get("token") != entry["token"]]
    figures = [
        v for v in (entry.get("logprob"), *others)
        if isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v)
    ]  # fmt: skip
    return round(figures[0] - max(figures[1:]), 4) if len(figures) == len(others) + 1 >= 2 else None


def _text(value: Any) -> str:
    """Text of a content field: a string, or a list of parts."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(part["text"] for part in value if isinstance(part, dict) and isinstance(part.get("text"), str))
    return ""


def whole_text(parts: list[str]) -> str:
    """Parts joined; a surrogate pair split over two parts becomes one character, a lone half U+FFFD."""
    text = "".join(parts)
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


class Reply:
    """Collects the events of one reply. Times are µs and only passed through."""

    def __init__(self, *, max_depth: int = GENERATION.max_depth) -> None:
        self._max_depth = max_depth
        self.text: list[str] = []
        self.reasoning: list[str] = []
        self.finish_reason: End | None = None
        #: the last choice had a text for its end that means null: "", "null"
        self.blank_end = False
        #: an event without text, or the usage, came behind the last text: what a stream that is cut does not have
        self.closed = False
        self.models: list[str] = []
        self.prompt_tokens: int | None = None
        self.completion_tokens: int | None = None
        self.cached_tokens: int | None = None
        self.chunks: list[tuple[int, int | None]] = []
        self.first_visible_us: int | None = None
        #: when each part of the text came, and the last call
        self._text_at: list[int] = []
        self._called_us: int | None = None
        self.empty_events = 0
        self.events = 0
        self.server: dict[str, Any] = {}
        self.leads: list[tuple[int, float | None]] = []
        self._notes: dict[str, int] = {}
        self._calls = Calls()
        self._last_payload: bytes | None = None
        self._last_count = 0
        #: the first count that was smaller than the one before, and that one
        self._disorder: tuple[int, int] | None = None
        #: the count of the first chunk that was equal to the one before
        self._twice: int | None = None
        self._template: Template | None = None
        self._forms = 0
        #: of each event with a message instead of a delta: whether it repeats the text before it
        self._again: list[bool] = []

    def note(self, note: Note, detail: str = "") -> None:
        text = f"{note}: {detail}" if detail else str(note)
        self._notes[text] = self._notes.get(text, 0) + 1

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(f"{text} ({times}x)" if times > 1 else text for text, times in self._notes.items())

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        return tuple(
            ToolCall(name=whole_text([name]), arguments=whole_text(arguments))
            for name, arguments in self._calls.finished()
        )

    @property
    def last_visible_us(self) -> int | None:
        """When the last call or text that a reader sees came."""
        parts = zip(reversed(self.text[: len(self._text_at)]), reversed(self._text_at), strict=True)
        last = next((at for part, at in parts if shows(part)), None)
        return max((at for at in (last, self._called_us) if at is not None), default=None)

    def event(self, data: bytes, at_us: int) -> None:
        """Takes in one event of a stream.

        Raises:
            BadReplyError: the event is not a JSON object, or it is an error.
        """
        if self._template is not None and (plain := self._template.read(data)) is not None:
            self._plain(data, *plain, at_us)
            return
        payload = parse_json(data, max_depth=self._max_depth)
        if not isinstance(payload, dict):
            raise BadReplyError("protocol", f"an event is {type(payload).__name__}, not an object")
        self.events += 1
        self._raise_error(payload)
        counted = self._usage(payload.get("usage"))
        choice = self._choice(payload)
        self._extras(payload, choice)
        if choice is None:
            self.closed = self.closed or isinstance(payload.get("usage"), dict)
            return
        self._raise_inside(choice)
        delta = choice.get("delta")
        if "delta" not in choice:
            delta = self._whole_message(choice)
        carried = self._message(delta, at_us)
        self.closed = not carried
        if carried:
            self._in_order(data, counted)
            self.chunks.append((at_us, counted))
            if is_blank(choice.get("finish_reason")) and "delta" in choice:
                self._learn(data, delta, counted)
        elif counted is not None and is_blank(choice.get("finish_reason")):
            self.empty_events += 1
        self._finish(choice)

    def _in_order(self, data: bytes, counted: int | None) -> None:
        """A text that came twice, or in the wrong order, is not what the model said: `settle` says what it means."""
        if counted is None:
            return
        if data == self._last_payload and self._twice is None:
            self._twice = counted
        if counted < self._last_count:
            self._disorder = self._disorder or (counted, self._last_count)
        self._last_payload, self._last_count = data, counted

    def _whole_message(self, choice: dict[str, Any]) -> Any:
        """The message of an event that has no delta, as FluxServe sends; each is compared with the one before."""
        message = choice.get("message")
        content = _text(message.get("content")) if isinstance(message, dict) else ""
        if content:
            before = self.text[-1] if self.text else ""
            self._again.append(bool(before) and content.startswith(before))
        return message

    def settle(self) -> None:
        """What only the whole stream shows: a chunk that came twice, or counts that never meant anything.

        Raises:
            BadReplyError: a chunk came twice or in the wrong order, or each event carried the whole text so far.
        """
        if len(self._again) > 1 and all(self._again[1:]) and len(self.text[0]) >= _SURE:
            raise BadReplyError("protocol", "events carry the whole text so far in `message`, and not what is new")
        if self._cumulative():
            raise BadReplyError("protocol", "events carry the whole text so far in `delta`, and not what is new")
        if self.completion_tokens == 0 and (self.chunks or self.text or len(self._calls)):
            self.note(Note.NO_TOKEN)
            self.completion_tokens = None
        if self._apart():
            return
        if self._disorder is not None:
            raise BadReplyError("protocol", "chunks out of order: {} tokens after {}".format(*self._disorder))
        if self._twice is None:
            return
        if len(self.chunks) > 2 and len({counted for _, counted in self.chunks}) == 1:
            self.note(Note.SAME_COUNT)
            self.chunks = [(at_us, None) for at_us, _ in self.chunks]
            return
        raise BadReplyError("protocol", f"a chunk came twice: the same text at the same count of {self._twice} tokens")

    def _cumulative(self) -> bool:
        """Whether each part of the text is the one before and more; the last may be said twice."""
        parts = self.text[:-1] if len(self.text) > 3 and self.text[-1] == self.text[-2] else self.text
        sure = len(parts) >= (3 if parts and len(parts[0]) >= _SURE else _CHAIN)
        return sure and all(len(one) < len(other) and other.startswith(one) for one, other in pairwise(parts))

    def _apart(self) -> bool:
        """Whether counts that fall are of each chunk alone and add up to the last: running ones add up to more."""
        counts = [counted or 0 for _, counted in self.chunks]
        if self._disorder is None or not all(counts) or sum(counts) != self.completion_tokens:
            return False
        self.chunks = [(at, so_far) for (at, _), so_far in zip(self.chunks, accumulate(counts), strict=True)]
        self._notes.pop(Note.BACKWARDS, None)
        self.note(Note.EACH_CHUNK)
        return True

    def _learn(self, data: bytes, delta: Any, counted: int | None) -> None:
        """Keeps the form of an event with text alone; a stream whose events differ otherwise is read as JSON."""
        text = delta.get("content")
        others = delta.get("reasoning_content") or delta.get("reasoning") or delta.get("tool_calls")
        if self._forms < _MAX_FORMS and isinstance(text, str) and text and not others:
            self._forms += 1
            self._template = Template.of(data, text, counted) or self._template

    def _plain(self, data: bytes, text: str, counted: int | None, at_us: int) -> None:
        """What `event` does for text and a count alone."""
        self.events += 1
        self.closed = False
        counted = counted or None
        if counted is not None:
            self._count(counted)
        self.text.append(text)
        self._text_at.append(at_us)
        if self.first_visible_us is None and shows(text):
            self.first_visible_us = at_us
        self._in_order(data, counted)
        self.chunks.append((at_us, counted))

    def whole(self, data: bytes | bytearray, at_us: int) -> None:
        """Takes in a reply that was not streamed. Raises as `event`."""
        payload = parse_json(data, max_depth=self._max_depth)
        if not isinstance(payload, dict):
            raise BadReplyError("protocol", f"the reply is {type(payload).__name__}, not an object")
        self.events += 1
        self._raise_error(payload)
        self._usage(payload.get("usage"))
        choice = self._choice(payload)
        self._extras(payload, choice)
        if choice is None:
            raise BadReplyError("protocol", "the reply has no choices")
        self._raise_inside(choice)
        self._message(choice.get("message"), at_us)
        if isinstance(probabilities := choice.get("logprobs"), dict):
            content = probabilities.get("content")
            self.server["logprob_tokens"] = len(content) if isinstance(content, list) else 0
        self.first_visible_us = self._called_us = None  # a reply that arrives whole has no first and last text
        self._text_at.clear()
        self._leads(choice.get("logprobs"))
        self._finish(choice)
        self.settle()

    def _leads(self, logprobs: Any) -> None:
        """Length and lead of each token, where the reply has logprobs with a runner-up."""
        content = logprobs.get("content") if isinstance(logprobs, dict) else None
        for entry in content if isinstance(content, list) else ():
            if not isinstance(entry, dict) or not isinstance(token := entry.get("token"), str):
                self.leads.clear()  # offsets would be wrong from here on
                return
            raw = entry.get("bytes")
            length = len(raw) if isinstance(raw, list) else len(token.encode("utf-8", "replace"))
            self.leads.append((length, _lead(entry)))

    def _raise_error(self, payload: dict[str, Any]) -> None:
        found = error_message(payload)
        if found:
            raise BadReplyError("stream-error", found[0], found[1])

    @staticmethod
    def _raise_inside(choice: dict[str, Any]) -> None:
        """An error inside a choice: gateways end a stream so when the server behind them has failed."""
        inner = choice.get("delta", choice.get("message"))
        for holder in (choice, inner if isinstance(inner, dict) else {}):
            if holder.get("error") and (found := error_message({"error": holder["error"]})):
                raise BadReplyError("stream-error", found[0], found[1])

    @staticmethod
    def _choice(payload: dict[str, Any]) -> dict[str, Any] | None:
        choices = payload.get("choices")
        if not isinstance(choices, list):
            return None
        if len(choices) == 1 and isinstance(only := choices[0], dict) and only.get("index") == 0:
            return only
        return next((c for c in choices if isinstance(c, dict) and c.get("index", 0) in (0, None)), None)

    def _finish(self, choice: dict[str, Any]) -> None:
        reason = choice.get("finish_reason")
        if reason is None:
            return
        self.blank_end = is_blank(reason)
        if self.blank_end:
            return
        self.finish_reason = end_of(reason)
        if self.finish_reason is None:
            word = one_line(str(reason.get("type") if isinstance(reason, dict) else reason), limit=60)
            raise BadReplyError("aborted", f"finish_reason {word} does not end an answer")

    def _message(self, message: Any, at_us: int) -> bool:
        """Text, reasoning and tool calls of a delta or message; whether there were any."""
        if not isinstance(message, dict):
            return False
        get = message.get
        content = _text(value) if (value := get("content")) else ""
        reasoning = _text(value) if (value := get("reasoning_content") or get("reasoning")) else ""
        called = self._tools(message) if get("tool_calls") or get("function_call") else False
        if content:
            self.text.append(content)
            self._text_at.append(at_us)
        if called:
            self._called_us = at_us
        if reasoning:
            self.reasoning.append(reasoning)
        if self.first_visible_us is None and (called or shows(content)):
            self.first_visible_us = at_us
        return bool(content or reasoning or called)

    def _tools(self, message: dict[str, Any]) -> bool:
        deltas = message.get("tool_calls")
        if isinstance(legacy := message.get("function_call"), dict):
            deltas = [{"index": 0, "function": legacy}]
        if not isinstance(deltas, list) or not deltas:
            return False
        carried = self._calls.add(deltas)
        if len(self._calls) > _MAX_TOOL_CALLS:
            raise BadReplyError("protocol", f"more than {_MAX_TOOL_CALLS} tool calls in one reply")
        return carried

    def _usage(self, usage: Any) -> int | None:
        """The cumulative output tokens of a usage object, checked against what came before."""
        if not isinstance(usage, dict):
            return None
        if is_count(usage.get("prompt_tokens")) and usage["prompt_tokens"]:
            self.prompt_tokens = usage["prompt_tokens"]
        details = usage.get("prompt_tokens_details")
        if isinstance(details, dict) and is_count(details.get("cached_tokens")):
            self.cached_tokens = details["cached_tokens"]
        self._figures(usage)
        if isinstance(more := usage.get("completion_tokens_details"), dict):
            self._figures(more)
        tokens = usage.get("completion_tokens")
        if not is_count(tokens):
            if tokens is not None:
                self.note(Note.NO_COUNT)
            return None
        self._count(tokens)
        return tokens or None

    def _count(self, tokens: int) -> None:
        """A count of zero where text has been sent is not a count: gateways write zeros until the end."""
        if not tokens and self.chunks:
            return
        if self.completion_tokens is not None and tokens < self.completion_tokens:
            self.note(Note.BACKWARDS)
        self.completion_tokens = tokens

    def _figures(self, source: dict[str, Any]) -> None:
        for key in _FIGURES & source.keys():
            value = source[key]
            if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e15:
                self.server[key] = value

    def _extras(self, payload: dict[str, Any], choice: dict[str, Any] | None) -> None:
        fingerprint = payload.get("system_fingerprint")
        if fingerprint and isinstance(fingerprint, str):
            self.server["system_fingerprint"] = one_line(fingerprint, limit=120)
        model = payload.get("model")
        if isinstance(model, str) and model and len(self.models) < _MAX_MODELS:
            model = one_line(model, limit=120)
            if model not in self.models:
                self.models.append(model)
        for holder in (payload, choice or {}):
            if _HOLDERS.isdisjoint(holder):
                continue
            for key in sorted(_HOLDERS):
                if isinstance(found := holder.get(key), dict):
                    self._figures(found)
                    if isinstance(spec := found.get("spec_tokens_details"), dict):
                        self._figures(spec)
