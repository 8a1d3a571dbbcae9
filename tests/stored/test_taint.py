"""A marker in every text of drawn facts: in no format of a redacted report or pack is it found again."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from pydantic import BaseModel

from evalkit.checklist.schema import Checklist, LoadedChecklist
from evalkit.facts import Facts
from evalkit.report.document.build import build
from evalkit.report.formats import FORMATS
from evalkit.stored.again import document_of
from evalkit.stored.compare import compare
from evalkit.stored.gate import gate
from evalkit.stored.pack import Pack, pack
from evalkit.verdict.decide import decide
from tests.support.drawn import dumped, runs

MARK = "zq7marker"
#: names of fields that stay: ids, names, settings, places, times, kinds, hashes, and what evalkit says of settings.
#: A field that is in neither list fails the test below: say whether it can hold a text of a prompt, reply or server.
STAYS = frozenset({
    "acceptance_rate", "architectures", "argv", "asked", "base_model", "baseline", "case_id", "checklist_sha256",
    "commit", "config", "cpu", "critical", "cuda", "declared", "declared_mode", "declared_why", "driver",
    "endpoint", "endpoint_devices", "engine", "engine_version", "error_kind", "evalkit_version", "fetched_at",
    "finish_reason", "finished_at", "gated", "gateway", "grader", "hint", "id", "imported", "item", "judge", "key",
    "kind", "known_by", "label", "library_name", "license", "license_link", "license_name", "log_path", "matches",
    "mentions", "method", "mode", "model", "model_path", "model_type", "models", "name", "note", "notes",
    "nvml_error", "nvml_error_kind", "observed_mode", "observed_why", "orders", "origin", "outcome", "output_finish",
    "over_limit", "path", "pipeline_tag", "place", "place_why", "plan_sha256", "platform", "process", "prompt_id",
    "prompt_sha256", "provenance", "python", "rate_limits", "record", "release", "remedy", "remote_code",
    "requested_revision", "residue", "resolved_sha256", "revision", "role", "rope_type", "run_id", "same_as",
    "served_models", "server", "settings", "severity", "sha256", "source", "source_sha256", "spdx", "started_at",
    "stopped_by", "suite", "tags", "taken_at", "throttle_reasons", "tool_outcome", "trained_source", "trained_known_by",
    "transport", "unclosed", "unknown_for", "unreadable", "url", "uuid", "value", "version", "what", "written_at", "cluster",
    "card_claims", "config_source", "signs", "api", "at", "cases", "clusters", "docs", "link", "prompts", "reader",
    "attempts", "beyond", "e2e_ms", "ends", "events", "fresh", "harness", "load", "refused", "image_cases", "images_sha256", "last", "sources", "task", "tool_version", "unread", "unseen",
    # keys alone are texts: modes, metrics, depths
    "after", "before", "caches", "context_probes", "counters_after", "counters_before", "divergences", "endpoint_gpus",
    "endpoints", "memory_gib", "preflights", "recalled", "stability", "traffic", "conversation",
    "compute_capability", "probed_at", "finding", "knobs", "template_sha256",
    # bits that are mixed, in a form of their own (tests/analysis/test_copies.py)
    "tool_loops", "sketch",
})  # fmt: skip
#: names that mean a text in one model and stay in another
BY_MODEL = {
    ("ToolCall", "name"): True, ("Look", "reason"): False, ("ServerWarning", "summary"): False,
    ("Conflict", "what"): False,
}  # fmt: skip
HIDDEN = frozenset({
    "arguments", "asked_sha256", "detail", "error", "frame", "gist", "log_tail", "message", "said", "output_error", "over_limit_detail",
    "problems", "prompt_preview", "reason", "reasoning", "reply_sha256", "request_sha256", "special_tokens", "summary", "text",
    "unscored",
})  # fmt: skip


class Stored:
    """A stored run in memory."""

    redacted, cannot = False, ()

    def __init__(self, path: Path, checklist: Checklist, facts: Facts) -> None:
        self.path = path
        self.checklist = lambda: LoadedChecklist(checklist=checklist, path=None, folder=path, sha256="b" * 64)
        self.facts = lambda: facts
        self.verify = lambda facts=None: []


def tainted(value: Any, name: str = "", owner: str = "", inside: bool = False) -> Any:
    """`value` with the marker behind every text that is none of `STAYS`; a field is known by its name and model."""
    if isinstance(value, BaseModel):
        kind = type(value)
        fields = {field: tainted(getattr(value, field), field, kind.__name__) for field in kind.model_fields}
        return kind.model_construct(**fields)
    if isinstance(value, dict):
        marks = name == "detail" and owner == "Grade"
        return {key: tainted(one, name, owner, marks) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(tainted(one, name, owner, inside) for one in value)
    if not isinstance(value, str) or not value or (inside and value == "words"):
        return value
    return f"{value} {MARK}" if inside or holds_text(owner, name) else value


def holds_text(owner: str, name: str) -> bool:
    if (owner, name) in BY_MODEL:
        return BY_MODEL[owner, name]
    return name in HIDDEN


def test_every_text_field_of_facts_is_known() -> None:
    seen: set[type[BaseModel]] = set()
    waiting: list[Any] = [Facts]
    unknown = []
    while waiting:
        kind = waiting.pop()
        waiting.extend(getattr(kind, "__args__", ()))
        if not (isinstance(kind, type) and issubclass(kind, BaseModel)) or kind in seen:
            continue
        seen.add(kind)
        for name, field in kind.model_fields.items():
            waiting.append(field.annotation)
            if re.search(r"\bstr\b|\bAny\b", str(field.annotation)) and name not in STAYS | HIDDEN:
                unknown.append(f"{kind.__name__}.{name}")
    assert len(seen) > 30
    assert sorted(set(unknown)) == []


@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@given(runs())
def test_no_marker_is_left_in_any_format(tmp_path_factory, drawn) -> None:
    checklist, facts = drawn.checklist, tainted(drawn.facts)
    assert MARK in json.dumps(dumped(facts)) or not (drawn.facts.answers or drawn.facts.timed)
    document = build(checklist, facts, decide(checklist, facts, facts.as_of), redact_prompts=True)
    for one in FORMATS:
        assert MARK not in one.render(document, {}), one.name

    place = tmp_path_factory.mktemp("taint")
    stored = Stored(place, checklist, Facts.model_validate_json(json.dumps(dumped(facts))))
    (place / "run.pack").write_bytes(pack(stored, redact=True))
    packed = Pack.open(place / "run.pack")
    assert MARK.encode() not in gzip.decompress((place / "run.pack").read_bytes())
    again = document_of(place / "run.pack")
    for one in FORMATS:
        assert MARK not in one.render(again, {}), one.name
    assert MARK not in str(gate(packed, facts.as_of))
    assert MARK not in str(compare([("a", packed.checklist().checklist, packed.facts())] * 2))


@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@given(runs())
def test_what_is_decided_stays_without_the_texts(drawn) -> None:
    checklist, facts = drawn.checklist, drawn.facts
    whole = build(checklist, facts, decide(checklist, facts, facts.as_of))
    bare = build(checklist, facts, decide(checklist, facts, facts.as_of), redact_prompts=True)
    assert _decided(bare) == _decided(whole)
    assert _figures(bare) == _figures(whole)


def _decided(doc: dict) -> list:
    found = [(f["id"], f.get("mode"), f.get("variant"), f["status"]) for i in doc["items"] for f in i["findings"]]
    return [doc["verdict"], doc["exit_code"], doc["recommended_mode"], *found]


def _figures(value: Any) -> Any:
    """Numbers and truth values by place; texts left out, also those that are keys."""
    if isinstance(value, dict):
        kept = {k: _figures(v) for k, v in value.items() if k != "redacted" and not isinstance(v, str)}
        return {k: len(v) if k in ("unscored", "why_unscored") and isinstance(v, dict) else v for k, v in kept.items()}
    if isinstance(value, list):
        return [_figures(one) for one in value if not isinstance(one, str)]
    return value if value is None or isinstance(value, (bool, int, float)) else None
