"""From samples to the figures of a mode in report.json. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from statistics import fmean

from evalkit.analysis.paces import tokens_per_forward
from evalkit.analysis.power import power
from evalkit.analysis.readings import Readings, geometric, value_ms
from evalkit.analysis.replies import counts_agree
from evalkit.analysis.speed import Claim, claims, measure
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.findings import Frozen
from evalkit.modes import INCUMBENT, Mode, base_mode
from evalkit.stats.percentiles import percentile
from evalkit.stats.ratio import RatioEstimate, log_ratios
from evalkit.timing.facts import TimedSample

#: of a claim's outcome, as report.json names it
STATUS = {"shown": "pass", "below": "fail"}


class Quantiles(Frozen):
    """Percentiles in ms; None without a reading."""

    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None


class Rate(Frozen):
    """Output tokens per second of one request (median N/E2E) and of all together."""

    request: float | None = None
    system: float | None = None


class ChunkSizes(Frozen):
    """Tokens per chunk behind the first, and of the first, by the server's own counts."""

    mean: float | None = None
    p50: float | None = None
    p90: float | None = None
    most: int | None = None
    first: float | None = None


class PerForward(Frozen):
    """Tokens per forward pass. The definition says of which pass."""

    value: float
    definition: str


class Speedup(Frozen):
    """Baseline time over mode time, end to end, paired by prompt."""

    baseline: str
    ratio: float
    low: float
    high: float
    confidence: float
    method: str
    pairs: int
    status: str
    slower_share: float
    worst_decile: float
    by_tag: dict[str, float] = {}  # noqa: RUF012  pydantic copies defaults


class Level(Frozen):
    """One mode at one concurrency."""

    concurrency: int
    requests: int
    failed: int
    speedup: Speedup | None
    ttft_ms: Quantiles
    e2e_ms: Quantiles
    first_visible_ms: Quantiles
    chunk_gap_ms: Quantiles
    output_tokens_per_second: Rate
    tokens_per_chunk: ChunkSizes
    tokens_per_forward: PerForward | None
    tokens_per_forward_reason: str = ""
    output_length_ratio: float | None = None
    output_tokens: float | None = None
    #: joules for 1,000 output tokens, all devices of the endpoint together; None where none was watched
    energy_j_per_1000_tokens: float | None = None


class ModeSummary(Frozen):
    """`levels` start with `decide_at`; `crossover` is the lowest concurrency at which the mode no longer wins."""

    mode: str
    levels: tuple[Level, ...] = ()
    speedup: Speedup | None = None
    crossover: int | None = None


def summarise_modes(modes: Sequence[str], facts: Facts, checklist: Checklist) -> dict[str, ModeSummary]:
    """Everything that timing says of each of `modes`."""
    readings = Readings(facts.timed)
    decided = claims(checklist, facts, readings)
    return {mode: _summarise(mode, facts, checklist, readings, decided.get(mode)) for mode in modes}


def _summarise(mode: str, facts: Facts, checklist: Checklist, readings: Readings, decided: Claim | None) -> ModeSummary:
    item = checklist.items.modes
    order = sorted(set(readings.levels(mode)), key=lambda level: (level != item.level, level))
    levels = tuple(_level(mode, level, readings, checklist, decided, facts) for level in order)
    losing = [x.concurrency for x in levels if x.speedup is not None and x.speedup.ratio <= 1]
    return ModeSummary(
        mode=mode,
        levels=levels,
        speedup=levels[0].speedup if levels else None,
        crossover=min(losing, default=None),
    )


def _level(  # noqa: PLR0917  called once, right above
    mode: str, level: int, readings: Readings, checklist: Checklist, decided: Claim | None, facts: Facts
) -> Level:
    good = readings.good(mode, level)
    baseline = checklist.baseline.speed
    forward, reason = _per_forward(mode, good)
    if forward is None and (told := tokens_per_forward(facts, mode)):
        forward, reason = PerForward(value=told[0], definition=told[1]), ""
    tokens = [s.exchange.completion_tokens for s in good if s.exchange.completion_tokens]
    drawn = power(facts, readings, mode, level)
    counted = _counted(mode, level, readings, checklist)
    if not counted:
        tokens, drawn, forward, reason = [], None, None, "the server's token counts contradict its text"
    return Level(
        concurrency=level,
        requests=len(readings.all(mode, level)),
        failed=readings.failed(mode, level),
        speedup=_speedup(mode, level, readings, checklist, decided),
        ttft_ms=_quantiles([s.exchange.first_chunk_us / 1000 for s in good if s.exchange.first_chunk_us is not None]),
        e2e_ms=_quantiles([value_ms(s, "e2e") for s in good]),
        first_visible_ms=_quantiles(
            [s.exchange.first_visible_us / 1000 for s in good if s.exchange.first_visible_us is not None]
        ),
        chunk_gap_ms=_quantiles([(b[0] - a[0]) / 1000 for s in good for a, b in pairwise(s.exchange.chunks)]),
        output_tokens_per_second=_rate(good if counted else ()),
        tokens_per_chunk=_chunk_sizes(good if counted else ()),
        tokens_per_forward=forward,
        tokens_per_forward_reason=reason,
        output_length_ratio=geometric(log_ratios(readings.tokens(mode, level), readings.tokens(baseline, level)))
        if counted
        else None,
        output_tokens=fmean(tokens) if tokens else None,
        energy_j_per_1000_tokens=drawn.joules if drawn else None,
    )


