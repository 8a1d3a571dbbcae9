"""How many tokens the buyer needs: asked for in the checklist, counted by a server, or estimated from text length."""

from __future__ import annotations

import math
from typing import Literal

from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.findings import Frozen, KnownBy

#: an English token is about four characters; three is the careful side, six the generous one
_CAREFUL, _GENEROUS = 3.0, 6.0
_TEMPLATE_TOKENS = 64
#: how servers answer a request that does not fit
REFUSED = (400, 413, 422)


class Need(Frozen):
    """Tokens of prompt and reply together. `least` equals `tokens` unless estimated: a limit below it surely fails."""

    tokens: int
    least: int
    output: int
    source: Literal["checklist", "counted", "estimated"]
    #: of the longest prompt: its tokens where counted, its characters where estimated
    prompt: int | None = None
    characters: int | None = None

    @property
    def known_by(self) -> KnownBy:
        return {
            "checklist": KnownBy.DECLARED,
            "counted": KnownBy.OBSERVED,
            "estimated": KnownBy.INFERRED,
        }[self.source]

    @property
    def input(self) -> int:
        return max(self.tokens - self.output, 1)


def need(checklist: Checklist, facts: Facts) -> Need | None:
    """The need; None when nothing shows it (no need_tokens, no prompts, no tasks)."""
    asked = checklist.items.context
    files = [(p.longest_chars, p.max_tokens) for p in facts.prompts] + [
        (s.longest_chars, s.max_tokens) for s in facts.suites
    ]
    output = asked.need_output_tokens or max([reply for _, reply in files], default=checklist.request.max_tokens)
    if asked.need_tokens is not None:
        return Need(
            tokens=asked.need_tokens,
            least=asked.need_tokens,
            output=min(output, asked.need_tokens),
            source="checklist",
        )
    counted, refused = _counted(checklist, facts)
    longest = max((chars for chars, _ in files), default=0)
    most = max(counted, key=sum, default=(0, 0))
    fits = not refused and max((prompt for prompt, _ in counted), default=0) >= longest / _GENEROUS
    if counted and (fits or _all_counted(facts)):
        total = sum(most)
        return Need(tokens=total, least=total, output=most[1], source="counted", prompt=most[0])
    if not longest:
        return None
    told = [(chars, asked.need_output_tokens or reply) for chars, reply in files]
    chars, output = max(told, key=lambda one: one[0] / _CAREFUL + one[1])
    total = max(math.ceil(chars / _CAREFUL) + _TEMPLATE_TOKENS + output, sum(most))
    least = max(*(math.floor(length / _GENEROUS) + reply for length, reply in told), sum(most))
    return Need(tokens=total, least=least, output=output, source="estimated", characters=chars)


def _counted(checklist: Checklist, facts: Facts) -> tuple[list[tuple[int, int]], bool]:
    """Of each prompt and case that a server counted: its tokens, and a longest reply. Whether one was refused
    and never counted.
    """
    reply = checklist.items.context.need_output_tokens
    longest = reply or max((p.max_tokens for p in facts.prompts), default=checklist.request.max_tokens)
    sent = [(s.prompt_id, s.exchange, longest) for s in facts.timed]
    sent += [(f"{a.suite}|{a.case_id}", a.exchange, reply or a.max_tokens) for a in facts.answers]
    counted = [(name, e.prompt_tokens, most) for name, e, most in sent if e.ok and e.prompt_tokens]
    refused = {name for name, e, _ in sent if e.error is not None and e.error.status in REFUSED}
    return [(tokens, most) for _, tokens, most in counted], bool(refused - {name for name, *_ in counted})


def _all_counted(facts: Facts) -> bool:
    """Whether a server counted every prompt and case: one that was refused or never sent may be the longest."""
    prompts = {s.prompt_id for s in facts.timed if s.exchange.ok and s.exchange.prompt_tokens}
    cases = {(a.suite, a.case_id) for a in facts.answers if a.exchange.ok and a.exchange.prompt_tokens}
    return len(prompts) >= sum(p.count for p in facts.prompts) and len(cases) >= sum(s.cases for s in facts.suites)
