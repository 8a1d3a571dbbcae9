"""The simulated model: from a prompt and sampling settings to the tokens of a reply. Nothing here knows the clock.

No step depends on the decoding mode, so all modes of one script and seed say the same: they are lossless.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from random import Random
from typing import Any

from evalkit.reference.answers import Answers
from evalkit.reference.faults import fault_rng, strikes
from evalkit.reference.prose import resize, sentence, vary
from evalkit.reference.question import Call, Question, Reply, last_turn, parse_calls
from evalkit.reference.script import Script
from evalkit.reference.spoil import loop, spoil
from evalkit.reference.tokenizer import EOS_ID, pieces


@dataclass(frozen=True)
class Ask:
    """One prompt with the settings that shape its reply."""

    prompt: str
    max_new: int
    temperature: float = 0.0
    #: what tells this draw from others at temperature > 0
    draw: str = ""
    ignore_eos: bool = False
    min_new: int = 0
    stop: tuple[str, ...] = ()
    tools: tuple[dict[str, Any], ...] = ()
    tool_choice: str = "auto"
    schema: dict[str, Any] | None = None
    #: requests that run, this one among them
    running: int = 1


@dataclass(frozen=True)
class Generation:
    """A whole reply. `tokens` excludes the end token; `total` counts it, as SGLang's completion_tokens does."""

    tokens: tuple[str, ...]
    total: int
    #: "stop" or "length"
    finish: str
    #: id of the end token, the stop string, or null
    matched: int | str | None
    #: the tool calls in it, when tools were offered and a parser is on
    calls: tuple[Call, ...] = ()
    #: it set out to call a tool, whether or not it got to the end
    calling: bool = False
    #: all of it is reasoning
    reasoning: bool = False

    @property
    def text(self) -> str:
        return "".join(self.tokens)

    @property
    def streams_calls(self) -> bool:
        """Whether a stream shows tool calls: whole ones, or the start of one that the token limit cut."""
        return bool(self.calls) or (self.calling and self.finish == "length")


class Model:
    """Replies of one script."""

    def __init__(self, script: Script, answers: Answers | None = None) -> None:
        self._script = script
        self._answers = answers or Answers()

    def generate(self, ask: Ask) -> Generation:
        """The reply to a prompt that fits the context."""
        question = self._question(ask)
        reply = self._reply(ask, question)
        return self._cut(ask, question, reply)

    def _question(self, ask: Ask) -> Question:
        role, text = last_turn(ask.prompt)
        context = forget_middle(ask.prompt, self._script)
        tools = ask.tools if self._script.tool_call_parser else ()
        return Question(text, context, role, tools, ask.tool_choice, ask.schema)

    def _reply(self, ask: Ask, question: Question) -> Reply:
        script, key = self._script, question.text
        reply = self._answers.reply(question)
        if script.says is not None and reply.kind == "prose":
            reply = Reply(script.says, "prose", reply.wrong)
        if script.length_factor != 1 and reply.kind == "prose":
            reply = Reply(resize(reply.text, script.length_factor, Random(key)), "prose", reply.wrong)
        if ask.temperature > 0 and not script.ignore_temperature:
            reply = drawn(reply, fault_rng(script.seed, f"draw {ask.draw}", key))
        return spoil(script, script.seed, key, reply, ask.running)

    def _cut(self, ask: Ask, question: Question, reply: Reply) -> Generation:
        script, key = self._script, question.text
        tokens, finish, matched = pieces(reply.text), "stop", EOS_ID
        prose = reply.kind == "prose"
        if prose and strikes(script.cut_short, script.seed, "cut", key):
            tokens = tokens[: max(1, min(len(tokens), ask.max_new) // 3)]
            return Generation(tuple(tokens), len(tokens), "length", None)
        if len(tokens) >= script.long_tokens and strikes(script.loop_on_long, script.seed, "loop", key):
            tokens = loop(tokens, script.long_tokens, ask.max_new + 1)
        wanted = ask.max_new if ask.ignore_eos else min(ask.min_new, ask.max_new)
        tokens = tokens if len(tokens) >= wanted else padded(tokens, wanted, Random(key))
        stopped = stop_at(tokens, ask.stop)
        if stopped:
            kept, word = stopped
            return Generation(tuple(kept), len(kept), "stop", word)
        if ask.ignore_eos or len(tokens) >= ask.max_new:
            tokens, finish = tokens[: ask.max_new], "length"
        total = len(tokens) + (finish == "stop")
        matched_id = matched if finish == "stop" else None
        text = "".join(tokens)
        calling = bool(question.tools) and text.startswith("<tool_call>")
        calls = parse_calls(text) if calling else ()
        reasoning = prose and strikes(script.reasoning_only, script.seed, "reasoning", key)
        return Generation(tuple(tokens), total, finish, matched_id, calls, calling, reasoning)


def drawn(reply: Reply, rng: Random) -> Reply:
    """Another draw of the same answer: other words around prose, other spacing in JSON; copies and calls stay."""
    if reply.kind == "prose":
        return Reply(vary(reply.text, rng), "prose", reply.wrong)
    if reply.kind == "json":
        indent, colon = rng.choice((None, 1, 2, 3, 4, 5, 6, 8)), rng.choice((":", ": ", " : ", ":  "))
        text = json.dumps(json.loads(reply.text), indent=indent, separators=(",", colon), ensure_ascii=False)
        return Reply(text, "json", reply.wrong)
    return reply


def forget_middle(prompt: str, script: Script) -> str:
    """What of a prompt can be recalled: all, or all but a share around the middle."""
    if not script.lose_middle or len(pieces(prompt)) < script.lose_middle_from:
        return prompt
    lost = len(prompt) * script.lose_middle / 2
    middle = len(prompt) / 2
    return prompt[: int(middle - lost)] + "\n" + prompt[int(middle + lost) :]


def padded(tokens: list[str], wanted: int, rng: Random) -> list[str]:
    """The reply continued to `wanted` tokens, as a model does whose end token is ignored."""
    tokens = list(tokens)
    while len(tokens) < wanted:
        tokens += pieces(" " + sentence(rng))
    return tokens[:wanted]


def stop_at(tokens: list[str], words: tuple[str, ...]) -> tuple[list[str], str] | None:
    """Tokens before the first stop string, and which one it was."""
    text = "".join(tokens)
    found = [(text.find(word), word) for word in words if word and word in text]
    if not found:
        return None
    at, word = min(found)
    return pieces(text[:at]), word


def allowed_tokens(prompt: list[str], script: Script) -> list[str]:
    """The prompt that the model gets to see: whole, or silently cut in front."""
    limit = script.truncate_silently
    return prompt if limit is None or len(prompt) <= limit else prompt[-limit:]
