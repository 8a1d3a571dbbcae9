"""What the modes item says of the guards of its figures: typed values, and the sentences made of them."""

from __future__ import annotations

from typing import Literal

from evalkit.analysis.witness import Crowd, GpuCrowd
from evalkit.client.types import Loop
from evalkit.findings import Values, Words
from evalkit.fmt import plural, ratio, share, threshold


class Failures(Values):
    """Requests without an answer, of the mode and of the baseline. `upper`: bound of the mode's share."""

    outcome: Literal["none", "as-rare", "unequal"]
    baseline: str
    failed: int
    requests: int
    upper: float
    baseline_failed: int
    baseline_requests: int

    def words(self) -> Words:
        text = f"{self.failed} of {self.requests} requests failed or came back empty"
        text += f"; {self.baseline_failed} of {self.baseline_requests} of {self.baseline}"
        if self.outcome == "unequal":
            text += ": the times cover different requests"
        return Words(f"{text}.", share(self.failed / self.requests if self.requests else 1.0))


_FASTER_LOOP = (
    "install uvloop where there is one (in evalkit's checkout: pip install '.[fast]'); else close other programs on "
    "this machine, lower `concurrency`, or run evalkit on a machine with more free cores"
)


class ClientError(Values):
    """`share` and `lag_share`: of the median time of the mode. `short`: why the error at this load is not known."""

    outcome: Literal["small", "not-measured", "too-large", "not-known"]
    streams: int
    limit: float
    at_least: float
    share: float | None = None
    error_ms: float | None = None
    median_ms: float | None = None
    lag_ms: float | None = None
    worst_lag_ms: float | None = None
    lag_share: float | None = None
    cpu: float | None = None
    most_cpu: float = 1.0
    transport: str = ""
    loop: Loop | None = None
    short: str | None = None

    def words(self) -> Words:
        limit = f"at most {share(self.limit)} of E2E"
        if self.outcome == "not-measured" or self.share is None:
            text = f"evalkit's own error at {plural(self.streams, 'stream')} was not measured."
            remedy = "run again: the calibration on loopback precedes timing (`evalkit doctor` shows it alone)"
            return Words(text, None, limit, remedy)
        how = f"{self.transport}, {self.loop}" if self.loop else self.transport
        text = (
            f"own error {self.error_ms or 0:.2f} ms, {self.share:.2%} of the median {self.median_ms or 0:.0f} ms at "
            f"{plural(self.streams, 'stream')} ({how}); loop lag p99 {self.lag_ms or 0:.1f} ms (worst "
            f"{self.worst_lag_ms or 0:.1f}), {self.cpu or 0:.0%} of a core"
        )
        causes = [what for what, bad in self._causes() if bad]
        if causes:
            text += f": {' and '.join(causes)} is too much for a claim of {threshold(self.at_least)}"
        faster = _FASTER_LOOP if self.loop == "asyncio" and self.outcome != "small" else None
        return Words(f"{text}{f'; {self.short}' if self.short else ''}.", f"{self.share:.2%}", limit, faster)

    def _causes(self) -> tuple[tuple[str, bool], ...]:
        lag = self.lag_share or 0.0
        return (
            ("the own error", (self.share or 0.0) > self.limit),
            (f"the lag, {share(lag)},", lag > self.limit),
            ("the share of a core", (self.cpu or 0.0) > self.most_cpu),
        )


class WarmedUp(Values):
    outcome: Literal["levelled", "none", "restless"]
    mode: str
    streams: int
    requests: int | None = None
    last_ms: tuple[float, ...] = ()

    def words(self) -> Words:
        match self.outcome:
            case "none":
                return Words(f"no request warmed {self.mode} up at {plural(self.streams, 'stream')}.")
            case "levelled":
                text = f"{self.requests} requests before the first counted one; the last two rounds agree within 15%."
                return Words(text)
            case "restless":
                last = " then ".join(f"{ms:.1f}" for ms in self.last_ms)
                return Words(f"after {self.requests} requests the last rounds still differ ({last} ms a token).")


StreamFault = Literal["together", "contradiction", "twice", "no-done", "no-finish", "cut", "whole", "uncounted"]
_NOTED: dict[StreamFault, str] = {
    "together": "with chunks that arrived together",
    "contradiction": "with counts that contradict the chunks",
    "twice": "with a chunk that came twice",
    "no-done": "without [DONE]",
    "no-finish": "without a finish reason",
    "cut": "with a stream that was cut off",
    "whole": "that were not streamed",
    "uncounted": "without token counts",
}


