"""How many tokens the buyer needs: asked for in the checklist, counted by a server, or estimated from text length."""

from __future__ import annotations

import math
from typing import Literal

from evalkit.checklist.schema import Checklist
from evalkit.findings import Frozen, KnownBy
from evalkit.run.facts import Facts

#: an English token is about four characters; three is the careful side, six the generous one
_CAREFUL, _GENEROUS = 3.0, 6.0
_TEMPLATE_TOKENS = 64


class Need(Frozen):
    """Tokens of prompt and reply together. `least` equals `tokens` unless estimated: a limit below it surely fails."""

    tokens: int
    least: int
    output: int
    source: Literal["checklist", "counted", "estimated"]
    text: str

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
    """The need; None when nothing tells (no need_tokens, no prompts, no tasks)."""
    asked = checklist.items.context
    replies = [p.max_tokens for p in facts.prompts] or [checklist.request.max_tokens]
    output = asked.need_output_tokens or max(replies)
    if asked.need_tokens is not None:
        text = f"{asked.need_tokens:,} tokens are asked for (context.need_tokens)"
        return Need(
            tokens=asked.need_tokens,
            least=asked.need_tokens,
            output=min(output, asked.need_tokens),
            source="checklist",
            text=text,
        )
    exchanges = [s.exchange for s in facts.timed] + [a.exchange for a in facts.answers]
    counted = [e.prompt_tokens for e in exchanges if e.ok and e.prompt_tokens]
    longest = max((p.longest_chars for p in facts.prompts), default=0)
    if counted and (_all_counted(facts) or max(counted) >= longest / _GENEROUS):
        total = max(counted) + output
        text = f"{total:,} tokens: longest prompt {max(counted):,} as counted by the server, plus {output:,} of reply"
        return Need(tokens=total, least=total, output=output, source="counted", text=text)
    if not longest:
        return None
    total = math.ceil(longest / _CAREFUL) + _TEMPLATE_TOKENS + output
    least = math.floor(longest / _GENEROUS) + output
    text = (
        f"about {total:,} tokens, estimated: {longest:,} characters at {_CAREFUL:.0f} a token, plus {output:,} of reply"
    )
    return Need(tokens=total, least=least, output=output, source="estimated", text=text)


def _all_counted(facts: Facts) -> bool:
    """Whether a server counted every prompt: one that was refused or never sent may be the longest."""
    counted = {s.prompt_id for s in facts.timed if s.exchange.ok and s.exchange.prompt_tokens}
    return len(counted) >= sum(p.count for p in facts.prompts)
