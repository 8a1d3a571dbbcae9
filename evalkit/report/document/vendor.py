"""What the vendor reports, each claim with our figure of the same kind, with what differs. Never merged, no evidence.

Tokens per forward pass count work inside the server and are only set next to tokens per forward pass.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from evalkit.analysis.speed import reference
from evalkit.data import load_vendor_claims
from evalkit.data.models import VendorClaim
from evalkit.facts import Facts

_BLOCK = re.compile(r"\bblock (\d+)\b")
_THRESHOLD = re.compile(r"\bthreshold (0?\.\d+)\b")
_THRESHOLD_HERE = re.compile(r"@t(0?\.\d+)\b")


def vendor_claims(model: str | None, facts: Facts, modes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The claims about `model`; and, where there are any, those about the models that the vendor compares it with."""
    rows = load_vendor_claims()
    own = [row for row in rows if row.variant and _same(row.variant, model or "")]
    if not own:
        return []
    shown = [row for row in rows if row in own or not row.variant]
    return [_claim(row, facts, modes) for row in shown]


def _same(variant: str, model: str) -> bool:
    return variant.rsplit("/", 1)[-1].lower() == model.rstrip("/").rsplit("/", 1)[-1].lower()


def _claim(row: VendorClaim, facts: Facts, modes: list[dict[str, Any]]) -> dict[str, Any]:
    document = row.model_dump(include={"claim", "value", "unit", "mode", "conditions", "source", "date"})
    at = f"concurrency {row.concurrency}" if row.concurrency else None
    parts = (row.hardware, row.precision, at, row.dataset, row.conditions)
    document["conditions"] = ", ".join(part for part in parts if part) or None
    found = _measured(row, modes)
    measured, level = found or (None, None)
    return {
        **document,
        "known_by": "vendor-reported",
        "measured": measured,
        "differs": _differs(row, facts, measured, level) if measured else [],
    }


def _measured(row: VendorClaim, modes: list[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Our figure in the claim's unit for the claim's mode, with its level; None when the run has none of that kind."""
    if not row.variant or row.mode is None:
        return None
    for entry in modes:
        if entry["mode"].partition("@")[0] != row.mode or not entry["levels"]:
            continue
        level = next((lv for lv in entry["levels"] if lv["concurrency"] == row.concurrency), entry["levels"][0])
        found = _figure(row.unit.lower(), level)
        if found is not None:
            value, unit = found
            return {"mode": entry["mode"], "value": value, "unit": unit, "concurrency": level["concurrency"]}, level
    return None


def _figure(unit: str, level: dict[str, Any]) -> tuple[float, str] | None:
    if unit == "tokens per forward pass":
        forward = level.get("tokens_per_forward") or {}
        return (float(forward["value"]), unit) if forward.get("value") is not None else None
    if unit == "output tokens per second":
        rate = (level.get("output_tokens_per_second") or {}).get("request")
        return (float(rate), "output tokens per second of a request, median") if rate is not None else None
    if unit == "times ar output speed":
        ratio = (level.get("speedup") or {}).get("ratio")
        return (float(ratio), "times the baseline's speed, end to end") if ratio is not None else None
    return None


def _differs(row: VendorClaim, facts: Facts, measured: dict[str, Any], level: dict[str, Any] | None) -> list[str]:
    """What is between the two figures, as far as it is known."""
    lines = []
    cards = sorted({gpu.name for gpu in facts.hardware.gpus}) if facts.hardware else []
    if row.hardware and not any(row.hardware.lower() in card.lower() for card in cards):
        lines.append(f"hardware: {row.hardware}, here {', '.join(cards) or 'unknown'}")
    dtype = _setting(facts, measured["mode"], ("quantization", "dtype"))
    if row.precision and row.precision.lower() not in str(dtype or "").lower():
        lines.append(f"precision: {row.precision}, here {dtype or 'unknown'}")
    if row.concurrency and row.concurrency != measured["concurrency"]:
        lines.append(f"concurrency: {row.concurrency}, here {measured['concurrency']}")
    lines += _decoding(row, facts, measured["mode"])
    if row.dataset:
        lines.append(f"prompts: {row.dataset}, here {', '.join(p.path for p in facts.prompts) or 'none'}")
    definition = (level or {}).get("tokens_per_forward") or {}
    if row.unit == "tokens per forward pass" and definition.get("definition"):
        lines.append(f"counted here: {definition['definition']}")
    if row.unit != "tokens per forward pass" and (label := reference(facts, measured["mode"])):
        lines.append(f"here a {label}")
    if facts.start.simulated:
        lines.append("here simulated")
    return lines


def _decoding(row: VendorClaim, facts: Facts, mode: str) -> list[str]:
    """Block size and threshold, which move speed and accuracy: what the claim says of them next to what is known here.

    No server reports its threshold: it is taken from the name of the configuration (`diffusion@t0.9`).
    """
    said = f"{row.claim}; {row.conditions or ''}"
    endpoint = facts.endpoints.get(mode)
    here = {
        "block size": str(endpoint.block_size) if endpoint and endpoint.block_size else None,
        "threshold": (found := _THRESHOLD_HERE.search(mode)) and found[1],
    }
    lines = []
    for name, pattern in (("block size", _BLOCK), ("threshold", _THRESHOLD)):
        claimed = found[1] if (found := pattern.search(said)) else None
        if claimed is None and name == "block size" and row.mode == "diffusion" and here[name]:
            lines.append(f"{name}: not said, here {here[name]}")
        elif claimed is not None and claimed != here[name]:
            lines.append(f"{name}: {claimed}, here {here[name] or 'unknown'}")
    return lines


def _setting(facts: Facts, mode: str, names: Sequence[str]) -> Any:
    endpoint = facts.endpoints.get(mode)
    return next((endpoint.settings[n] for n in names if endpoint.settings.get(n)), None) if endpoint else None
