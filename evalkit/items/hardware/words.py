"""What the hardware item says: the typed values of each check, and the sentences made of them."""

from __future__ import annotations

from typing import Literal

from evalkit import fmt
from evalkit.analysis.need import Need
from evalkit.findings import Values, Words
from evalkit.gpu.facts import HardwareFacts
from evalkit.gpu.fit import FORMULA, MEMORY_SHARE, Load, Placement, pool_context
from evalkit.gpu.memory import Memory
from evalkit.items.context.words import need_text

#: share by which a server's own figure may differ from the formula before it is remarked on
_WEIGHTS_APART = 0.15


def describe(hardware: HardwareFacts) -> str:
    """The hardware in a few words."""
    if hardware.cpu_only:
        memory = f", {hardware.memory_bytes / (1 << 30):.0f} GiB" if hardware.memory_bytes else ""
        cores = f", {hardware.cores} cores" if hardware.cores else ""
        return f"cpu ({hardware.cpu or 'processor not named'}{cores}{memory})"
    whole = [gpu.name for gpu in hardware.gpus if not (gpu.mig and gpu.mig_of is None)]
    names = whole or [gpu.name for gpu in hardware.gpus]
    listed = [f"{names.count(name)}x {name}" if names.count(name) > 1 else name for name in dict.fromkeys(names)]
    driver = f", driver {hardware.driver}" if hardware.driver else ""
    return " + ".join(listed) + driver


class Known(Values):
    """What is behind the endpoints. `devices`: how each endpoint's process was tied to a device."""

    outcome: Literal[
        "found", "declared", "found-noted", "declared-noted", "other-machine", "not-readable", "elsewhere",
        "place-unknown", "nothing-found",
    ]  # fmt: skip
    hardware: str | None = None
    notes: tuple[str, ...] = ()
    devices: dict[str, str] = {}  # noqa: RUF012  pydantic copies defaults
    #: modes that are served by another machine
    unknown_for: tuple[str, ...] = ()
    why: str | None = None

    def words(self) -> Words:
        notes = f" Noticed: {'; '.join(self.notes)}." if self.notes else ""
        unknown = {
            "not-readable": f" ({self.why})",
            "elsewhere": " (it is on another machine)",
            "place-unknown": " (it is on a machine that is not known)",
            "nothing-found": "",
        }
        if self.outcome in unknown:
            text = f"the hardware behind the endpoint is not known{unknown[self.outcome]}"
            return Words(f"{text}: run on the server, or declare it.{notes}")
        if self.outcome == "other-machine":
            served = f"{', '.join(self.unknown_for)} is served by another, unknown machine"
            return Words(f"{self.hardware} was found here, but {served}.{notes}", self.hardware)
        verb = "is declared" if self.outcome.startswith("declared") else "was found here"
        tied = "; ".join(f"{label}: {text}" for label, text in self.devices.items())
        text = f"{self.hardware} {verb}.{notes}" + (f" Endpoints: {tied}." if tied else "")
        return Words(text, self.hardware, remedy="check which of the two is right" if self.notes else None)


class Unsized(Values):
    """Without the memory formula: `why` it does not apply. The servers' own pools, in tokens, may decide alone."""

    outcome: Literal["hardware-unknown", "need-unknown", "model-unknown", "memory-unknown", "pools-alone"]
    #: what the formula lacks
    lacking: Literal["model", "memory"] | None = None
    why: str = ""
    hint: str | None = None
    need: Need | None = None
    server: str | None = None
    pool_tokens: int | None = None
    needed_tokens: int | None = None

    def data(self) -> dict[str, object]:
        return self.model_dump(mode="json", include={"server", "pool_tokens", "needed_tokens"}, exclude_none=True)

    def words(self) -> Words:
        if self.outcome == "hardware-unknown":
            return Words("what fits is not known, because the hardware is not known.", remedy=self.hint)
        if self.outcome == "need-unknown":
            remedy = (
                "say how long your prompts and replies are: `items: {context: {need_tokens: 16384}}`, or give prompts"
            )
            return Words("the number of tokens needed is not known.", remedy=remedy)
        if self.lacking == "memory":
            why = f"what fits is not known: {self.why or 'the memory of the device is not known'}"
        else:
            why = f"the memory formula does not apply: {self.why}"
        if self.outcome == "pools-alone":
            pool, needed = fmt.tokens(self.pool_tokens or 0), fmt.tokens(self.needed_tokens or 0)
            text = f"the running servers keep {pool} ({self.server} the least), and {needed} are needed"
            return Words(f"{text}; {why}.", pool, needed)
        return Words(f"{why}.", threshold=need_text(self.need) if self.need else None, remedy=self.hint)


Fitting = Literal["fits", "pools-hold", "pool-too-small", "pool-not-read", "estimate-too-large", "too-large"]


