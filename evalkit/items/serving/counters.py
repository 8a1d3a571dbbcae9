"""Serving: what the server's own counters say that it did, against the mode it declares."""

from __future__ import annotations

from evalkit.analysis.exchanges import of_mode
from evalkit.analysis.paces import COMMITTED, STEPS
from evalkit.checklist.schema import Endpoint
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy, Status
from evalkit.items.serving import checks
from evalkit.items.serving.words_mode import Corroborated, Counting, ForwardPasses
from evalkit.modes import Mode, base_mode
from evalkit.serving.engines import engine_of
from evalkit.serving.engines import names as engine_names
from evalkit.serving.facts import EndpointFacts

_NAMES = tuple(engine_names())
_TOKENS = tuple(names.tokens for names in _NAMES if names.tokens)
_VERIFY = tuple(names.verify for names in _NAMES if names.verify)
_DECODE = tuple(names.decode_rounds for names in _NAMES if names.rounds)
_PREFILL = tuple(names.prefill_rounds for names in _NAMES if names.rounds)
#: fewer tokens say nothing
_ENOUGH = 50
#: at most this many tokens a pass mean that nothing is gained
_ONE = 1.05
_SPECULATIVE = (Mode.SPECULATIVE.value, Mode.SELF_SPECULATION.value)


def corroborated(facts: Facts, label: str, served: EndpointFacts) -> list[Finding]:
    """One finding where counters were read during this mode's work; no finding where nothing was measured."""
    every = [c for c in facts.counters if c.mode == label]
    mine = [c for c in every if not c.opening]
    if not mine:
        return []

    def grew(*names: str) -> float | None:
        grown = [change for c in mine for name in names if (change := c.grew(name)) is not None]
        return sum(grown) if grown else None

    tokens = grew(*_TOKENS) or 0.0
    if tokens < _ENOUGH:
        few = Corroborated(mode=label, tokens=tokens)
        return [checks.CORROBORATED.found(few, mode=label, known_by=KnownBy.OBSERVED, counts=False)]
    values = Corroborated(
        mode=label, tokens=tokens, verify_calls=grew(*_VERIFY), denoising_steps=grew(*STEPS),
        decode_rounds=grew(*_DECODE) or 0.0, prefill_rounds=grew(*_PREFILL) or 0.0,
    )  # fmt: skip
    outcome, each = _judged(served, values, grew(*COMMITTED))
    update: dict[str, object] = {"outcome": outcome, "each": each}
    cut_short = len(every) > 2 * len(mine)  # a session was killed and its server went too: what it counted is unknown
    if checks.CORROBORATED.outcomes[outcome] is Status.PASS:
        received = _received(facts, label)
        slow = _tokens_a_round(facts, label, served, tokens, values.decode_rounds + values.prefill_rounds)
        if slow is not None and slow <= _ONE:
            update |= {"outcome": "one-token-a-round", "basis": outcome, "each_round": slow}
        elif tokens < 0.9 * received and not cut_short:
            update |= {"outcome": "fewer-than-replied", "basis": outcome, "received": received}
    return [checks.CORROBORATED.found(values.model_copy(update=update), mode=label, known_by=KnownBy.OBSERVED)]


def _judged(served: EndpointFacts, seen: Corroborated, committed: float | None) -> tuple[Counting, float | None]:
    """The outcome, and the tokens for each verify call or denoising step."""
    mode = served.declared_mode or served.observed_mode
    if mode in _SPECULATIVE and engine_of(served.engine).drafts_counted(served.settings):
        return _drafting(seen.tokens, seen.verify_calls)
    if mode == Mode.AUTOREGRESSIVE.value:
        return _autoregressive(served, seen), None
    if seen.denoising_steps:
        each = (committed if committed is not None else seen.tokens) / seen.denoising_steps
        return "steps-gain" if each > _ONE else "steps-gain-nothing", each
    if seen.decode_rounds + seen.prefill_rounds:
        plain = seen.decode_rounds > seen.prefill_rounds and seen.decode_rounds > 0.5 * seen.tokens
        return "rounds-of-decoding" if plain else "rounds", None
    return "nothing-against", None


def _tokens_a_round(facts: Facts, label: str, served: EndpointFacts, tokens: float, rounds: float) -> float | None:
    """About how many a round of upstream's diffusion loop brings; rounds of prompts are estimated. None: not known."""
    if not engine_of(served.engine).round_is_forward(served.settings):
        return None  # elsewhere a block is one pass
    sent = [*of_mode(facts, label), *(s.exchange for s in facts.repeated if s.mode == label)]
    replied = sum(e.completion_tokens or 0 for e in sent)
    prompts = sum((e.prompt_tokens or 0) - (e.cached_tokens or 0) for e in sent)
    if not replied:
        return None
    own = rounds - tokens / replied * prompts / (served.block_size or 1)
    return tokens / own if own > 0 else None


def _drafting(tokens: float, verify: float | None) -> tuple[Counting, float | None]:
    if verify is None:
        return "verify-not-counted", None
    if verify == 0:
        return "no-verify-call", None
    each = tokens / verify
    return "drafts" if each > _ONE else "no-draft-accepted", each


def _autoregressive(served: EndpointFacts, seen: Corroborated) -> Counting:
    if seen.verify_calls:
        return "ar-drafts"
    if seen.denoising_steps:
        return "ar-denoises"
    if seen.prefill_rounds and not seen.decode_rounds:
        return "ar-block-loop-declared" if served.block_loop else "ar-block-loop"
    return "autoregressive"


def _received(facts: Facts, label: str) -> int:
    """Tokens of the replies that the journal holds; warm-ups and probes come on top."""
    timed = {s.exchange.written_at: s.exchange.completion_tokens or 0 for s in facts.timed if s.mode == label}
    scored = [one for one in (*facts.answers, *facts.alone) if one.mode == label]
    asked = {one.exchange.written_at: one.exchange.completion_tokens or 0 for one in scored}
    return sum({**timed, **asked}.values())


def forward_passes(facts: Facts, label: str, endpoint: Endpoint) -> list[Finding]:
    """Exact tokens a forward pass, where the checklist names the fork's statistics file."""
    if endpoint.stats_file is None:
        return []
    mine = [one for one in facts.forwards if one.mode == label]
    passes, tokens = sum(one.forward_passes for one in mine), sum(one.tokens for one in mine)
    if not passes:
        why = next((one.error for one in reversed(mine) if one.error), None)
        unused = ForwardPasses(outcome="not-used", mode=label, why=why)
        return [checks.FORWARDS.found(unused, mode=label, counts=False)]
    each, least = tokens / passes, endpoint.min_tokens_per_forward
    rates = [one.acceptance_rate for one in mine if one.acceptance_rate is not None]
    drafts = base_mode(label) is not Mode.AUTOREGRESSIVE
    few = (drafts and each <= _ONE) or (least is not None and each < least)
    values = ForwardPasses(
        outcome="too-few" if few else "gains", mode=label, tokens=tokens, forward_passes=passes,
        tokens_per_forward=each, accepted=sum(rates) / len(rates) if rates else None, least=least,
    )  # fmt: skip
    return [checks.FORWARDS.found(values, mode=label, known_by=KnownBy.DECLARED)]
