"""Replies to task cases and what the graders said of them."""

from __future__ import annotations

from typing import Any, Literal

from evalkit.client.types import Exchange
from evalkit.findings import Frozen, Hashed, Quoted

ToolOutcome = Literal["call", "text", "malformed", "truncated"]

#: longer replies are graded on their head: no grader may take minutes on one reply
MAX_CHARS = 2_000_000
#: limits on one reply: human text reaches 0.013 and 0.008 at the 99th percentile
TAIL_LOOP_LIMIT = 0.10
ADJACENT_LIMIT = 0.01


class Grade(Frozen):
    """What one grader said. `passed` None: unscored, which is not zero."""

    grader: str
    passed: bool | None
    score: float | None = None
    reason: Quoted = ""
    detail: dict[str, Any] = {}  # noqa: RUF012  pydantic copies defaults
    #: False: information (a judge, a comparison with the baseline still to be made); never decides the case alone
    counts: bool = True


class Signals(Frozen):
    """Signs of broken decoding in one reply, computed when it was collected. Shares lie in [0, 1]."""

    words: int = 0
    #: periodic suffix ÷ length
    tail_loop: float = 0.0
    #: adjacent equal words ÷ pairs of words
    adjacent: float = 0.0
    longest_run: int = 0
    #: 1 − distinct ÷ total n-grams of words; only compared with the baseline
    rep4: float = 0.0
    rep8: float = 0.0
    zlib_ratio: float = 0.0
    #: mask, end-of-text and other special tokens that stand in the text and not in the prompt
    special_tokens: tuple[Quoted, ...] = ()
    truncated: bool = False
    unclosed: tuple[str, ...] = ()
    #: a <think> without its end: whatever stands behind it is no answer
    open_reasoning: bool = False
    malformed_call: bool = False
    #: the prompt again, nearly whole
    echo: bool = False
    #: text that a tool parser left behind: `intact` means a whole call, so the server has no parser
    residue: Literal["intact", "broken"] | None = None


class Answer(Frozen):
    """One reply to one case in one mode, with its grades."""

    mode: str
    suite: str
    kind: str  # chat | tools | long | structured | custom
    case_id: str
    cluster: str | None = None
    repeat: int = 0
    severity: str = "normal"  # critical | normal | minor
    tags: tuple[str, ...] = ()
    streamed: bool = True
    request_sha256: Hashed
    #: of messages and tools alone; empty in runs from before it was kept
    asked_sha256: Hashed = ""
    seed: int | None = None
    exchange: Exchange
    grades: tuple[Grade, ...] = ()
    #: all graders passed; None: unscored
    passed: bool | None = None
    score: float | None = None
    tool_outcome: ToolOutcome | None = None
    prompt_preview: Quoted = ""
    signals: Signals | None = None
    #: hash of text and tool calls: equality of replies survives a redacted pack
    reply_sha256: Hashed = ""
    #: at least one grader of the case asks for a tool call
    wants_call: bool = False
    max_tokens: int = 0
    temperature: float = 0.0

    @property
    def key(self) -> str:
        return f"{self.mode}|{self.suite}|{self.case_id}|{self.repeat}|{int(self.streamed)}"

    @property
    def asked(self) -> str:
        """The same for cases that ask the same: they are one piece of evidence."""
        return self.asked_sha256 or self.request_sha256

    @property
    def goes_with(self) -> str:
        """The named cluster, else what is asked."""
        return self.cluster or f"\x00{self.asked}"


class Alone(Answer):
    """The reply to the same request with no other in flight."""


class ToolLoop(Frozen):
    """The second step of a case whose tool calls were answered with `tool_result`: what the model did next."""

    mode: str
    suite: str
    case_id: str
    exchange: Exchange
    #: tool calls of the first reply, and of the second one; `same` of these are, word for word, of the first
    asked: int
    calls: int = 0
    same: int = 0

    @property
    def key(self) -> str:
        return f"{self.mode}|{self.suite}|{self.case_id}"