class Fit(Values):
    """One load on one room, placed by the formula, with what the live servers report of themselves."""

    outcome: Fitting = "fits"
    placed: Placement
    load: Load
    room: Memory
    #: tokens that each live server keeps in its own pool
    pools: dict[str, int]
    #: mode -> GiB by part, as the server reports
    reported: dict[str, dict[str, float]]
    need: Need
    window: int | None
    #: modes that may be recommended and whose server reports no pool
    unread: tuple[str, ...]
    weights_from: str
    #: where the model was not read itself
    model_by: str | None = None

    @property
    def wanted(self) -> int:
        """Tokens that all sequences keep together."""
        return (self.load.context + self.load.image_tokens) * self.load.concurrent

    @property
    def short(self) -> dict[str, int]:
        """Servers whose pool is smaller than that."""
        return {label: pool for label, pool in self.pools.items() if pool < self.wanted}

    def data(self) -> dict[str, object]:
        return {
            "formula": FORMULA,
            "weights_from": self.weights_from,
            "tensor_parallel": self.placed.tp,
            "pools": self.pools,
            **figures(self.placed, self.load),
            "server_memory_gib": self.reported,
        }

    def words(self) -> Words:
        text, remedy = self._text()
        model = f" The model by the {self.model_by}." if self.model_by else ""
        return Words(f"{text}.{model}{self._weights()}", self.placed.need.text(), self._capacity(), remedy)

    def _capacity(self) -> str:
        return f"{self.placed.capacity_gib:.1f} GiB ({fmt.share(MEMORY_SHARE, 0)} of {self.room.name})"

    def _text(self) -> tuple[str, str | None]:
        asked, total, capacity = load_text(self.load), f"{self.placed.need.total_gib:.1f} GiB", self._capacity()
        over = f" over {self.placed.tp} devices" if (self.placed.tp or 1) > 1 else ""
        formula = f"the formula gives {total} for {asked}, more than {capacity}"
        match self.outcome:
            case "fits":
                each = " a device" if over else ""
                return f"{asked} needs {total}{each} and fits on {self.room.label}{over}: the limit is {capacity}", None
            case "pools-hold":
                least = fmt.tokens(min(self.pools.values()))
                return f"{formula}, but the running servers keep {least}: their own figure counts", None
            case "pool-not-read":
                unread = ", ".join(self.unread)
                remedy = f"start the server of {self.unread[0]}, so that its own figure can be read, and resume the run"
                return f"{formula}; the pools that were read are large enough, that of {unread} was not read", remedy
            case "pool-too-small":
                label = min(self.short, key=lambda name: self.short[name])
                pool, part = self.short[label], pool_context(self.short[label], self.load.concurrent)
                text = (
                    f"{asked} fits on {self.room.label}{over}, but the {label} server keeps only {fmt.tokens(pool)}: "
                    f"{part:,} for each of {fmt.plural(self.load.concurrent, 'sequence')}; further requests wait"
                )
                return text, "give the server more memory (--mem-fraction-static) or a smaller KV type"
            case "estimate-too-large":
                remedy = "the need is an estimate: set context.need_tokens"
                return f"{asked} needs {total}, more than {capacity}", remedy
            case "too-large":
                return f"{asked} needs {total}, more than {capacity}", None

    def _weights(self) -> str:
        """The formula's weights compared with what running servers report."""
        weights = {label: gib["weight"] for label, gib in self.reported.items() if gib.get("weight")}
        if not weights:
            return ""
        said = ", ".join(f"{label} {gib:.1f} GiB" for label, gib in weights.items())
        ours = self.placed.need.weights_gib
        far = any(abs(gib - ours) > _WEIGHTS_APART * ours for gib in weights.values())
        why = ": precision or split differ from what is assumed here" if far else ""
        return f" Weights as the servers report them: {said}; our estimate: {ours:.1f} GiB{why}."


def load_text(load: Load) -> str:
    """What is asked of the memory."""
    image = f" and {load.image_tokens:,} of an image" if load.image_tokens else ""
    each = f" for each of {load.concurrent} sequences" if load.concurrent > 1 else ""
    return f"a load of {fmt.tokens(load.context)}{image}{each} at {load.precision}"


def figures(placed: Placement, load: Load) -> dict[str, object]:
    """For the table that sets variants side by side: sizes in GiB, lengths in tokens."""
    return {
        "precision": load.precision,
        "context_tokens": load.context,
        "image_tokens": load.image_tokens,
        "concurrent": load.concurrent,
        "weights_gib": round(placed.need.weights_gib * placed.need.tp, 2),
        "need_gib": round(placed.need.total_gib, 2),
        "fits": placed.tp is not None,
        "max_context_tokens": placed.max_context,
    }