def _counted(mode: str, level: int, readings: Readings, checklist: Checklist) -> bool:
    """Whether figures per token mean something: the count is one that the baseline's, or another mode's, confirms."""
    baseline = checklist.baseline.speed
    others = [baseline] if mode != baseline else [other for other in checklist.modes if other != baseline]
    return not others or any(counts_agree(readings, mode, other, level) for other in others)


def _speedup(mode: str, level: int, readings: Readings, checklist: Checklist, decided: Claim | None) -> Speedup | None:
    baseline, item = checklist.baseline.speed, checklist.items.modes
    if mode == baseline:
        return None
    deciding = decided is not None and level == item.level
    found: RatioEstimate | None
    if decided is not None and deciding:
        found, status = decided.estimate, STATUS.get(decided.outcome, "inconclusive")
    else:
        found, status = measure(readings, checklist, mode, level, item.confidence), "informational"
    if found is None:
        return None
    logs = log_ratios(readings.times(baseline, level), readings.times(mode, level))
    groups: dict[str, dict[str, float]] = {}
    for prompt, tags in readings.tags(mode, level).items():
        for tag in tags if prompt in logs else ():
            groups.setdefault(tag, {})[prompt] = logs[prompt]
    return Speedup(
        baseline=baseline,
        ratio=found.ratio,
        low=found.low,
        high=found.high,
        confidence=found.confidence,
        method=found.method,
        pairs=found.pairs,
        status=status,
        slower_share=found.slower_share,
        worst_decile=found.worst_decile,
        by_tag={tag: value for tag, group in sorted(groups.items()) if (value := geometric(group)) is not None},
    )


def _quantiles(values: Sequence[float]) -> Quantiles:
    ordered = sorted(values)
    if not ordered:
        return Quantiles()
    p50, p90, p95, p99 = (round(percentile(ordered, share), 3) for share in (0.5, 0.9, 0.95, 0.99))
    return Quantiles(p50=p50, p90=p90, p95=p95, p99=p99)


def _rate(good: Sequence[TimedSample]) -> Rate:
    counted = [s for s in good if s.exchange.completion_tokens and s.exchange.e2e_us]
    if not counted:
        return Rate()
    each = sorted((s.exchange.completion_tokens or 0) / (s.exchange.e2e_us or 1) * 1e6 for s in counted)
    busy = _busy_seconds(counted)
    total = sum(s.exchange.completion_tokens or 0 for s in counted)
    return Rate(request=percentile(each, 0.5), system=total / busy if busy else None)


def _busy_seconds(samples: Sequence[TimedSample]) -> float:
    """Seconds in which at least one of the requests was under way."""
    spans: list[tuple[float, float]] = []
    for s in samples:
        if s.exchange.written_at is None:
            return 0.0
        try:
            start = datetime.fromisoformat(s.exchange.written_at).timestamp()
        except (ValueError, OverflowError):
            return 0.0
        spans.append((start, start + (s.exchange.e2e_us or 0) / 1e6))
    total, end = 0.0, float("-inf")
    for start, stop in sorted(spans):
        total += max(0.0, stop - max(start, end))
        end = max(end, stop)
    return total


def _chunk_sizes(good: Sequence[TimedSample]) -> ChunkSizes:
    sizes: list[int] = []
    firsts: list[int] = []
    for s in good:
        counts = [n for _, n in s.exchange.chunks if n is not None]
        if counts:
            firsts.append(counts[0])
            sizes += [b - a for a, b in pairwise(counts) if b >= a]
    if not firsts:
        return ChunkSizes()
    ordered = sorted(sizes)
    return ChunkSizes(
        mean=fmean(sizes) if sizes else None,
        p50=percentile(ordered, 0.5) if sizes else None,
        p90=percentile(ordered, 0.9) if sizes else None,
        most=max(sizes) if sizes else None,
        first=fmean(firsts),
    )


def _per_forward(mode: str, good: Sequence[TimedSample]) -> tuple[PerForward | None, str]:
    counted = [(s.exchange.completion_tokens, s.exchange.server.get("forward_passes")) for s in good]
    told = [(tokens, passes) for tokens, passes in counted if tokens and isinstance(passes, int) and passes > 0]
    if told and len(told) == len(good):
        value = sum(tokens for tokens, _ in told) / sum(passes for _, passes in told)
        return PerForward(
            value=value, definition="tokens per forward pass, as the server counts them in its replies"
        ), ""
    kind = None if mode == INCUMBENT else base_mode(mode)
    if kind is Mode.AUTOREGRESSIVE:
        return PerForward(value=1.0, definition="one token per forward pass, by the method"), ""
    if kind is Mode.DIFFUSION:
        return None, "the server does not count denoising passes in its replies"
    tokens = verifies = 0.0
    for s in good:
        count, verify = s.exchange.completion_tokens, s.exchange.server.get("spec_verify_ct")
        if count and isinstance(verify, (int, float)) and verify > 0:
            tokens, verifies = tokens + count, verifies + verify
    if verifies:
        return PerForward(value=tokens / verifies, definition="tokens per verify pass; draft passes not counted"), ""
    return None, "the server reports no count of verify passes"
