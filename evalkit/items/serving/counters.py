"""Serving: what the server's own counters say that it did, against the mode it declares."""

from __future__ import annotations

from evalkit.analysis.exchanges import of_mode
from evalkit.analysis.forwards import COMMITTED, FORK_COUNTS, STEPS
from evalkit.checklist.schema import Endpoint
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy, Status
from evalkit.items.serving import checks
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

_Judged = tuple[Status, str]


def corroborated(facts: Facts, label: str, served: EndpointFacts) -> list[Finding]:
    """One finding where counters were read during this mode's work; no finding where nothing was measured."""
    check = checks.CORROBORATED
    every = [c for c in facts.counters if c.mode == label]
    mine = [c for c in every if not c.opening]
    if not mine:
        return []

    def grew(*names: str) -> float | None:
        told = [change for c in mine for name in names if (change := c.grew(name)) is not None]
        return sum(told) if told else None

    tokens = grew(*_TOKENS)
    if tokens is None or tokens < _ENOUGH:
        text = f"{label}: its counters say too little: {tokens or 0:.0f} tokens while evalkit measured."
        return [check.finding(Status.INCONCLUSIVE, text, mode=label, known_by=KnownBy.OBSERVED, counts=False)]
    verify, steps = grew(*_VERIFY), grew(*STEPS)
    rounds = (grew(*_DECODE) or 0.0, grew(*_PREFILL) or 0.0)
    status, said = _judged(served, tokens, verify, (steps, grew(*COMMITTED)), rounds)
    received = _received(facts, label)
    if status is Status.PASS and (slow := _one_a_round(facts, label, served, tokens, sum(rounds))):
        status, said = Status.WARN, f"{said}; {slow}"
    cut_short = len(every) > 2 * len(mine)  # a session was killed and its server went too: what it counted is unknown
    if status is Status.PASS and tokens < 0.9 * received and not cut_short:
        status = Status.WARN
        said += f", fewer than the {received} that its replies carried: other processes answer too"
    text = f"{label}: {tokens:.0f} tokens counted, {said}."
    data: dict[str, object] = {
        "tokens": tokens, "verify_calls": verify, "denoising_steps": steps,
        "decode_rounds": rounds[0], "prefill_rounds": rounds[1],
    }  # fmt: skip
    return [check.finding(status, text, mode=label, known_by=KnownBy.OBSERVED, data=data)]


def _judged(
    served: EndpointFacts,
    tokens: float,
    verify: float | None,
    steps: tuple[float | None, float | None],
    rounds: tuple[float, float],
) -> _Judged:
    mode = served.declared_mode or served.observed_mode
    if mode in _SPECULATIVE and engine_of(served.engine).drafts_counted(served.settings):
        return _drafting(tokens, verify)
    if mode == Mode.AUTOREGRESSIVE.value:
        return _autoregressive(served, verify, steps[0], rounds)
    if steps[0]:
        each = (steps[1] if steps[1] is not None else tokens) / steps[0]
        gained = each > _ONE
        said = f"{each:.2f} a denoising step" + ("" if gained else ": a forward brings one token, as without diffusion")
        return (Status.PASS if gained else Status.INCONCLUSIVE), said
    if sum(rounds):
        if rounds[0] > rounds[1] and rounds[0] > 0.5 * tokens:
            return Status.INCONCLUSIVE, f"{rounds[0]:.0f} decoding rounds: counted as autoregressive decoding"
        return Status.PASS, f"{sum(rounds):.0f} scheduler rounds, the prompts' included"
    return Status.PASS, "no counter speaks against the mode"


def _one_a_round(facts: Facts, label: str, served: EndpointFacts, tokens: float, rounds: float) -> str | None:
    """Words where a round of upstream's diffusion loop brings at most one token; rounds of prompts are estimated."""
    if not engine_of(served.engine).round_is_forward(served.settings):
        return None  # elsewhere a block is one pass
    sent = of_mode(facts, label)
    replied = sum(e.completion_tokens or 0 for e in sent)
    prompts = sum((e.prompt_tokens or 0) - (e.cached_tokens or 0) for e in sent)
    if not replied:
        return None
    own = rounds - tokens / replied * prompts / (served.block_size or 1)
    if own <= 0 or tokens / own > _ONE:
        return None
    return f"about {tokens / own:.2f} tokens a denoising round, no more than plain decoding brings: see the threshold"


def _drafting(tokens: float, verify: float | None) -> _Judged:
    if verify is None:
        return Status.PASS, "verify calls are not counted by this version"
    if verify == 0:
        return Status.INCONCLUSIVE, "no verify call: the drafter never ran"
    each = tokens / verify
    if each <= _ONE:
        return Status.INCONCLUSIVE, f"{each:.2f} a verify call: no draft is accepted"
    return Status.PASS, f"{verify:.0f} verify calls: {each:.2f} tokens each"


def _autoregressive(
    served: EndpointFacts, verify: float | None, steps: float | None, rounds: tuple[float, float]
) -> _Judged:
    if verify:
        return Status.FAIL, f"{verify:.0f} verify calls: a drafter is at work"
    if steps:
        return Status.FAIL, f"{steps:.0f} denoising steps: this is diffusion"
    if sum(rounds) and not rounds[0]:
        said = f"{rounds[1]:.0f} rounds of the block loop and none of plain decoding"
        return (Status.WARN if served.block_loop else Status.FAIL), said
    return Status.PASS, "no verify call and no denoising step"


def _received(facts: Facts, label: str) -> int:
    """Tokens of the replies that the journal holds; warm-ups and probes come on top."""
    timed = {s.exchange.written_at: s.exchange.completion_tokens or 0 for s in facts.timed if s.mode == label}
    asked = {a.exchange.written_at: a.exchange.completion_tokens or 0 for a in facts.answers if a.mode == label}
    return sum({**timed, **asked}.values())


def forward_passes(facts: Facts, label: str, endpoint: Endpoint) -> list[Finding]:
    """Exact tokens a forward pass, where the checklist names the fork's statistics file."""
    if endpoint.stats_file is None:
        return []
    check, mine = checks.FORWARDS, [one for one in facts.forwards if one.mode == label]
    passes, tokens = sum(one.forward_passes for one in mine), sum(one.tokens for one in mine)
    if not passes:
        why = next((one.error for one in reversed(mine) if one.error), "it told of no forward pass")
        text = f"{label}: the statistics file was not used: {why}."
        remedy = "Run evalkit on the server's machine, and set stats_file in the algorithm's YAML to the same path."
        return [check.finding(Status.INCONCLUSIVE, text, mode=label, counts=False, remedy=remedy)]
    each, least = tokens / passes, endpoint.min_tokens_per_forward
    rates = [one.acceptance_rate for one in mine if one.acceptance_rate is not None]
    text = f"{label}: {tokens} tokens in {passes} forward passes: {each:.2f} each ({FORK_COUNTS})"
    text += f", {sum(rates) / len(rates):.0%} of the drafts accepted" if rates else ""
    status = Status.PASS
    drafts = base_mode(label) is not Mode.AUTOREGRESSIVE
    if (drafts and each <= _ONE) or (least is not None and each < least):
        status = Status.INCONCLUSIVE
        text += f", fewer than {least:g}" if least is not None else ""
        text += ": the drafter (adapter) is probably not loaded"
    return [
        check.finding(
            status,
            f"{text}.",
            mode=label,
            observed=f"{each:.2f} tokens a forward pass",
            threshold=None if least is None else f"{least:g}",
            known_by=KnownBy.DECLARED,
            data={"tokens": tokens, "forward_passes": passes, "tokens_per_forward": each},
        )
    ]
