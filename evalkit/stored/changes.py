"""What differs between two checklists, and whether the difference makes a GO easier."""

from __future__ import annotations

from typing import Any, NamedTuple

from evalkit.checklist.schema import Checklist

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
#: absent, they are counted from what was sent: whether a figure asks more cannot be told
_COUNTED = ("items.context.need_tokens", "items.context.need_output_tokens")
#: of a mode's endpoint, what a finding is held against
_PROOF = ("stats_file", "min_tokens_per_forward")
#: says nothing about what is decided
_FREE = (
    "name",
    "budget.",
    "cost.",
    "modes.",
    "incumbent.endpoint",
    "incumbent.model",
    "incumbent.api_key_env",
    "schema_version",
)


class Change(NamedTuple):
    """One differing field. `looser` also when it cannot be told: fail closed."""

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
        if a == b or (path.startswith(_FREE) and path.rpartition(".")[2] not in _PROOF):
            continue
        found.append(Change(path, a, b, not _stricter(path, _meant(path, before), b)))
    if list(old.modes) != list(new.modes):
        found.append(Change("modes", list(old.modes), list(new.modes), looser=True))
    return found


def _meant(path: str, flat: dict[str, Any]) -> Any:
    """The value at `path`; where none stands, the one that is used instead of it."""
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
