"""A YAML record for a model directory. Its status follows from the verdict by a stated rule."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from evalkit.errors import UsageError
from evalkit.report.document.model import Report
from evalkit.report.document.model.modes import Mode
from evalkit.report.document.model.origin import Candidate, VendorClaim
from evalkit.report.words import view
from evalkit.text import sanitize

RULE = (
    "simulated or INCONCLUSIVE: watch; GO: candidate; NO-GO: rejected for this use; "
    "adopted: a candidate that a named person adopted on a date"
)
#: cross-links that belong to one family of models, not to every diffusion language model
_OF_THE_FAMILY = ("code", "report", "collection", "derivative", "upstream", "family")
_FAMILY = "nemotron-labs-diffusion"
_SIZE_OR_KIND = re.compile(r"-(?:\d+(?:\.\d+)?[bm]|a\d+b|vlm|base|instruct|chat|bf16|fp8)$", re.IGNORECASE)
_TPF = "tokens per forward pass"


def status(doc: Report) -> str:
    """`watch`, `candidate`, `rejected`, or `adopted` for a candidate with a named person and a date."""
    if doc["simulated"] or doc["verdict"] not in ("go", "no-go"):
        return "watch"
    if doc["verdict"] == "no-go":
        return "rejected"
    adopted = doc.get("adopted") or {}
    return "adopted" if adopted.get("by") and adopted.get("on") else "candidate"


def adopted(doc: Report, by: str | None, on: str | None) -> dict[str, str]:
    """Who adopted the candidate, and when.

    Raises:
        UsageError: no person, no date, or nothing that could be adopted.
    """
    if status(doc) != "candidate":
        raise UsageError(f"its status is {status(doc)}: only a candidate can be adopted", hint=RULE)
    try:
        day = date.fromisoformat(on or "")
    except ValueError:
        raise UsageError("--adopted-on takes a date", hint="--adopted-on 2026-11-24") from None
    if not (by or "").strip():
        raise UsageError("--adopted-by takes a name: adopted is a person's word", hint='--adopted-by "A. Person"')
    return {"by": (by or "").strip(), "on": day.isoformat()}


def render(doc: Report, *, charts: Mapping[str, str] | None = None) -> str:
    """The record as YAML, keys in a fixed order, texts quoted by the YAML writer."""
    import yaml

    del charts
    head = "# SIMULATED: no figure is about a real model\n" if doc["simulated"] else ""
    return head + yaml.safe_dump(_clean(record(doc)), sort_keys=False, allow_unicode=True, width=100)


def _clean(value: Any) -> Any:
    """Texts without control characters, of bounded length."""
    if isinstance(value, dict):
        return {key: _clean(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_clean(one) for one in value]
    return sanitize(value) if isinstance(value, str) else value


def record(doc: Report) -> dict[str, Any]:
    """The record; vendor figures stand apart from measured ones and say so."""
    candidate = doc["candidate"]
    model = candidate.get("model") or "unknown"
    on_hub = candidate.get("kind") in (None, "hub", "snapshot") and "/" in model
    provider, name = model.split("/", 1) if on_hub else (None, model.rstrip("/").rsplit("/", 1)[-1])
    modes = [m["mode"] for m in doc["modes"]]
    return {
        "model": model if on_hub else name,
        "family": family(name),
        "variant": name,
        "provider": provider,
        "revision": candidate.get("revision"),
        "architecture": {
            "tag": "diffusion-language-model" if any(m != "autoregressive" for m in modes) else "language-model",
            "decoding_modes": modes,
        },
        "license": _licenses(candidate),
        "status": status(doc),
        "status_rule": RULE,
        "adopted": doc.get("adopted") if status(doc) == "adopted" else None,
        "status_for_use": doc["use"],
        "evaluated": {"date": view.date(doc), "run": doc["run_id"], "verdict": doc["verdict"]},
        "recommended_mode": doc["recommended_mode"],
        "versus_incumbent": view.versus(doc),
        "measured": [_measured(entry) for entry in doc["modes"]],
        "vendor_reported": [_vendor(claim) for claim in doc["vendor_claims"]],
        "sources": _sources(doc, model if on_hub else None),
        "related": _related(model),
    }


def family(name: str) -> str:
    """The name without size and kind: `Nemotron-Labs-Diffusion-VLM-8B` -> `Nemotron-Labs-Diffusion`."""
    short = _SIZE_OR_KIND.sub("", name)
    return short if short == name or not short else family(short)


def _licenses(candidate: Candidate) -> list[dict[str, Any]]:
    rows = [candidate, *candidate.get("variants", [])]
    return [{"model": r.get("model"), "license": r.get("license"), "license_name": r.get("license_name")} for r in rows]


def _measured(entry: Mode) -> dict[str, Any]:
    levels: list[Mapping[str, Any]] = [*entry["levels"], {}]
    level = levels[0]
    speed: Mapping[str, Any] = entry.get("speedup") or {}
    forward = level.get("tokens_per_forward") or {}
    kept = ("baseline", "ratio", "low", "high", "confidence", "pairs")
    return {
        "mode": entry["mode"],
        "qualified": entry["qualified"],
        "requests_at_once": level.get("concurrency"),
        "speedup_in_time": {k: speed.get(k) for k in kept} if speed else None,
        "tokens_per_forward_pass": forward.get("value"),
        "counted_as": forward.get("definition"),
    }


def _vendor(claim: VendorClaim) -> dict[str, Any]:
    note = "vendor-reported, unverified"
    if _TPF in str(claim.get("unit") or ""):
        note += "; a count of tokens per forward pass, not time"
    return {k: claim.get(k) for k in ("claim", "value", "unit", "conditions", "source", "date")} | {"note": note}


def _sources(doc: Report, model: str | None) -> list[str]:
    found = [f"https://huggingface.co/{model}"] if model and not doc["simulated"] else []
    found += [e["url"] for item in doc["items"] for f in item["findings"] for e in f["evidence"] if e.get("url")]
    found += [claim["source"] for claim in doc["vendor_claims"] if claim.get("source")]
    return list(dict.fromkeys(found))


def _related(model: str) -> list[dict[str, Any]]:
    from evalkit.data import load_related

    kin = _FAMILY in model.lower()
    rows = [row for row in load_related() if (kin or row.relation not in _OF_THE_FAMILY) and row.of in (None, model)]
    return [row.model_dump(mode="json", exclude_none=True) for row in rows]
