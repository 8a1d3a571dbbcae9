"""Live context probe: longer and longer prompts with planted facts, an over-long one, and a long output.

Lengths are the server's own counts (usage). The first, short length says whether the model recalls facts at all and how
many tokens a line takes; without recall only the counts are evidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from evalkit.client.types import ChatClient, ChatRequest, Exchange, Target
from evalkit.serving.context_facts import ContextProbe, ContextStep
from evalkit.text import one_line

#: tokens left for the reply to a question
REPLY_TOKENS = 48
_BASE_LINES = 16
_MOST_TOKENS = 2_000_000
_LENGTH_WORDS = ("context", "length", "too long", "too large", "token", "exceed", "maximum")


async def probe_context(
    target: Target,
    *,
    need_tokens: int | None,
    need_output_tokens: int | None,
    server_limit: int | None,
    client: ChatClient,
    seed: int,
) -> ContextProbe:
    """Steps prompts up to `need_tokens` (prompt and reply together), then over `server_limit`, then a long output.

    Without a need the server's own limit, at most 4096 tokens, is stepped up to. Never raises for what a server can do.
    """
    prober = _Prober(target, client, Random(seed))
    goal = need_tokens or min(server_limit or 4096, 4096)
    result = ContextProbe(mode=target.label, need_tokens=need_tokens)
    base = await prober.calibrate()
    if base is None or not base.ok or (base.counted_tokens or 0) < _BASE_LINES:
        why = (base.error if base else None) or _no_count(base)
        return result.model_copy(
            update={"steps": (base,) if base else (), "outcome": "unclear", "error": f"the short prompt failed: {why}"}
        )
    steps = await prober.climb(base, goal)
    longest = max((s.counted_tokens or 0 for s in steps if s.ok and not s.cut), default=0) or None
    update: dict[str, object] = {"steps": steps, "longest_ok": longest, "outcome": classify(steps)}
    if odd := next((s for s in steps[1:] if s.overcounted), None):
        update["error"] = f"the server counted {odd.counted_tokens} tokens where about {odd.asked_tokens} were sent"
    update.update(await prober.over(server_limit, base))
    if need_output_tokens:
        update.update(await prober.output(need_output_tokens))
    return result.model_copy(update=update)


def _no_count(base: ContextStep | None) -> str:
    if base is None or base.counted_tokens is None:
        return "the server counts no tokens (usage is missing)"
    return f"the server counted {base.counted_tokens} tokens in a prompt of {_BASE_LINES} lines"


def lengths(goal: int, base: int) -> list[int]:
    """Prompt lengths after the short one: a quarter, a half and the whole of the goal, less the reply's room."""
    top = max(goal - REPLY_TOKENS, base)
    return sorted(
        {length for length in (top // 4, top // 2, top) if length > 1.5 * base} | ({top} if top > base else set())
    )


def classify(steps: tuple[ContextStep, ...]) -> str:
    """What the steps amount to, the longest failure deciding."""
    base, rest = steps[0], steps[1:]
    if any((not step.ok and not step.refused) or step.overcounted for step in rest):
        return "unclear"
    refused = [step for step in rest if not step.ok]
    if any(step.cut for step in rest):
        return "truncated"
    if sum(base.recalled.values()) < 0.6 * len(DEPTHS):
        return "refused" if refused else "no-recall"
    known = {depth for depth, found in base.recalled.items() if found}
    for step in rest:
        if step.ok and (lost := sorted(float(d) for d in known if not step.recalled.get(d, False))):
            return _pattern(lost, sorted(float(d) for d in known))
    return "refused" if refused else "ok"


def _pattern(lost: list[float], known: list[float]) -> str:
    """Facts gone from the beginning (or end) on are a cut; gone between ends that came back, a lost middle."""
    if len(lost) == len(known):
        return "lost"
    if lost == known[: len(lost)] or lost == known[-len(lost) :]:
        return "truncated"
    return "lost-middle"


class _Prober:
    def __init__(self, target: Target, client: ChatClient, rng: Random) -> None:
        self.target, self.client, self.rng = target, client, rng
        self.fixed = 0.0  # tokens of the template and the question
        self.per_line = 20.0

    async def calibrate(self) -> ContextStep | None:
        """The short step: whether facts come back, and tokens per line from two lengths."""
        facts = plant(self.rng)
        small = await self._send(ask(document(self.rng, 4, facts), facts[0].question), REPLY_TOKENS)
        step = await self._step(_BASE_LINES, 0)
        if small.prompt_tokens and step.counted_tokens:
            slope = (step.counted_tokens - small.prompt_tokens) / (_BASE_LINES - 4)
            self.per_line = max(slope, 4.0)
            self.fixed = max(step.counted_tokens - self.per_line * _BASE_LINES, 0.0)
        return step.model_copy(update={"asked_tokens": step.counted_tokens or step.asked_tokens})

    def lines_for(self, tokens: int) -> int:
        return max(int((tokens - self.fixed) / self.per_line), 1)

    def tokens_of(self, lines: int) -> int:
        return round(self.fixed + self.per_line * lines)

    async def climb(self, base: ContextStep, goal: int) -> tuple[ContextStep, ...]:
        """The steps; a length whose facts were missed is tried once more with other facts, the better try counts."""
        steps = [base]
        for length in lengths(goal, base.counted_tokens or 0):
            lines = self.lines_for(length)
            step = await self._step(lines, self.tokens_of(lines))
            if step.ok and not step.cut and step.counted_tokens:
                self.per_line = max((step.counted_tokens - self.fixed) / lines, 1.0)
                missed = [depth for depth, found in step.recalled.items() if base.recalled.get(depth) and not found]
                if missed:
                    again = await self._step(lines, self.tokens_of(lines))
                    merged = {d: found or again.recalled.get(d, False) for d, found in step.recalled.items()}
                    step = step.model_copy(update={"recalled": merged})
            steps.append(step)
            if not step.ok:
                break
        return tuple(steps)

    async def over(self, limit: int | None, base: ContextStep) -> dict[str, object]:
        """A prompt above the server's own limit must be refused with a clear error; if it is taken, both ends of it
        must have been read.
        """
        if limit is None or limit > _MOST_TOKENS:
            return {"over_limit_detail": "the server's own limit is not known, so nothing is over it"}
        lines = self.lines_for(round(limit * 1.1) + 64)
        facts = plant(self.rng)
        text, sent = document(self.rng, lines, facts), self.tokens_of(lines)
        reply = await self._send(ask(text, facts[0].question), REPLY_TOKENS)
        outcome, detail = _judge_over(reply, sent, limit)
        if outcome == "accepted":
            last = await self._send(ask(text, facts[-1].question), REPLY_TOKENS)
            ends = {fact.depth: fact.code in f"{one.text} {one.reasoning}"
                    for fact, one in ((facts[0], reply), (facts[-1], last))}  # fmt: skip
            outcome, detail = _judge_ends(ends, base, sent, limit)
        after = await self._send("Say hello.", 8)
        if not after.ok:
            outcome, detail = "unclear", f"{detail}; afterwards the server no longer answers"
        return {"over_limit": outcome, "over_limit_detail": detail}

    async def output(self, need: int) -> dict[str, object]:
        """A reply of `need` tokens: counting, with the end-of-text token ignored where the server knows the switch."""
        prompt = f"Count from 1 to {need}. Write every number on a line of its own. Do not stop early."
        reply = await self._send(prompt, need, {"ignore_eos": True})
        if reply.error and reply.error.kind == "http" and (reply.status or 0) in (400, 422):
            reply = await self._send(prompt, need)
        return {
            "output_asked": need,
            "output_reached": reply.completion_tokens,
            "output_finish": reply.finish_reason,
            "output_error": _reason(reply),
            "output_status": reply.error.status if reply.error else None,
        }

    async def _step(self, lines: int, asked: int) -> ContextStep:
        facts = plant(self.rng)
        text = document(self.rng, lines, facts)
        recalled: dict[str, bool] = {}
        first: Exchange | None = None
        for fact in facts:
            reply = await self._send(ask(text, fact.question), REPLY_TOKENS)
            first = first or reply
            if not reply.ok:
                return ContextStep(
                    asked_tokens=asked,
                    counted_tokens=reply.prompt_tokens,
                    ok=False,
                    refused=_refused(reply),
                    error=_reason(reply),
                    recalled=recalled,
                )
            recalled[str(fact.depth)] = fact.code in f"{reply.text} {reply.reasoning}"
        counted = first.prompt_tokens if first else None
        finish = first.finish_reason if first else None
        return ContextStep(asked_tokens=asked, counted_tokens=counted, ok=True, recalled=recalled, finish_reason=finish)

    async def _send(self, prompt: str, max_tokens: int, extra: dict[str, object] | None = None) -> Exchange:
        request = ChatRequest(
            messages=({"role": "user", "content": prompt},),
            max_tokens=max_tokens,
            temperature=self.target.probe_temperature,
            extra_body=dict(extra or {}),
        )
        return await self.client.chat(self.target, request)


def _judge_over(reply: Exchange, sent: int, limit: int) -> tuple[str, str]:
    """By status and counts; `accepted` is for the facts to confirm."""
    if not reply.ok:
        reason = _reason(reply) or "no reason"
        if _refused(reply):
            return "refused", f"{sent} tokens against a limit of {limit}: {reason}"
        return "unclear", f"{sent} tokens against a limit of {limit}: {reason}"
    counted = reply.prompt_tokens
    if counted is not None and (counted < 0.85 * sent or counted <= min(limit, 0.96 * sent)):
        return "truncated", f"{sent} tokens were sent, {counted} were read, and no error was given"
    return "accepted", ""


def _judge_ends(ends: dict[float, bool], base: ContextStep, sent: int, limit: int) -> tuple[str, str]:
    """What the first and the last fact of an over-long prompt say, where the short one showed that facts come back."""
    taken = f"{sent} tokens were taken without an error above the limit of {limit}"
    if all(ends.values()):
        return "accepted", f"{sent} tokens were taken and read, above the limit of {limit} that the server reports"
    known = all(base.recalled.get(str(depth)) for depth in ends)
    if known and any(ends.values()):
        gone = "first" if not next(iter(ends.values())) else "last"
        return "truncated", f"{taken}; of two facts the {gone} one did not come back"
    return "unclear", f"{taken}; the facts at its ends did not come back"


def _refused(reply: Exchange) -> bool:
    """Whether the server said no to the request, rather than broke down over it, or over anything else."""
    if reply.error is None:
        return False
    status = reply.status or 0
    client_error = reply.error.kind == "http" and 400 <= status < 500 and status not in (401, 403, 404, 408, 429)
    spoken = reply.error.kind in ("stream-error", "aborted")
    return client_error or (spoken and any(word in reply.error.message.lower() for word in _LENGTH_WORDS))


def _reason(reply: Exchange) -> str | None:
    if reply.error is None:
        return None
    status = f"HTTP {reply.error.status}: " if reply.error.status else f"{reply.error.kind}: "
    return status + one_line(reply.error.message, limit=200)


DEPTHS = (0.02, 0.25, 0.5, 0.75, 0.98)
_PLACES = ("harbour", "mill", "quarry", "orchard", "foundry", "ferry", "market", "library", "station", "garden")
_GOODS = ("copper", "barley", "timber", "salt", "linen", "paper", "honey", "glass", "wool", "slate")
_NAMES = ("Amber", "Birch", "Cedar", "Dorn", "Elm", "Fern", "Grove", "Hazel", "Iris", "Juniper", "Kestrel", "Larch")
_ENDS = ("field", "ford", "gate", "ham", "mere", "stead", "wick", "worth")


@dataclass(frozen=True)
class Planted:
    """A fact of the text. `depth` is its place, 0 the beginning."""

    depth: float
    name: str
    code: str

    @property
    def sentence(self) -> str:
        return f"The code of {self.name} is {self.code}."

    @property
    def question(self) -> str:
        return f"What is the code of {self.name}? Answer with the code only."


def plant(rng: Random) -> tuple[Planted, ...]:
    """One fact for each depth; names and codes differ, and no code is part of another."""
    names = rng.sample([f"{name}{end}" for name in _NAMES for end in _ENDS], len(DEPTHS))
    codes = rng.sample(range(10_000, 100_000), len(DEPTHS))
    return tuple(Planted(d, name, str(code)) for d, name, code in zip(DEPTHS, names, codes, strict=True))


def document(rng: Random, lines: int, facts: tuple[Planted, ...]) -> str:
    """`lines` ledger lines of about equal length with the facts' sentences at their depths."""
    text = [
        f"On day {rng.randint(100, 999)} the {rng.choice(_PLACES)} took in {rng.randint(100, 999)} crates of "
        f"{rng.choice(_GOODS)}."
        for _ in range(lines)
    ]
    for fact in sorted(facts, key=lambda one: -one.depth):
        text.insert(round(fact.depth * lines), fact.sentence)
    return "\n".join(text)


def ask(text: str, question: str) -> str:
    """The prompt: the text first, so that several questions share it as a cached prefix."""
    return f"Read this record.\n{text}\n\n{question}"
