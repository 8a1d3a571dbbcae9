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
from evalkit.facts import Facts
from evalkit.findings import Frozen
from evalkit.stored.journal import Record


class Kind(NamedTuple):
    """How records of a kind become facts: appended to a tuple, the last one kept, or keyed by an attribute."""

    model: type[Frozen]
    field: str
    key: str | None = None  # attribute that keys a dict
    single: bool = False


def _kind(field: str, key: str | None = None) -> Kind:
    """What the field of `Facts` holds, and whether it holds one."""
    hint = Facts.model_fields[field].annotation
    model = next(one for one in (hint, *get_args(hint)) if isinstance(one, type) and issubclass(one, Frozen))
    return Kind(model, field, key, single=get_origin(hint) not in (tuple, dict))


KINDS: dict[str, Kind] = {
    "start": _kind("start"),
    "resumed": _kind("resumed"),
    "end": _kind("end"),
    "candidate": _kind("candidates"),
    "hardware": _kind("hardware"),
    "endpoint": _kind("endpoints", key="label"),
    "attempt": _kind("attempts", key="mode"),
    "launch": _kind("launches"),
    "sweep": _kind("sweep"),
    "prompts": _kind("prompts"),
    "suite": _kind("suites"),
    "client-error": _kind("client_errors"),
    "warm-up": _kind("warmups"),
    "cache": _kind("caches", key="mode"),
    "timed": _kind("timed"),
    "look": _kind("looks"),
    "repeated": _kind("repeated"),
    "prefix-hits": _kind("prefix_hits"),
    "traffic": _kind("traffic", key="source"),
    "load": _kind("loads"),
    "client-limit": _kind("client_limit"),
    "witness": _kind("witness"),
    "pilot": _kind("pilot"),
    "telemetry": _kind("telemetry"),
    "answer": _kind("answers"),
    "alone": _kind("alone"),
    "sampling": _kind("sampling"),
    "judgement": _kind("judgements"),
    "harness": _kind("harness", key="key"),
    "tool-loop": _kind("tool_loops", key="key"),
    "tie-reading": _kind("ties"),
    "divergence": _kind("divergences", key="key"),
    "context-probe": _kind("context_probes", key="mode"),
    "stability": _kind("stability", key="mode"),
    "preflight": _kind("preflights", key="mode"),
    "counters": _kind("counters"),
    "forwards": _kind("forwards"),
    "afterwards": _kind("afterwards"),
    "error": _kind("errors"),
    "skipped": _kind("skipped"),
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
