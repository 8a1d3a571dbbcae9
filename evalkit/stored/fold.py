"""Folds journal records into `Facts`. A record kind is one line of `KINDS`."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import islice
from typing import Any, NamedTuple, get_args, get_origin

from pydantic import ValidationError

from evalkit.errors import RunFolderError
from evalkit.facts import CollectError, Facts, Resumed, RunEnd, RunStart, SkippedItem
from evalkit.findings import Frozen
from evalkit.gpu.facts import HardwareFacts, TelemetrySample
from evalkit.harness.facts import HarnessFacts
from evalkit.hub.facts import CandidateFacts
from evalkit.quality.facts import Alone, Answer, Divergence, Judgement, SamplingProbe, SuiteFacts, TieReading, ToolLoop
from evalkit.serving.context_facts import ContextProbe
from evalkit.serving.facts import (
    Afterwards,
    Attempt,
    Counters,
    EndpointFacts,
    ForwardStats,
    LaunchFacts,
    Preflight,
    StabilityFacts,
)
from evalkit.serving.swept import SweepFacts
from evalkit.stored.journal import Record
from evalkit.timing.facts import (
    CacheState,
    ClientError,
    ClientLimit,
    LoadBlock,
    Look,
    Pilot,
    PrefixHits,
    PromptFacts,
    RepeatedSample,
    TimedSample,
    Traffic,
    WarmUp,
    WitnessSample,
)


class Kind(NamedTuple):
    """How records of a kind become facts: appended to a tuple, the last one kept, or keyed by an attribute."""

    model: type[Frozen]
    field: str
    key: str | None = None  # attribute that keys a dict
    single: bool = False


KINDS: dict[str, Kind] = {
    "start": Kind(RunStart, "start", single=True),
    "resumed": Kind(Resumed, "resumed"),
    "end": Kind(RunEnd, "end", single=True),
    "candidate": Kind(CandidateFacts, "candidates"),
    "hardware": Kind(HardwareFacts, "hardware", single=True),
    "endpoint": Kind(EndpointFacts, "endpoints", key="label"),
    "attempt": Kind(Attempt, "attempts", key="mode"),
    "launch": Kind(LaunchFacts, "launches"),
    "sweep": Kind(SweepFacts, "sweep", single=True),
    "prompts": Kind(PromptFacts, "prompts"),
    "suite": Kind(SuiteFacts, "suites"),
    "client-error": Kind(ClientError, "client_errors"),
    "warm-up": Kind(WarmUp, "warmups"),
    "cache": Kind(CacheState, "caches", key="mode"),
    "timed": Kind(TimedSample, "timed"),
    "look": Kind(Look, "looks"),
    "repeated": Kind(RepeatedSample, "repeated"),
    "prefix-hits": Kind(PrefixHits, "prefix_hits"),
    "traffic": Kind(Traffic, "traffic", key="source"),
    "load": Kind(LoadBlock, "loads"),
    "client-limit": Kind(ClientLimit, "client_limit", single=True),
    "witness": Kind(WitnessSample, "witness"),
    "pilot": Kind(Pilot, "pilot", single=True),
    "telemetry": Kind(TelemetrySample, "telemetry"),
    "answer": Kind(Answer, "answers"),
    "alone": Kind(Alone, "alone"),
    "sampling": Kind(SamplingProbe, "sampling"),
    "judgement": Kind(Judgement, "judgements"),
    "harness": Kind(HarnessFacts, "harness", key="key"),
    "tool-loop": Kind(ToolLoop, "tool_loops", key="key"),
    "tie-reading": Kind(TieReading, "ties"),
    "divergence": Kind(Divergence, "divergences", key="key"),
    "context-probe": Kind(ContextProbe, "context_probes", key="mode"),
    "stability": Kind(StabilityFacts, "stability", key="mode"),
    "preflight": Kind(Preflight, "preflights", key="mode"),
    "counters": Kind(Counters, "counters"),
    "forwards": Kind(ForwardStats, "forwards"),
    "afterwards": Kind(Afterwards, "afterwards"),
    "error": Kind(CollectError, "errors"),
    "skipped": Kind(SkippedItem, "skipped"),
}


class Fold:
    """Facts as they are added one by one; `facts()` is what was seen so far."""

    def __init__(self, before: Facts | None = None) -> None:
        """Continue behind the facts of an earlier session."""
        given = {name: getattr(before, name) for name in before.model_fields_set} if before else {}
        self._values: dict[str, Any] = {
            name: list(v) if isinstance(v, tuple) else dict(v) if isinstance(v, dict) else v
            for name, v in given.items()
        }

    @property
    def started(self) -> bool:
        return "start" in self._values

    def add(self, kind: Kind, fact: Frozen) -> None:
        if kind.single:
            self._values[kind.field] = fact
        elif kind.key:
            self._values.setdefault(kind.field, {})[getattr(fact, kind.key)] = fact
        else:
            self._values.setdefault(kind.field, []).append(fact)

    def facts(self) -> Facts:
        return Facts.model_validate({n: tuple(v) if isinstance(v, list) else v for n, v in self._values.items()})


_NOTHING: dict[str, Any] = {}
_set = object.__setattr__


@cache
def _fields(kind: type[Frozen]) -> tuple[set[str], tuple[str, ...]]:
    """Names of all fields of a model, one set for all its facts, and of those whose values several facts can share."""
    fields = kind.model_fields
    return set(fields), tuple(name for name, field in fields.items() if _can_be_shared(field.annotation))


def _can_be_shared(hint: Any) -> bool:
    """Whether a value of this type can be a text, an empty mapping, or hold facts."""
    if hint in (str, Any, object) or get_origin(hint) is dict or (isinstance(hint, type) and issubclass(hint, Frozen)):
        return True
    if get_origin(hint) is tuple:  # of texts nothing is shared
        return any(isinstance(one, type) and issubclass(one, Frozen) for one in get_args(hint))
    return any(map(_can_be_shared, get_args(hint)))


class Lean:
    """Facts that hold what they say once: a large run's memory was mostly sets of field names and equal parts."""

    def __init__(self) -> None:
        #: parts of facts by the hash of what they say: thousands of grades and signs of one reply are alike
        self._known: dict[int, Frozen] = {}
        #: where these parts are: facts that were read so share them already
        self._kept: set[int] = set()
        #: names and a prompt's hashes come back with every reply, and one reply often from several modes
        self._texts: dict[str, str] = {}

    def __call__(self, fact: Frozen) -> Frozen:
        names, shared = _fields(type(fact))
        _set(fact, "__pydantic_fields_set__", names)
        values = fact.__dict__
        for name in shared:
            value = values[name]
            of = value.__class__
            if of is str:
                values[name] = self._texts.setdefault(value, value)
            elif of is tuple:
                if value and isinstance(value[0], Frozen):
                    values[name] = tuple(map(self._part, value))
            elif of is dict:
                values[name] = value or _NOTHING
            elif value is not None and isinstance(value, Frozen):  # such a look costs more than all the others
                values[name] = self._part(value)
        return fact

    def _part(self, value: Frozen) -> Frozen:
        if id(value) in self._kept:
            return value
        lean = self(value)
        said = lean.__dict__
        if len(said) > _SMALL:
            return lean
        known = self._known.setdefault(hash((type(lean), repr(said))), lean)
        if known is lean:
            self._kept.add(id(lean))
            return lean
        return known if known.__class__ is lean.__class__ and known.__dict__ == said else lean


