"""Token accounting and logprobs as the replies show them."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import Any

from evalkit.modes import Mode
from evalkit.reference.jobs import Job
from evalkit.reference.model import Generation
from evalkit.reference.schedule import Tick
from evalkit.reference.script import Script


@dataclass(frozen=True)
class Work:
    """A job with its replies and their schedules: one generation and one list of ticks per choice."""

    job: Job
    script: Script
    ident: str
    #: wall clock at arrival, seconds
    started: float
    generations: tuple[Generation, ...]
    ticks: tuple[tuple[Tick, ...], ...]
    #: cached prompt tokens of each choice
    cached: tuple[int, ...]
    #: the model's name as the reply bears it
    model: str = ""

    @property
    def created(self) -> int:
        return int(self.started)

    @property
    def completion_tokens(self) -> int:
        return sum(g.total for g in self.generations)

    def end_word(self, reason: str) -> str:
        """How the reply says that it ended."""
        return reason if self.script.end_word is None else self.script.end_word

    def usage(self, completion_tokens: int) -> dict[str, Any]:
        """The `usage` object with this many tokens replied."""
        prompt, completion_tokens = self.job.prompt_tokens, round(completion_tokens * self.script.usage_factor)
        details = {"cached_tokens": self.cached[0]} if self.script.enable_cache_report else None
        return {
            "prompt_tokens": prompt,
            "total_tokens": prompt + completion_tokens,
            "completion_tokens": completion_tokens,
            "prompt_tokens_details": details,
            "reasoning_tokens": 0,
            "completion_tokens_details": None,
        }


def dumps(value: Any) -> str:
    """JSON without spaces and with UTF-8 as it is, as SGLang writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def weights(tokens: int) -> list[dict[str, Any]]:
    """`weight_versions`: all tokens from the one version of the weights."""
    return [{"version": "default", "start": 0, "end": tokens}]


def token_logprobs(work: Work, tokens: tuple[str, ...], start: int) -> list[dict[str, Any]]:
    """One entry per token of a chat reply; a diffusion server has none to give."""
    if work.script.emits in (Mode.DIFFUSION, Mode.SELF_SPECULATION):
        return []
    return [_entry(token, work.job.top_logprobs or 0, start + i) for i, token in enumerate(tokens)]


def text_logprobs(work: Work, tokens: tuple[str, ...], start: int) -> dict[str, Any]:
    """The logprobs object of a text completion."""
    entries = token_logprobs(work, tokens, start)
    return {
        "text_offset": [-1] * len(entries),
        "token_logprobs": [e["logprob"] for e in entries],
        "tokens": [e["token"] for e in entries],
        "top_logprobs": [{t["token"]: t["logprob"] for t in e["top_logprobs"]} for e in entries],
    }


def speculation(script: Script, ticks: tuple[Tick, ...]) -> dict[str, Any]:
    """The `spec_*` fields of a reply, from the runs that its verify steps accepted."""
    if script.emits is not Mode.SPECULATIVE or len(ticks) < 2:
        return {}
    runs = [after.tokens - before.tokens for before, after in pairwise(ticks)]
    drafts, steps = script.drafts, len(runs)
    correct = [min(run - 1, drafts) for run in runs]
    return {
        "spec_accept_rate": sum(correct) / (drafts * steps),
        "spec_accept_length": ticks[-1].tokens / steps,
        "spec_num_correct_drafts": sum(correct),
        "spec_num_proposed_drafts": drafts * steps,
        "spec_verify_ct": steps,
        "spec_correct_drafts_histogram": [correct.count(n) for n in range(drafts + 1)],
    }


def _entry(token: str, top: int, at: int) -> dict[str, Any]:
    rng = Random(f"{token}|{at}")
    best = math.log(rng.uniform(0.5, 0.999))
    others = [(_other(rng), best - rng.uniform(1, 9)) for _ in range(max(0, top - 1))]
    alternatives = [(token, best), *sorted(others, key=lambda o: -o[1])][:top]
    return {**_logprob(token, best), "top_logprobs": [_logprob(t, p) for t, p in alternatives]}


def _other(rng: Random) -> str:
    return " " + "".join(rng.choice("etaoinshr") for _ in range(4))


def _logprob(token: str, value: float) -> dict[str, Any]:
    return {"token": token, "bytes": list(token.encode()), "logprob": value}