class Stream(Values):
    """`kinds`: replies by what the client noted of them."""

    outcome: Literal["clean", "noted"]
    replies: int
    kinds: dict[StreamFault, int] = {}  # noqa: RUF012  pydantic copies defaults

    def data(self) -> dict[str, object]:
        return {"replies": self.replies, **{_NOTED[kind]: count for kind, count in self.kinds.items()}}

    def words(self) -> Words:
        if not self.kinds:
            return Words(f"{self.replies} replies, chunk by chunk, with counts that agree.")
        rows = sorted((_NOTED[kind], count) for kind, count in self.kinds.items())
        return Words(f"of {self.replies} replies: {', '.join(f'{count} {text}' for text, count in rows)}.")


class Witness(Values):
    """What else the machine did while modes were timed; `most`: share of the cores that others may use. `busiest`: the
    GPU of a server that they used, beyond the share `most_gpu` or by more memory.
    """

    outcome: Literal["quiet", "steal", "not-known", "crowded", "crowded-gpu"]
    seen: Crowd
    most: float
    busiest: GpuCrowd | None = None
    most_gpu: float = 0.1

    def data(self) -> dict[str, object]:
        return self.seen.model_dump(mode="json")

    def words(self) -> Words:
        load = f", load {self.seen.load:.1f}" if self.seen.load is not None else ""
        steal = f", steal {share(self.seen.steal)}" if self.seen.steal else ""
        rest = f"{load}{steal} on {self.seen.cores} cores"
        if self.outcome == "crowded-gpu" and self.busiest is not None:
            return self._gpu(self.busiest)
        if self.outcome == "not-known":
            return Words(f"a server's process is not known, so other work on this machine looks like its own{rest}.")
        text = f"other processes used {share(self.seen.outside_cpu)} of the cores while modes were timed{rest}"
        if self.outcome == "crowded":
            text += ": the times are of a crowded machine"
        return Words(f"{text}.", share(self.seen.outside_cpu), f"at most {share(self.most)}")

    def _gpu(self, one: GpuCrowd) -> Words:
        what = [f"used {share(one.share)} of its time"] if (one.share or 0.0) > self.most_gpu else []
        what += [f"took {one.grown_gib:.1f} GiB more of its memory"] if not what and one.grown_gib else []
        text = (
            f"GPU {one.gpu}, on which a server runs, was shared: other processes {' and '.join(what)} while modes were "
        )
        return Words(
            f"{text}timed.", share(one.share) if one.share is not None else None, f"at most {share(self.most_gpu)}"
        )


class Beside(Values):
    """Times beside the replies, ms, that may decide a claim; `ratio_without`: the speed-up without them."""

    mode: str
    baseline: str
    mode_ms: float
    baseline_ms: float
    ratio_without: float


class RoundTrip(Beside):
    """Shortest round trips; without their difference."""

    outcome: Literal["not-decisive", "may-decide"]

    def words(self) -> Words:
        text = f"round trip {self.mode_ms:.1f} ms to {self.mode}, {self.baseline_ms:.1f} ms to {self.baseline}"
        if self.outcome == "may-decide":
            without = ratio(self.ratio_without)
            text += f": without the difference the ratio would be {without}, so the network may decide it"
        return Words(f"{text}.", f"{self.mode_ms:.1f} ms, {self.baseline_ms:.1f} ms")


class Tail(Beside):
    """Medians from the last text to the end of the stream; up to the last text."""

    outcome: Literal["may-decide"]

    def words(self) -> Words:
        text = (
            f"streams end {self.mode_ms:.0f} ms behind the last text in {self.mode}, {self.baseline_ms:.0f} ms in "
            f"{self.baseline}: up to that text the ratio is {ratio(self.ratio_without)}, so the late end may decide it"
        )
        return Words(f"{text}.", f"{self.mode_ms:.0f} ms, {self.baseline_ms:.0f} ms")


class SameEngine(Values):
    outcome: Literal["same", "different", "not-known"]
    engine: str | None = None
    baseline_engine: str | None = None

    def words(self) -> Words:
        match self.outcome:
            case "not-known":
                return Words("the engine behind one of the endpoints is not known.")
            case "same":
                return Words(f"both on {self.engine}.")
            case "different":
                return Words(f"{self.engine} against {self.baseline_engine}: the ratio is of engine and mode.")


