"""Where the figures come from: candidate, machines, servers, seeds, hashes; and how to make the run again."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evalkit.checklist.schema import Checklist
    from evalkit.data import VendorClaim
    from evalkit.run.facts import Facts


def candidate(checklist: Checklist, facts: Facts) -> dict[str, Any]:
    """The model under test at the commit that was read; what was asked for when nothing was read."""
    asked = checklist.candidate
    seen = facts.candidate
    name = seen.model if seen else asked.model if asked else None
    return {
        "model": name,
        "revision": seen.revision if seen else None,
        "requested_revision": seen.requested_revision if seen else asked.revision if asked else None,
        "kind": seen.kind if seen else None,
        "license": list(seen.card.license) if seen and seen.card else [],
        "license_name": seen.card.license_name if seen and seen.card else None,
        "license_link": seen.card.license_link if seen and seen.card else None,
        "base_model": list(seen.base_model) if seen else [],
        "variants": [_variant(v) for v in facts.variants],
    }


def _variant(variant: Any) -> dict[str, Any]:
    return {
        "model": variant.model,
        "revision": variant.revision,
        "license": list(variant.card.license) if variant.card else [],
        "license_name": variant.card.license_name if variant.card else None,
        "error": variant.error,
    }


def gpus(facts: Facts) -> list[dict[str, Any]]:
    """The cards behind the endpoints, without their serial identities."""
    if facts.hardware is None:
        return []
    return [
        {
            "index": gpu.index,
            "name": gpu.name,
            "memory_total_bytes": gpu.memory_total_bytes,
            "compute_capability": gpu.compute_capability,
            "mig": gpu.mig,
            "power_limit_w": gpu.power_limit_w,
            "known_by": facts.hardware.known_by.value if facts.hardware.known_by else None,
        }
        for gpu in facts.hardware.gpus
    ]


def provenance(checklist: Checklist, facts: Facts) -> dict[str, Any]:
    hardware = facts.hardware
    return {
        "evalkit_version": facts.start.evalkit_version,
        "python": facts.start.python,
        "platform": facts.start.platform,
        "plan_sha256": facts.start.plan_sha256,
        "checklist_sha256": facts.start.checklist_sha256,
        "seed": facts.start.seed,
        "hardware": {
            "known_by": hardware.known_by.value if hardware and hardware.known_by else None,
            "place": hardware.place if hardware else "unknown",
            "declared": hardware.declared if hardware else None,
            "driver": hardware.driver if hardware else None,
            "cuda": hardware.cuda if hardware else None,
            "cpu": hardware.cpu if hardware else None,
            "cores": hardware.cores if hardware else None,
            "memory_bytes": hardware.memory_bytes if hardware else None,
        },
        "request": {
            "temperature": checklist.request.temperature,
            "max_tokens": checklist.request.max_tokens,
            "system_prompt": checklist.request.system is not None,
            "extra_body": sorted(checklist.request.extra_body),
        },
        "prompts": [p.model_dump(mode="json") for p in facts.prompts],
        "suites": [
            s.model_dump(
                mode="json", include={"name", "kind", "path", "sha256", "version", "cases", "shipped", "repeats"}
            )
            for s in facts.suites
        ],
        "servers": [
            {
                "mode": label,
                "endpoint": e.endpoint,
                "engine": e.engine,
                "engine_version": e.engine_version,
                "release": e.release,
                "model": e.model,
                "revision": e.revision,
                "settings": dict(sorted(e.settings.items())),
                "provenance": dict(sorted(e.provenance.items())),
                "launched": e.launched,
            }
            for label, e in facts.endpoints.items()
        ],
        "launches": [
            {"mode": launch.mode, "launch": launch.launch, "argv": list(launch.argv), "ready_s": launch.ready_s}
            for launch in facts.launches
        ],
        "caches": [facts.caches[name].model_dump(mode="json") for name in sorted(facts.caches)],
        "client_errors": [e.model_dump(mode="json") for e in facts.client_errors],
    }


def reproduce(facts: Facts) -> str:
    """One command that makes the run again; secrets are in the environment and not here."""
    argv = list(facts.start.argv)
    if not argv:
        return "evalkit run"
    return shlex.join(["evalkit", *argv[1:]] if argv[0].endswith(("evalkit", "__main__.py")) else ["evalkit", *argv])


def vendor_claims(checklist: Checklist, facts: Facts, modes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the vendor reports, each claim beside our figure of the same kind where there is one."""
    from evalkit.data import load_vendor_claims

    model = candidate(checklist, facts)["model"]
    if not model:
        return []
    return [_claim(row, modes) for row in load_vendor_claims() if _about(row, str(model))]


def _about(row: VendorClaim, model: str) -> bool:
    return not row.variant or row.variant.rsplit("/", 1)[-1].lower() == model.rsplit("/", 1)[-1].lower()


def _claim(row: VendorClaim, modes: list[dict[str, Any]]) -> dict[str, Any]:
    document = row.model_dump(include={"claim", "value", "unit", "conditions", "source", "date"})
    if not row.conditions:
        at = f"{row.concurrency} at once" if row.concurrency else None
        parts = (row.hardware, row.precision, at, row.dataset)
        document["conditions"] = ", ".join(part for part in parts if part) or None
    return {**document, "known_by": "vendor-reported", "measured": _measured(row, modes)}


def _measured(row: VendorClaim, modes: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Our figure in the claim's unit for the claim's mode; None when the run has none of that kind."""
    for entry in modes:
        if row.mode is not None and entry["mode"].partition("@")[0] != row.mode:
            continue
        value = _figure(row.unit.lower(), entry)
        if value is not None:
            return {"mode": entry["mode"], "value": value, "unit": row.unit}
    return None


def _figure(unit: str, entry: dict[str, Any]) -> float | None:
    level = next(iter(entry["levels"]), None)
    if level is None:
        return None
    if "forward" in unit:
        tpf = level.get("tokens_per_forward")
        return tpf.get("value") if isinstance(tpf, dict) else None
    if unit in ("tokens/s", "tok/s", "tokens per second"):
        rate = (level.get("output_tokens_per_second") or {}).get("request")
        return float(rate) if isinstance(rate, (int, float)) else None
    return None
