"""What is sent to a server and what came back, with its times.

An `Exchange` is both the timed sample and the scored reply: the text that was timed is the text that is graded.
All times are microseconds on a monotonic clock, relative to the moment before the request's last byte is written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Literal, Protocol

from pydantic import Field

from evalkit.client.origin import header_value
from evalkit.findings import Frozen, Quoted
from evalkit.limits import GENERATION, Limits
from evalkit.secrets import Secret
from evalkit.text import shows

Message = dict[str, Any]

#: the event loop that times replies
Loop = Literal["uvloop", "asyncio"]
ErrorKind = Literal[
    "refused",  # no connection
    "timeout",  # a deadline passed: connect, first byte, idle or total
    "http",  # a status other than 200
    "protocol",  # not HTTP, not SSE, not JSON, too large
    "stream-error",  # an error event inside the stream
    "aborted",  # finish_reason abort, a filter, or any other word that does not end an answer
    "incomplete",  # the stream ended without a finish reason
    "empty",  # a stream without a single event
]


class Note(StrEnum):
    """What the client notes of a reply, as journals hold it; a detail may follow behind a colon."""

    COALESCED = "coalesced"
    CONTRADICTS = "usage contradicts the chunks"
    BACKWARDS = "usage went backwards"
    NO_TOKEN = "usage counts no token although text arrived"  # noqa: S105  no password
    SAME_COUNT = "usage counts the same on every chunk"
    EACH_CHUNK = "usage counts each chunk by itself"
    NO_COUNT = "usage is not a count"
    REPEATED = "a chunk was repeated"  # in journals of 0.1.0; now an error
    NO_DONE = "no [DONE]"
    NO_FINISH = "no finish reason"
    CUT = "the last event was cut off"
    CLOSED = "the connection closed before the body's end"
    UNSTREAMED = "the server did not stream although it was asked to"


_NOTES: dict[str, Note] = {str(note): note for note in Note}
_TIMES = re.compile(r" \([0-9]+x\)$")


@dataclass(frozen=True)
class Target:
    """Where requests go. `base_url` has scheme and host, no `/v1`; `model` is the name that the server serves.

    `api` stands between `base_url` and the OpenAI routes, `query` behind them; `key_header` carries the key as it is.
    """

    label: str
    base_url: str
    model: str
    api_key: Secret | None = None
    api: str = "/v1"
    query: str = ""
    key_header: str | None = None
    limits: Limits = GENERATION
    #: of requests that evalkit makes up: the lowest that the server takes
    probe_temperature: float = 0.0

    @property
    def route(self) -> str:
        """The route of chat completions, behind `base_url`."""
        return f"{self.api}/chat/completions{'?' if self.query else ''}{self.query}"

    @property
    def authorization(self) -> dict[str, str]:
        """The header that carries the key; empty without one."""
        return key_headers(self.api_key, self.key_header)


def key_headers(key: Secret | None, header: str | None) -> dict[str, str]:
    """The header that carries a key: `header` as it is, else as a bearer token.

    Raises:
        UsageError: the key contains characters that HTTP cannot carry.
    """
    if key is None:
        return {}
    value = header_value(key.reveal(), "API key")
    return {header: value} if header else {"Authorization": f"Bearer {value}"}


@dataclass(frozen=True)
class ChatRequest:
    """A chat completion as production sends it. `extra_body` is merged last."""

    messages: tuple[Message, ...]
    max_tokens: int = 512
    temperature: float = 0.0
    tools: tuple[dict[str, Any], ...] = ()
    tool_choice: Any = None
    response_format: dict[str, Any] | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    stream: bool = True
    extra_body: dict[str, Any] = field(default_factory=dict)

    def body(self, model: str) -> dict[str, Any]:
        """The JSON body for `/v1/chat/completions`, usage on every chunk asked for when streaming."""
        body: dict[str, Any] = {
            "model": model,
            "messages": list(self.messages),
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "stream": self.stream,
        }
        if self.stream:
            body["stream_options"] = {"include_usage": True, "continuous_usage_stats": True}
        optional = {
            "tools": list(self.tools) or None,
            "tool_choice": self.tool_choice,
            "response_format": self.response_format,
            "stop": list(self.stop) or None,
            "seed": self.seed,
        }
        body.update({key: value for key, value in optional.items() if value is not None})
        return {**body, **self.extra_body}


class ToolCall(Frozen):
    """A tool call as the server reported it; `arguments` is its raw text, which need not be JSON."""

    name: Quoted
    arguments: Quoted


class ExchangeError(Frozen):
    """Why there is no usable reply. `message` is sanitised and redacted."""

    kind: ErrorKind
    message: Quoted
    status: int | None = None
    retry_after_s: float | None = None


#: no time is before the request's own; a run that says so is not readable
Microseconds = Annotated[int, Field(ge=0)]


class Exchange(Frozen):
    """One request and its reply.

    `chunks` holds one (time in µs, cumulative output tokens or None) per event that carried text, reasoning or a
    tool call: counts come from the server's usage, never from counting events.
    """

    ok: bool
    error: ExchangeError | None = None
    status: int | None = None
    text: Quoted = ""
    reasoning: Quoted = ""
    tool_calls: tuple[ToolCall, ...] = ()
    #: stop | length | tool_calls | function_call; None: the server writes no end words, and sent `[DONE]`
    finish_reason: str | None = None
    #: the names of the model that the reply's events carried, in the order of their first appearance
    models: tuple[str, ...] = ()
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    #: µs from before the last byte is written
    first_byte_us: Microseconds | None = None
    #: first event with text, reasoning or a tool call
    first_chunk_us: Microseconds | None = None
    #: first event with non-blank answer text or a tool call
    first_visible_us: Microseconds | None = None
    last_chunk_us: Microseconds | None = None
    #: last event with answer text that is not blank, or a tool call; None: a journal without it, or not streamed
    last_visible_us: Microseconds | None = None
    #: `[DONE]`, or the end of the body
    done_us: Microseconds | None = None
    chunks: tuple[tuple[int, int | None], ...] = ()
    #: events that carried usage but no text (denoising steps on some routes)
    empty_events: int = 0
    connected_us: Microseconds | None = None  # time to connect, when this request opened the connection
    reused_connection: bool = False
    #: wall clock at the moment of writing, ISO 8601 UTC, for the record only
    written_at: str | None = None
    #: monotonic ns of that moment, of this process alone and never stored; None: nothing was written
    written_ns: int | None = Field(default=None, exclude=True)
    #: a reply asked for whole and with logprobs: bytes of each token, and its lead over the runner-up in nats
    leads: tuple[tuple[int, float | None], ...] = ()
    #: allow-listed extras: spec_accept_length, spec_verify_ct, system_fingerprint, server timings, rate limit headers
    server: dict[str, Any] = {}  # noqa: RUF012  pydantic copies defaults
    transport: str = "wire"
    #: warnings about the reply: a `Note` each, with its detail and how often it was made
    notes: tuple[str, ...] = ()

    @property
    def noted(self) -> frozenset[Note]:
        """Which notes were made."""
        told = (_TIMES.sub("", note).partition(": ")[0] for note in self.notes)
        return frozenset(_NOTES[text] for text in told if text in _NOTES)

    @property
    def spoken(self) -> bool:
        """Whether there is an answer: text that a reader sees, or a tool call. Reasoning alone is none."""
        return bool(self.tool_calls) or shows(self.text)

    @property
    def reasoned(self) -> bool:
        """Whether there is reasoning and nothing else."""
        return not self.spoken and shows(self.reasoning)

    @property
    def e2e_us(self) -> int | None:
        """End-to-end latency: written to done."""
        return self.done_us if self.ok else None


class ChatClient(Protocol):
    """Sends chat completions; connections are kept alive per target."""

    async def chat(self, target: Target, request: ChatRequest, *, request_id: str | None = None) -> Exchange:
        """Never raises for what a server can do: see `Exchange.error`. Cancellation closes the connection."""
        ...

    async def aclose(self) -> None: ...