CacheOutcome = Literal["equal", "unequal", "lower-bound", "helped-less", "not-reported", "not-kept"]


class CacheEqual(Values):
    """`cached`: shares of prompt tokens. `method`: how equal state was arranged; `why`: what kept it from that."""

    outcome: CacheOutcome
    mode: str
    baseline: str
    method: str | None = None
    cached: float | None = None
    baseline_cached: float | None = None
    left: str | None = None
    why: str | None = None

    def words(self) -> Words:
        how = self.method or "left as it was"
        if self.outcome == "not-kept":
            text = f"the cache of {self.left} was not kept equal ({self.why}), and cached tokens are not reported."
            return Words(text)
        if self.outcome == "not-reported":
            return Words(f"the servers do not report cached tokens, which is unknown, not zero (cache: {how}).")
        mine, theirs = share(self.cached or 0.0), share(self.baseline_cached or 0.0)
        text = f"{mine} of the prompt tokens came from the cache, {theirs} for {self.baseline} (cache: {how})."
        if self.outcome == "helped-less":
            text += f" The cache helped {self.mode} less, so its speed-up is a lower bound."
        if self.outcome == "lower-bound":
            text += f" The flush also empties what {self.mode} drafts from, so its speed-up is a lower bound."
        return Words(text)


class Percentile(Values):
    """A target on a percentile. `failed`: the percentile is a failed request; `low_failed`: its lower bound is one."""

    outcome: Literal["within", "beyond", "too-few", "open", "reference"]
    label: str
    target_ms: float
    concurrency: int
    observed_ms: float | None
    low: float | None
    high: float | None
    low_failed: bool
    n: int
    independent: int
    needed: int
    prompts_needed: int | None

    def data(self) -> dict[str, object]:
        names = ("low", "high", "n", "independent", "needed", "prompts_needed")
        return {name: getattr(self, name) for name in names}

    def words(self) -> Words:
        prompts = (
            f"{self.n} prompts" if self.independent == self.n else f"{self.n} prompts ({self.independent} independent)"
        )
        observed = "a failed request" if self.observed_ms is None else f"{self.observed_ms:.0f} ms"
        text, remedy = f"{self.label} is {observed}", None
        match self.outcome:
            case "within":
                text += f", at most {self.high or 0:.0f} ms, on {prompts}"
            case "beyond":
                low = "a failed request" if self.low_failed else f"{self.low or 0:.0f} ms"
                text += f", at least {low}, on {prompts}"
            case "too-few":
                text += f" on {prompts}; a bound needs {self.needed}"
                remedy = f"time {self.needed} independent prompts or more"
            case "reference":
                text += f" on {prompts}, by a reference implementation: not a serving speed"
                remedy = "serve the mode with an engine: `evalkit explain support MODEL` lists what can"
            case "open":
                text += f" on {prompts}; the target lies between its bounds"
                remedy = f"time about {self.prompts_needed} prompts, or relax the target"
        asked = f"target {self.target_ms:g} ms, {plural(self.concurrency, 'stream')}"
        return Words(f"{text} ({asked}).", observed, f"at most {self.target_ms:g} ms", remedy)


class Goodput(Values):
    """Requests that meet every latency target at once."""

    outcome: Literal["met", "missed", "open", "no-target", "reference"]
    asked: float
    met: int = 0
    n: int = 0
    independent: int = 0
    low: float = 0.0
    high: float = 1.0
    prompts_needed: int | None = None

    def data(self) -> dict[str, object]:
        if self.outcome == "no-target":
            return {}
        names = ("met", "n", "independent", "low", "high", "prompts_needed")
        return {name: getattr(self, name) for name in names}

    def words(self) -> Words:
        if self.outcome == "no-target":
            text = "goodput is asked for, but no latency target says what is good."
            return Words(text, remedy="set `items.modes.latency`")
        text = f"{self.met} of {self.n} requests meet every target "
        text += f"({share(self.low)} to {share(self.high)}; asked {share(self.asked)})."
        if self.outcome == "reference":
            text = f"{text[:-1]}, by a reference implementation: not a serving speed."
        remedy = f"time about {self.prompts_needed} prompts" if self.prompts_needed else None
        return Words(text, share(self.met / self.n) if self.n else None, f"at least {share(self.asked)}", remedy)
