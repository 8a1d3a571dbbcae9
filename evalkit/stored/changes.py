"""What differs between two checklists, and whether the difference makes a GO easier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from evalkit.checklist.files import sha256_of
from evalkit.checklist.schema import Checklist
from evalkit.secrets import redact_words
from evalkit.stored.folder import without_keys

#: +1: a larger value asks more; -1: a smaller value asks more. None asks nothing.
_DIRECTION = {
    "items.modes.speedup.at_least": 1,
    "items.modes.confidence": 1,
    "items.modes.goodput": 1,
    "items.hardware.overhead_gib": 1,
    "items.quality.completeness": 1,
    "items.quality.alpha": -1,
    "items.quality.match_margin": -1,
    "items.quality.incumbent_margin": -1,
    "items.context.need_tokens": 1,
    "items.context.need_output_tokens": 1,
    "items.context.limits.need_rpm": 1,
    "items.context.limits.need_tpm": 1,
    "items.serving.stability.minutes": 1,
}
_PREFIXES = {"items.modes.latency.": -1, "items.quality.margin.": -1, "items.quality.floor.": 1}
#: a truth value that asks more when it is this
_STRICT = {"required": True, "accept_inferred": False, "probe": True}
#: absent, they are counted from what was sent: whether a figure asks more cannot be known
_COUNTED = ("items.context.need_tokens", "items.context.need_output_tokens")
#: of a server, what says nothing about what it runs: where it is, its keys, how it is waited for and ended
_WHERE = frozenset(
    {
        "endpoint", "api_key_env", "admin_key_env", "api_key_header", "stop", "ready_url", "ready_timeout_s", "note",
    }
)  # fmt: skip
#: says nothing about what is decided
_FREE = ("name", "budget.", "cost.", "schema_version")


class Change(NamedTuple):
    """One differing field. `looser` also when it cannot be known: fail closed."""

    path: str
    old: Any
    new: Any
    looser: bool

    def __str__(self) -> str:
        word = "looser" if self.looser else "stricter"
        return f"{self.path}: {self.old!r} -> {self.new!r} ({word})"


def changes(old: Checklist, new: Checklist) -> list[Change]:
    """Differences that could change the verdict, by path."""
    before, after = _flat(old.model_dump(mode="json")), _flat(new.model_dump(mode="json"))
    found = []
    for path in sorted(before.keys() | after.keys()):
        a, b = before.get(path), after.get(path)
        if a == b or path.startswith(_FREE) or _is_place(path):
            continue
        if path == "tasks":
            found += _tasks(a, b)
            continue
        if path.rpartition(".")[2] == "launch":
            a, b = _command(a), _command(b)
            if a == b:
                continue
        found.append(Change(path, a, b, not _stricter(path, _meant(path, before), b)))
    if list(old.modes) != list(new.modes):
        found.append(Change("modes", list(old.modes), list(new.modes), looser=True))
    return found


def _tasks(old: list[Any] | None, new: list[Any] | None) -> list[Change]:
    """Files of cases, and other harnesses: each by itself, as files may be compared by what they hold. Keys in commands
    are masked as the run folder masks them, and where results lie does not count: they are compared by their hash.
    """
    before, after = (None if one is None else [task for task in one if isinstance(task, str)] for one in (old, new))
    found = [] if before == after else [Change("tasks", before, after, looser=True)]
    ran, runs = ([_bare(one) for one in without_keys(tasks) or () if isinstance(one, dict)] for tasks in (old, new))
    return found if ran == runs else [*found, Change("tasks (harnesses)", ran, runs, looser=True)]


def _bare(task: dict[str, Any]) -> dict[str, Any]:
    return {**task, "results": sorted(task["results"] or ())}


def short(digest: str) -> str:
    """As much of a hash as is shown."""
    return digest[:16]


def _is_place(path: str) -> bool:
    head, _, leaf = path.rpartition(".")
    if head.endswith(".cost"):
        return True
    return leaf in _WHERE and (head == "incumbent" or head.startswith("modes."))


def _command(argv: Sequence[str] | None) -> str | None:
    """A launch command by its hash, keys in it masked as the run folder masks them."""
    return None if argv is None else f"sha256 {short(sha256_of(chr(0).join(redact_words(argv))))}"


def _meant(path: str, flat: dict[str, Any]) -> Any:
    """The value at `path`; where none is, the one that is used instead of it."""
    value = flat.get(path)
    if value is not None:
        return value
    if path == "items.quality.incumbent_margin":
        return min(
            (v for p, v in flat.items() if p.startswith("items.quality.margin.") and v is not None), default=None
        )
    parent = path.rpartition(".")[0]
    return flat.get(f"{parent}.default") if parent in ("items.quality.margin", "items.quality.floor") else None


def _flat(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        path = f"{prefix}{key}"
        if isinstance(inner, dict) and inner:
            flat |= _flat(inner, f"{path}.")
        else:
            flat[path] = None if inner == {} else inner
    return flat


def _stricter(path: str, old: Any, new: Any) -> bool:
    if path == "waivers":
        return all(w in (old or []) for w in new or [])
    if path == "items.serving.allow":
        return set(new or []) <= set(old or [])
    leaf = path.rpartition(".")[2]
    if leaf in _STRICT and isinstance(new, bool):
        return new is _STRICT[leaf]
    sign = _DIRECTION.get(path) or next((s for p, s in _PREFIXES.items() if path.startswith(p)), 0)
    if not sign:
        return False
    if new is None or (old is None and path in _COUNTED):
        return False
    return old is None or (new - old) * sign > 0
