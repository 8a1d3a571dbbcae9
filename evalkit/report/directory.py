"""Builds the entry of a model for a model directory: from the shipped records, a card that was read, or a run. Pure.

Three things are kept apart: that a mode exists, that a program supports it, and that somebody measured it. Every claim
has its source. What nobody looked at is unknown, never a no.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Literal

from evalkit.data import load_licenses, load_related, load_variants, load_vendor_claims
from evalkit.data import records as shipped
from evalkit.data.models import Sourced, Variant
from evalkit.data.records import Family, Record
from evalkit.errors import UsageError
from evalkit.hub.facts import CandidateFacts
from evalkit.modes import base_mode
from evalkit.report.document.model import Report
from evalkit.report.document.model.directory import (
    Architecture,
    Attribution,
    DecodingMode,
    Entry,
    Known,
    License,
    Link,
    Measured,
    OwnEvaluation,
    Settled,
    Status,
    Support,
    Topic,
    VendorClaim,
    YesNo,
)
from evalkit.report.document.model.modes import Mode
from evalkit.report.words import view

RULE = (
    "watch until access, independent benchmarks and production deployment are each settled with a source; then "
    "candidate, or after this team's own run candidate (GO), rejected (NO-GO), adopted (a named person, on a date). "
    "A run of this team settles none of the three."
)
#: the question behind each key, and what is missing while it is open
TOPICS = {
    "access": "not settled: no source was given for who may download the weights, and by which steps",
    "independent_benchmarks": "not settled: every figure known here is the vendor's or this team's own",
    "production_deployment": "not settled: no source was given for a production deployment and how it is served",
}
#: cross-links that belong to one family of models, not to every diffusion language model
_OF_THE_FAMILY = ("code", "report", "collection", "derivative", "upstream", "family", "engine")
_SIZE_OR_KIND = re.compile(r"-(?:\d+(?:\.\d+)?[bm]|a\d+b|vlm|base|instruct|chat|bf16|fp8)$", re.IGNORECASE)
#: units of claims about speed; accuracy tables belong to the report
_SPEED_UNITS = re.compile(r"tokens per (?:forward pass|second)|output speed", re.IGNORECASE)
_KNOWN: Mapping[str, Known] = {"inferred": "inferred", "computed": "inferred", "third-party": "third-party-reported"}
_PARALLEL = ("diffusion", "self-speculation")
_NOWHERE: Attribution = {"source": "none", "date": "unknown", "known_by": "unknown"}


def entry(
    model: str,
    *,
    facts: CandidateFacts | None = None,
    run: Report | None = None,
    settled: Mapping[str, str] | None = None,
    today: date | None = None,
) -> Entry:
    """The entry of `model`; `facts` of its card or `run` of this team where there are any.

    `settled`: topic -> https address, as of `today`.

    Raises:
        UsageError: `settled` holds no such topic, or no address.
    """
    on_hub = "/" in model and not model.startswith((".", "/"))
    provider, name = model.split("/", 1) if on_hub else (None, model.rstrip("/").rsplit("/", 1)[-1])
    architectures = facts.architectures if facts else ()
    kin = shipped.family_of(model, architectures)
    variant = next((v for v in load_variants() if v.id.casefold() == model.casefold()), None)
    modes = _modes(model, architectures, kin, run)
    topics = _settled(settled or {}, today)
    own = _own(run) if run else None
    made: Entry = {
        "schema_version": 1,
        "model": model if on_hub else name,
        "family": family(name),
        "variant": name,
        "provider": provider,
        "revision": (run["candidate"].get("revision") if run else None) or (facts.revision if facts else None),
        "architecture": _architecture(kin, variant, facts, modes),
        "decoding_modes": modes,
        "licenses": list(_licenses(model if on_hub else name, kin, facts, run)),
        "status": _status(topics, own),
        "status_rule": RULE,
        "settled": topics,
        "own_evaluation": own,
        "vendor_reported": list(_claims(name)),
        "related": list(_related(model, kin)),
        "sources": [],
    }
    made["sources"] = list(dict.fromkeys(_addresses(made)))
    return made


def family(name: str) -> str:
    """The name without size and kind: `Nemotron-Labs-Diffusion-VLM-8B` -> `Nemotron-Labs-Diffusion`."""
    short = _SIZE_OR_KIND.sub("", name)
    return short if short == name or not short else family(short)


def outcome(run: Report) -> Status:
    """What the run means for this team: `adopted` needs a named person and a date."""
    if run["simulated"] or run["verdict"] not in ("go", "no-go"):
        return "watch"
    if run["verdict"] == "no-go":
        return "rejected"
    adopted_by = run.get("adopted") or {}
    return "adopted" if adopted_by.get("by") and adopted_by.get("on") else "candidate"


def adopted(run: Report, by: str | None, on: str | None) -> dict[str, str]:
    """Who adopted the candidate, and when.

    Raises:
        UsageError: no person, no date, or nothing that could be adopted.
    """
    if outcome(run) != "candidate":
        raise UsageError(f"the run's outcome is {outcome(run)}: only a candidate can be adopted", hint=RULE)
    try:
        day = date.fromisoformat(on or "")
    except ValueError:
        raise UsageError("--adopted-on takes a date", hint="--adopted-on 2026-11-24") from None
    if not (by or "").strip():
        raise UsageError("--adopted-by takes the name of a person", hint='--adopted-by "A. Person"')
    return {"by": (by or "").strip(), "on": day.isoformat()}


def _by(row: Sourced, known: Known | None = None) -> Attribution:
    return {"source": row.source, "date": row.date, "known_by": known or _KNOWN.get(row.how_read, "declared")}


def _by_run(run: Report, known: Known = "observed") -> Attribution:
    return {"source": f"run {run['run_id']}", "date": view.date(run), "known_by": known}


def _by_card(facts: CandidateFacts, model: str) -> Attribution:
    where = f"https://huggingface.co/{model}" if facts.kind in ("hub", "snapshot") and "/" in model else f"{facts.kind}"
    return {"source": where, "date": (facts.fetched_at or "unknown")[:10], "known_by": "declared"}


# -- modes -------------------------------------------------------------------------------------------------------------


def _modes(model: str, architectures: tuple[str, ...], kin: Family | None, run: Report | None) -> list[DecodingMode]:
    found = shipped.records_for(model, architectures=architectures)
    names = dict.fromkeys([*(kin.decodes if kin else ()), *(r.mode for r in found)])
    measured: dict[str, list[Measured]] = {}
    if run is not None:
        for one in run["modes"]:
            measured.setdefault(base_mode(one["mode"]).value, []).append(_measured(one, run))
    order = ("autoregressive", "diffusion", "self-speculation", "speculative")
    wanted = sorted({*names, *measured}, key=lambda name: (order.index(name) if name in order else len(order), name))
    return [_mode(name, [r for r in found if r.mode == name], kin, measured.get(name, []), run) for name in wanted]


def _mode(
    name: str, found: list[Record], kin: Family | None, measured: list[Measured], run: Report | None
) -> DecodingMode:
    seen = next((r for r in found if r.status not in ("absent", "not-known")), None)
    exists: YesNo = "yes"
    if seen is not None:
        by = _by(seen)
    elif kin is not None and name in kin.decodes:
        by = _by(kin)
    elif measured and run is not None:
        by = _by_run(run, "declared")
    else:
        exists, by = "unknown", _by(found[0]) if found else _NOWHERE
    return {"mode": name, "exists": exists, "exists_by": by, "supported_by": [*map(_support, found)],
            "measured": measured}  # fmt: skip


def _support(row: Record) -> Support:
    engine = shipped.engines().get(row.engine)
    return {
        "engine": engine.title if engine else row.engine, "version": row.version,
        "serves": engine.serves if engine else "unknown", "status": row.status, "note": row.note, "by": _by(row),
    }  # fmt: skip


def _measured(one: Mode, run: Report) -> Measured:
    levels: list[Mapping[str, Any]] = [*one["levels"], {}]
    speed: Mapping[str, Any] = one.get("speedup") or {}
    kept = ("baseline", "ratio", "low", "high", "confidence", "pairs")
    return {
        "configuration": one["mode"],
        "qualified": one["qualified"],
        "concurrency": levels[0].get("concurrency"),
        "speedup": {key: speed.get(key) for key in kept} if speed else None,
        "tokens_per_forward_pass": (levels[0].get("tokens_per_forward") or {}).get("value"),
        "simulated": bool(run["simulated"]),
        "by": _by_run(run),
    }


def _architecture(
    kin: Family | None, variant: Variant | None, facts: CandidateFacts | None, modes: list[DecodingMode]
) -> Architecture:
    has = {one["mode"] for one in modes if one["exists"] == "yes"}
    tags = ["diffusion-language-model"] if has & {*_PARALLEL} or kin is not None else []
    tags += ["parallel-decoding"] if "diffusion" in has else []
    tags += ["self-speculation"] if "self-speculation" in has else []
    if not tags and has:
        tags = ["language-model"]
    by: Attribution = _NOWHERE
    if variant is not None:
        by = _by(variant)
    elif kin is not None:
        by = _by(kin)
    elif facts is not None and facts.error is None:
        by = _by_card(facts, facts.model)
    config = facts.config if facts else {}
    return {
        "tags": tags,
        "name": (variant.architecture if variant else None) or _first(facts.architectures if facts else ())
        or _first(kin.architectures if kin else ()),
        "model_type": (variant.model_type if variant else None) or (facts.model_type if facts else None),
        "attention": kin.attention if kin else None,
        "block_size": (variant.block_size if variant else None)
        or config.get("block_size") or (kin.block if kin else None),
        "parameters": variant.params if variant else None,
        "context_tokens": (variant.config_context if variant else None)
        or (facts.context.config_max if facts else None) or (kin.context if kin else None),
        "trained_context_tokens": (variant.trained if variant else None) or (facts.context.trained if facts else None),
        "by": by,
    }  # fmt: skip


def _first(names: tuple[str, ...]) -> str | None:
    return names[0] if names else None


# -- license, status ---------------------------------------------------------------------------------------------------


def _licenses(model: str, kin: Family | None, facts: CandidateFacts | None, run: Report | None) -> Iterator[License]:
    given: dict[str, tuple[str | None, Attribution]] = {}
    for row in [run["candidate"], *run["candidate"].get("variants", [])] if run else ():
        stated = [row.get("license_name"), *(row.get("license") or [])]
        read = next((text for text in stated if text and text != "other"), None)
        if read or row.get("model"):
            name = str(row.get("model") or model)
            given[name] = (read, _by_run(run, "declared") if run else _NOWHERE)
    if facts is not None and facts.card is not None and facts.error is None and facts.kind != "record":
        given.setdefault(model, (facts.card.spdx or facts.card.license_name or _first(facts.card.license),
                                 _by_card(facts, facts.model)))  # fmt: skip
    for variant in sorted(kin.variants if kin else (), key=lambda v: v.id.casefold() != model.casefold()):
        known: Known | None = "inferred" if variant.license_how_read in ("inferred", "summary") else None
        if not given.get(variant.id, (None, _NOWHERE))[0]:
            given[variant.id] = (variant.license, _by(variant, known))
    if not given and kin is not None:
        given[model] = (kin.license, _by(kin))
    for name, (license_id, by) in given.items():
        yield _license(name, license_id, by)


def _license(model: str, license_id: str | None, by: Attribution) -> License:
    wanted = (license_id or "").casefold()
    rows = (r for r in load_licenses() if wanted and wanted in {r.id.casefold(), (r.spdx or "").casefold(),
                                                                *(a.casefold() for a in r.aliases)})  # fmt: skip
    row = next(rows, None)
    return {
        "model": model, "license": license_id, "commercial": row.terms.commercial if row else "unknown",
        "modify": row.terms.modify if row else "unknown", "redistribute": row.terms.redistribute if row else "unknown",
        "by": by, "terms_by": _by(row) if row else _NOWHERE,
    }  # fmt: skip


def _settled(given: Mapping[str, str], today: date | None) -> Settled:
    topics: dict[str, Topic] = {}
    for key, missing in TOPICS.items():
        topics[key] = {"settled": False, "note": missing, "by": None}
    for name, url in given.items():
        key = name.replace("-", "_")
        if key not in topics:
            raise UsageError(f"--settled {name}: no such question", hint=f"one of {', '.join(TOPICS)}")
        if not re.fullmatch(r"https?://[^\s/]+\S*", url):
            raise UsageError(f"--settled {name}: a source is an https address", hint=f"--settled {name}=https://…")
        by: Attribution = {"source": url, "date": today.isoformat() if today else "unknown", "known_by": "stated"}
        topics[key] = {"settled": True, "note": "a source was given by the person who asked for this entry", "by": by}
    return {"access": topics["access"], "independent_benchmarks": topics["independent_benchmarks"],
            "production_deployment": topics["production_deployment"]}  # fmt: skip


def _status(topics: Settled, own: OwnEvaluation | None) -> Status:
    open_still = not all((topics["access"]["settled"], topics["independent_benchmarks"]["settled"],
                          topics["production_deployment"]["settled"]))  # fmt: skip
    if open_still:
        return "watch"
    return "candidate" if own is None or own["outcome"] == "watch" else own["outcome"]


def _own(run: Report) -> OwnEvaluation:
    found = outcome(run)
    return {
        "run": run["run_id"],
        "date": view.date(run),
        "verdict": run["verdict"],
        "outcome": found,
        "use": dict(run["use"]),
        "recommended_mode": run["recommended_mode"],
        "versus_incumbent": view.versus(run),
        "simulated": bool(run["simulated"]),
        "adopted": run.get("adopted") if found == "adopted" else None,
    }


# -- claims and links --------------------------------------------------------------------------------------------------


def _claims(name: str) -> Iterator[VendorClaim]:
    for row in load_vendor_claims():
        mine = row.variant is not None and row.variant.rsplit("/", 1)[-1].casefold() == name.casefold()
        if mine and _SPEED_UNITS.search(row.unit):
            at = f"concurrency {row.concurrency}" if row.concurrency else None
            parts = (row.mode, row.hardware, row.precision, at, row.dataset, row.conditions)
            yield {"claim": row.claim, "value": row.value, "unit": row.unit,
                   "conditions": ", ".join(part for part in parts if part) or None,
                   "by": _by(row, "vendor-reported")}  # fmt: skip


def _related(model: str, kin: Family | None) -> Iterator[Link]:
    first = kin is not None and kin.candidate
    for row in load_related():
        if (row.relation in _OF_THE_FAMILY and not first) or row.of not in (None, model) or row.id == model:
            continue
        yield {"id": row.id, "relation": row.relation, "title": row.title, "license": row.license, "notes": row.notes,
               "by": _by(row)}  # fmt: skip


def _addresses(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("source"), str) and value["source"].startswith("https://"):
            yield value["source"]
        for one in value.values():
            yield from _addresses(one)
    elif isinstance(value, list):
        for one in value:
            yield from _addresses(one)


#: relations in the order of the page
LINKS: tuple[tuple[Literal["family", "code", "report", "collection", "derivative", "upstream", "engine", "provider",
                           "kv-cache", "compare"], str], ...] = (
    ("family", "Adjacent models of the vendor"), ("code", "Code"), ("report", "Technical report"),
    ("collection", "Collection"), ("upstream", "Upstream"), ("derivative", "Derivatives"), ("engine", "Engines"),
    ("provider", "Hosts"), ("kv-cache", "KV-cache tools"), ("compare", "Other diffusion language models"),
)  # fmt: skip