#: parts with more fields than this are never alike
_SMALL = 16
#: records from which on the collector of cycles would spend a third of the time on facts, which have none
MANY = 2_000


@contextmanager
def uncollected(*, many: bool = True) -> Iterator[None]:
    """What is made within is left out of later searches for cycles; not `many`: nothing is done."""
    enabled = many and gc.isenabled()
    if enabled:
        gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.freeze()
            gc.enable()


def _uncollected(records: Iterable[Record]) -> Iterator[Record]:
    """The records; what is made of many of them is left out of later searches for cycles."""
    left = iter(records)
    yield from islice(left, MANY)
    with uncollected():
        yield from left


def fold(records: Iterable[Record], *, where: str) -> Facts:
    """All facts of a journal.

    Raises:
        RunFolderError: no start record, or a record of a kind or shape that this evalkit does not know.
    """
    seen, lean = Fold(), Lean()
    for record in _uncollected(records):
        kind = KINDS.get(record.kind)
        if kind is None:
            raise RunFolderError(
                f"record {record.n} has the unknown kind {record.kind!r}", where=where, hint="upgrade evalkit"
            )
        try:
            seen.add(kind, lean(kind.model.model_validate(record.data)))
        except ValidationError as error:
            detail = error.errors(include_url=False)[0]
            raise RunFolderError(
                f"record {record.n} ({record.kind}) is not readable: {'.'.join(map(str, detail['loc']))}", where=where
            ) from None
    if not seen.started:
        raise RunFolderError("the run never started", where=where)
    return seen.facts()
