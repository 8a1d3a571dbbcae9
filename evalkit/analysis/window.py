"""Every limit of the context in one table, each with how it is known."""

from __future__ import annotations

from evalkit.facts import Facts
from evalkit.findings import Frozen, KnownBy
from evalkit.hub.facts import ContextLimits
from evalkit.modes import Mode, base_mode
from evalkit.serving.engines import engine_of
from evalkit.serving.facts import EndpointFacts

#: tokenizers without a limit of their own write a huge number
_NO_LIMIT = 100_000_000


class Limit(Frozen):
    """One row. `binding`: a request cannot exceed it; the others are shown."""

    source: str
    tokens: int
    known_by: KnownBy
    binding: bool
    mode: str | None = None


def model_limits(limits: ContextLimits | None) -> list[Limit]:
    """What card, configuration, tokenizer and generation defaults say."""
    if limits is None:
        return []
    rows: list[Limit] = []

    def add(source: str, tokens: int | None, *, binding: bool, known_by: KnownBy = KnownBy.DECLARED) -> None:
        if tokens is not None and 0 < tokens < _NO_LIMIT:
            rows.append(Limit(source=source, tokens=tokens, known_by=known_by, binding=binding))

    add(f"config.json {limits.config_source or 'max_position_embeddings'}", limits.config_max, binding=True)
    add("tokenizer model_max_length", limits.tokenizer_max, binding=True)
    add("rope scaling: original length", limits.rope_original, binding=False)
    trained_by = limits.trained_known_by or KnownBy.VENDOR_REPORTED
    add(
        f"trained length ({limits.trained_source or 'source not named'})",
        limits.trained,
        binding=False,
        known_by=trained_by,
    )
    add("generation default max_length", limits.generation_max_length, binding=False)
    add("generation default max_new_tokens", limits.generation_max_new_tokens, binding=False)
    for sentence, tokens in limits.card_claims[:8]:
        add(f"card: {sentence}", tokens, binding=False, known_by=KnownBy.VENDOR_REPORTED)
    return rows


def server_limits(label: str, endpoint: EndpointFacts) -> list[Limit]:
    """What a server reports of itself; the window binds prompt and reply, `max_req_input_len` the prompt alone."""
    told = endpoint.context
    rows = [
        ("window", told.max_model_len, True),
        ("context length", told.context_length, True),
        ("token pool", told.max_total_num_tokens, True),
        ("longest prompt", told.max_req_input_len, False),
        ("longest reply", told.max_output_tokens, False),
    ]
    limits = [
        Limit(source=f"{label} server: {name}", tokens=tokens, known_by=KnownBy.DECLARED, binding=binding, mode=label)
        for name, tokens, binding in rows
        if tokens is not None and tokens > 0
    ]
    reserved = _block(label, endpoint)
    window = usable(limits)
    if reserved and window is not None:
        source = f"{label} server: window less one block of {reserved}"
        rest = max(window - reserved, 0)
        limits.append(Limit(source=source, tokens=rest, known_by=KnownBy.INFERRED, binding=True, mode=label))
    return limits


def usable(limits: list[Limit]) -> int | None:
    """The least binding limit; None when no source reports one."""
    return min((limit.tokens for limit in limits if limit.binding), default=None)


def table(facts: Facts) -> list[dict[str, object]]:
    """All limits as rows, for JSON and the report."""
    rows = model_limits(facts.candidate.context if facts.candidate else None)
    for label, endpoint in facts.endpoints.items():
        rows += server_limits(label, endpoint)
    for label, probe in facts.context_probes.items():
        if probe.longest_ok:
            source = f"{label}: longest prompt that was answered"
            rows.append(
                Limit(source=source, tokens=probe.longest_ok, known_by=KnownBy.OBSERVED, binding=False, mode=label)
            )
    return [row.model_dump(mode="json") for row in rows]


def _block(label: str, endpoint: EndpointFacts) -> int:
    """Some block loops end a reply when a further block would pass the window."""
    try:
        diffusion = base_mode(endpoint.declared_mode or label) is Mode.DIFFUSION
    except ValueError:
        return 0
    return (endpoint.block_size or 0) if diffusion and engine_of(endpoint.engine).reserves_block else 0


def trained_length(limits: ContextLimits) -> Limit | None:
    """As published; else, where rope scaling stretches the window, the length before stretching; else the window."""
    if limits.trained:
        known = limits.trained_known_by or KnownBy.VENDOR_REPORTED
        return Limit(
            source=limits.trained_source or "as published", tokens=limits.trained, known_by=known, binding=False
        )
    tokens, source = None, ""
    if limits.rope_original:
        tokens, source = limits.rope_original, "original length of the rope scaling"
    elif limits.rope_factor and limits.rope_factor > 1 and limits.config_max:
        tokens, source = round(limits.config_max / limits.rope_factor), "configured window over the rope factor"
    elif limits.config_max and not limits.rope_factor:
        tokens, source = limits.config_max, "the configured window, without rope scaling"
    return Limit(source=source, tokens=tokens, known_by=KnownBy.INFERRED, binding=False) if tokens else None
