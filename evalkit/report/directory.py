"""A YAML record for a model directory. Its status follows from the verdict by a stated rule."""

from __future__ import annotations

from typing import Any

from evalkit.report import view
from evalkit.text import sanitize

RULE = (
    "simulated or INCONCLUSIVE: watch; GO: candidate; NO-GO: rejected for this use; "
    "adopted is written by a named person with a date"
)


def status(doc: dict[str, Any]) -> str:
    """`watch`, `candidate` or `rejected`."""
    if doc["simulated"] or doc["verdict"] not in ("go", "no-go"):
        return "watch"
    return "candidate" if doc["verdict"] == "go" else "rejected"


def render(doc: dict[str, Any]) -> str:
    """The record as YAML, keys in a fixed order, texts quoted by the YAML writer."""
    import yaml

    head = "# SIMULATED: no figure is about a real model\n" if doc["simulated"] else ""
    return head + yaml.safe_dump(_clean(record(doc)), sort_keys=False, allow_unicode=True, width=100)


def _clean(value: Any) -> Any:
    """Texts without control characters, of bounded length."""
    if isinstance(value, dict):
        return {key: _clean(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_clean(one) for one in value]
    return sanitize(value) if isinstance(value, str) else value


def record(doc: dict[str, Any]) -> dict[str, Any]:
    candidate = doc["candidate"]
    model = candidate.get("model") or "unknown"
    provider, slash, name = model.partition("/")
    return {
        "model": model,
        "family": (name if slash else model).rsplit("-", 1)[0],
        "variant": name if slash else model,
        "provider": provider if slash else None,
        "revision": candidate.get("revision"),
        "architecture": {
            "tag": "diffusion-language-model",
            "decoding_modes": [m["mode"] for m in doc["modes"]],
        },
        "license": _licenses(candidate),
        "status": status(doc),
        "status_rule": RULE,
        "status_for_use": doc["use"],
        "evaluated": {"date": view.date(doc), "run": doc["run_id"], "verdict": doc["verdict"]},
        "recommended_mode": doc["recommended_mode"],
        "measured": [_measured(entry) for entry in doc["modes"]],
        "vendor_reported": [
            {
                "claim": c.get("claim"),
                "value": c.get("value"),
                "unit": c.get("unit"),
                "conditions": c.get("conditions"),
                "source": c.get("source"),
                "note": "vendor-reported, unverified",
            }
            for c in doc["vendor_claims"]
        ],
        "related": _related(),
        "versus_incumbent": view.versus(doc),
    }


def _licenses(candidate: dict[str, Any]) -> list[dict[str, Any]]:
    rows = [candidate, *candidate.get("variants", [])]
    return [{"model": r.get("model"), "license": r.get("license"), "license_name": r.get("license_name")} for r in rows]


def _measured(entry: dict[str, Any]) -> dict[str, Any]:
    level = entry["levels"][0] if entry["levels"] else {}
    speed = entry.get("speedup") or {}
    return {
        "mode": entry["mode"],
        "qualified": entry["qualified"],
        "concurrency": level.get("concurrency"),
        "speedup_time": {k: speed.get(k) for k in ("ratio", "low", "high", "pairs")} if speed else None,
        "tokens_per_forward_pass": (level.get("tokens_per_forward") or {}).get("value"),
    }


def _related() -> list[dict[str, Any]]:
    from evalkit.data import load_related

    return [row.model_dump(mode="json", exclude_none=True) for row in load_related()]