class Longest(Values):
    """The longest context at a precision and concurrency, by the formula or by the pool of `server`."""

    outcome: Literal["enough", "too-short"]
    tokens: int
    needed: int
    precision: str
    concurrent: int
    hardware: str
    server: str | None = None
    pool_tokens: int | None = None
    #: the memory holds more, the configured window does not
    capped: bool = False

    def words(self) -> Words:
        source = f" on {self.hardware}, by the formula"
        if self.server is not None:
            source = f", by the {self.server} server's own pool of {fmt.tokens(self.pool_tokens or 0)}"
        longest = fmt.tokens(self.tokens)
        capped = " (the configured window)" if self.capped else ""
        text = f"at {self.precision} and concurrency {self.concurrent} the longest context is {longest}{capped}{source}"
        return Words(f"{text}.", longest, fmt.tokens(self.needed))


class Variant(Values):
    """Whether another variant fits."""

    outcome: Literal["fits", "too-large", "model-unknown", "memory-or-need-unknown"]
    model: str
    why: str = ""
    placed: Placement | None = None
    load: Load | None = None
    hardware: str = ""

    def data(self) -> dict[str, object]:
        return figures(self.placed, self.load) if self.placed and self.load else {}

    def words(self) -> Words:
        if self.placed is None or self.load is None:
            why = self.why if self.outcome == "model-unknown" else "the hardware's memory or the need is not known."
            return Words(why)
        return Words(
            f"{self.model} needs {self.placed.need.total_gib:.1f} GiB for {load_text(self.load)} and "
            f"{'fits' if self.outcome == 'fits' else 'does not fit'} on {self.hardware} (limit "
            f"{self.placed.capacity_gib:.1f} GiB); longest context {fmt.tokens(self.placed.max_context)}."
        )


class IdleMemory(Values):
    """`processes`: pids of others by device. `gpu` and `gib`: a device in use that lists no process."""

    outcome: Literal["idle", "shared", "taken", "not-readable"]
    processes: dict[int, tuple[int, ...]] = {}  # noqa: RUF012  pydantic copies defaults
    gpu: int | None = None
    gib: float | None = None

    def words(self) -> Words:
        match self.outcome:
            case "idle":
                return Words("no other process was seen on the device.")
            case "shared":
                pids = "; ".join(f"GPU {gpu}: pids {', '.join(map(str, own))}" for gpu, own in self.processes.items())
                return Words(f"other processes use the device: {pids}.")
            case "taken":
                text = f"GPU {self.gpu} has {self.gib or 0:.1f} GiB in use and lists no process"
                return Words(f"{text} (hidden, or of another container).")
            case "not-readable":
                remedy = "look at nvidia-smi while the server is stopped"
                return Words("the memory in use could not be read.", remedy=remedy)


class Throttled(Values):
    """Slow-downs by heat or power: by device at the start, or in a share of the samples of a mode."""

    outcome: Literal["not-throttled", "at-start", "while-timed", "not-readable"]
    reasons: dict[int, tuple[str, ...]] = {}  # noqa: RUF012  pydantic copies defaults
    mode: str | None = None
    slow: int = 0
    samples: int = 0
    why: tuple[str, ...] = ()

    def words(self) -> Words:
        match self.outcome:
            case "not-throttled":
                return Words("no slow-down by heat or power was seen.")
            case "at-start":
                each = "; ".join(f"GPU {gpu}: {', '.join(why)}" for gpu, why in self.reasons.items())
                return Words(f"slowed down already at the start: {each}.")
            case "while-timed":
                seen = f"{self.slow} of {fmt.plural(self.samples, 'sample')}"
                return Words(f"slowed down in {seen} while timed ({', '.join(self.why)}).")
            case "not-readable":
                remedy = "watch nvidia-smi -q -d PERFORMANCE during the run"
                return Words("whether the device is slowed down cannot be read here.", remedy=remedy)


class SameDevice(Values):
    outcome: Literal["different"] = "different"
    devices: dict[str, tuple[str, ...]]

    def words(self) -> Words:
        each = "; ".join(f"{mode}: {', '.join(names)}" for mode, names in self.devices.items())
        return Words(f"the modes run on different devices: {each}.")


class Mig(Values):
    outcome: Literal["sliced"] = "sliced"
    devices: int
    slices: int

    def words(self) -> Words:
        text = f"{fmt.plural(self.devices, 'device')} in MIG mode, {fmt.plural(self.slices, 'slice')}"
        return Words(f"{text}: clocks depend on the neighbours.")


class Ecc(Values):
    outcome: Literal["corrected", "not-corrected"]

    def words(self) -> Words:
        if self.outcome == "corrected":
            return Words("memory is error-corrected.")
        return Words("memory is not error-corrected on every device.")


class VendorHardware(Values):
    outcome: Literal["shown"] = "shown"
    vendor: tuple[str, ...]
    hardware: str | None = None

    def words(self) -> Words:
        text = f"the vendor's speed figures were taken on {', '.join(self.vendor)}"
        return Words(f"{text}; here: {self.hardware or 'unknown hardware'}. They are shown, not counted.")
