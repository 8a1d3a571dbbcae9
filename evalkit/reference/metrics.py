"""The counters of /metrics, as Prometheus text with SGLang's names and labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from evalkit.reference.state import State

Labels = dict[str, str]
Sample = tuple[str, Labels, float]


def metrics_text(state: State) -> str:
    """All metrics of a server."""
    lines: list[str] = []
    for name, kind, samples in _families(state):
        lines.append(f"# HELP sglang:{name} {name.replace('_', ' ')}.")
        lines.append(f"# TYPE sglang:{name} {kind}")
        lines += [f"sglang:{sample}{_labels(labels)} {float(value)!r}" for sample, labels, value in samples]
    return "\n".join(lines) + "\n"


def _families(state: State) -> Iterator[tuple[str, str, Iterable[Sample]]]:
    counters, script, slots = state.counters, state.script, state.slots
    tokenizer: Labels = {"engine_type": "unified", "model_name": script.model}
    scheduler = {**tokenizer, "moe_ep_rank": "0", "pp_rank": "0", "tp_rank": "0"}
    requests = counters.requests
    for name, sums in (
        ("time_to_first_token_seconds", counters.ttft_s),
        ("e2e_request_latency_seconds", counters.e2e_s),
    ):
        yield name, "histogram", _histogram(name, tokenizer, sums, requests)
    for name, split in (
        ("prompt_tokens_total", counters.prompt_tokens),
        ("generation_tokens_total", counters.generation_tokens),
        ("num_requests_total", requests),
    ):
        yield name, "counter", [(name, _stream(tokenizer, s), split[s]) for s in (False, True) if requests[s]]
    source = {**tokenizer, "cache_source": "device"}
    yield _one("cached_tokens_total", "counter", source, counters.cached_tokens)
    yield _one("num_aborted_requests_total", "counter", tokenizer, counters.aborted)
    yield _one("spec_verify_calls_total", "counter", scheduler, counters.verify_calls)
    passes = (("prefill_none", counters.prefill_passes), ("decode_none", counters.decode_passes))
    name = "cuda_graph_passes_total"
    yield name, "counter", [(name, {**scheduler, "mode": mode}, n) for mode, n in passes if n]
    for gauge, value in (
        ("num_running_reqs", slots.running),
        ("num_queue_reqs", slots.waiting),
        ("gen_throughput", counters.last_throughput),
        ("token_usage", state.cache.tokens / script.max_total_num_tokens),
        ("context_len", script.context_length),
        ("max_total_num_tokens", script.max_total_num_tokens),
        ("page_size", script.page_size),
        ("spec_accept_length", counters.spec_tokens / max(1, counters.verify_calls)),
    ):
        yield _one(gauge, "gauge", scheduler, value)


def _one(name: str, kind: str, labels: Labels, value: float) -> tuple[str, str, Iterable[Sample]]:
    return name, kind, [(name, labels, value)]


def _histogram(name: str, labels: Labels, sums: dict[bool, float], counts: dict[bool, int]) -> list[Sample]:
    out: list[Sample] = []
    for stream in (False, True):
        if counts[stream]:
            mine = _stream(labels, stream)
            out.append((f"{name}_sum", mine, sums[stream]))
            out.append((f"{name}_bucket", {**mine, "le": "+Inf"}, counts[stream]))
            out.append((f"{name}_count", mine, counts[stream]))
    return out


def _stream(labels: Labels, stream: bool) -> Labels:
    return {**labels, "is_streaming": str(stream).lower()}


def _labels(labels: Labels) -> str:
    return "{" + ",".join(f'{key}="{labels[key]}"' for key in sorted(labels)) + "}"