class SuiteFacts(Frozen):
    """A suite that was part of the plan, so that cases that were never answered are not forgotten."""

    name: str
    kind: str
    path: str
    sha256: str
    version: str = "1"
    cases: int
    shipped: bool = False
    critical: tuple[str, ...] = ()
    repeats: int = 1
    #: of the texts and tools of one case, and of one reply at most; 0 in runs from before they were kept
    longest_chars: int = 0
    max_tokens: int = 0
    #: kind of another tool's file that it was imported from, and its hash; `sha256` is then of the converted text
    imported: str | None = None
    source_sha256: str | None = None
    #: ids of the cases that have an image
    image_cases: tuple[str, ...] = ()
    #: cases that one reply passes which answers nothing (`quality.controls`); None: not looked at
    passed_by_any: int | None = None
    #: distinct cases without a declared cluster, and how many templates they look like; None: not looked at
    unclustered: int = 0
    templates: int | None = None

    @property
    def few_templates(self) -> bool:
        """Whether the cases look like so few templates that they may pass and fail together."""
        return self.templates is not None and self.unclustered >= 10 * self.templates


class SamplingProbe(Frozen):
    """Whether a mode honours temperature: distinct replies of `draws` requests at temperature 1 and at 0."""

    mode: str
    draws: int
    distinct_at_one: int
    distinct_at_zero: int
    #: of the draws at temperature 1
    failed: int = 0
    #: production's temperature, and distinct replies of `draws` requests at it; None: it is 1, or was not asked
    temperature: float = 1.0
    distinct_at_asked: int | None = None


class Judgement(Frozen):
    """What a judge said of one reply: yes-or-no answers, or a preference in both orders. Information, never a gate."""

    mode: str
    suite: str
    case_id: str
    grader: Literal["rubric", "prefer"]
    #: place of the grader in the case's `expect`
    index: int
    judge: str
    #: of the system message and the questions, so that figures of different judges are not mixed
    prompt_sha256: str
    #: of the reply that was judged
    reply_sha256: Hashed
    #: rubric: one a question
    answers: tuple[bool, ...] = ()
    #: prefer: what was said with the mode's reply first, and with it second
    orders: tuple[Literal["mode", "baseline", "tie"], ...] = ()
    #: why there is no verdict; never the judge's words, which may quote a text under test
    unscored: Quoted | None = None

    @property
    def key(self) -> str:
        return f"{self.mode}|{self.suite}|{self.case_id}|{self.index}"

    @property
    def preference(self) -> Literal["mode", "baseline", "tie"] | None:
        """A verdict that flips with the order is a tie."""
        if len(self.orders) != 2:
            return None
        return self.orders[0] if self.orders[0] == self.orders[1] else "tie"

    @property
    def flipped(self) -> bool:
        return len(self.orders) == 2 and set(self.orders) == {"mode", "baseline"}


class TieReading(Frozen):
    """Where the baseline's own choice of a token was close, in one greedy reply: by places, without any text."""

    mode: str
    suite: str
    case_id: str
    #: of the reply's text, when the tokens add up to it; 0: the server told no logprobs
    size: int = 0
    #: bytes that this reading has in common with the baseline's first reply
    common: int = 0
    #: (first byte, byte behind the last, lead over the runner-up in nats) of tokens with a lead under 1
    close: tuple[tuple[int, int, float], ...] = ()


class Divergence(Frozen):
    """Where a mode's greedy reply leaves the baseline's first one."""

    mode: str
    suite: str
    case_id: str
    #: place of the first character that differs, from 0
    at: int
    #: lead of the baseline's token there over its runner-up, in nats; at least 1 is 1; None: not known
    lead: float | None = None

    @property
    def key(self) -> str:
        return f"{self.mode}|{self.suite}|{self.case_id}"
