"""Where the figures come from: candidate, machines, servers, seeds, hashes; and how to make the run again."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from evalkit.analysis.witness import crowd
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.findings import Frozen
from evalkit.gpu.facts import HardwareFacts
from evalkit.quality.facts import SuiteFacts


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
    hardware = facts.hardware or HardwareFacts()
    names = ("index", "name", "memory_total_bytes", "compute_capability", "mig", "power_limit_w")
    return [{**_fields(gpu, names), "known_by": _known_by(hardware)} for gpu in hardware.gpus]


def _fields(of: Frozen, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(of, name) for name in names}


def _known_by(hardware: HardwareFacts) -> str | None:
    return hardware.known_by.value if hardware.known_by else None


def provenance(checklist: Checklist, facts: Facts) -> dict[str, Any]:
    """Machines, servers, hashes and settings."""
    hardware = facts.hardware or HardwareFacts()
    return {
        "evalkit_version": facts.start.evalkit_version,
        "resumed": [one.model_dump() for one in facts.resumed],
        "python": facts.start.python,
        "platform": facts.start.platform,
        "plan_sha256": facts.start.plan_sha256,
        "checklist_sha256": facts.start.checklist_sha256,
        "seed": facts.start.seed,
        "hardware": {
            "known_by": _known_by(hardware),
            **_fields(hardware, ("place", "declared", "driver", "cuda", "cpu", "cores", "memory_bytes")),
        },
        "request": {
            "temperature": checklist.request.temperature,
            "max_tokens": checklist.request.max_tokens,
            "system_prompt": checklist.request.system is not None,
            "extra_body": sorted(checklist.request.extra_body),
        },
        "prompts": [
            {**p.model_dump(mode="json", exclude={"images_sha256"}), "path": shown_path(p.path, checklist.prompts)}
            for p in facts.prompts
        ],
        "suites": [_suite(s, checklist) for s in facts.suites],
        "servers": [
            {
                "mode": label,
                **_fields(e, ("endpoint", "engine", "engine_version", "release", "model", "revision")),
                "settings": dict(sorted(e.settings.items())),
                "provenance": dict(sorted(e.provenance.items())),
                "launched": e.launched,
            }
            for label, e in facts.endpoints.items()
        ],
        "launches": [
            {
                "mode": launch.mode,
                "launch": launch.launch,
                "argv": list(launch.argv),
                "ready_s": launch.ready_s,
            }
            for launch in facts.launches
        ],
        "caches": [facts.caches[name].model_dump(mode="json") for name in sorted(facts.caches)],
        "client_errors": [e.model_dump(mode="json") for e in facts.client_errors],
    }


def _suite(suite: SuiteFacts, checklist: Checklist) -> dict[str, Any]:
    kept = {"name", "kind", "sha256", "version", "cases", "shipped", "repeats"}
    return {**suite.model_dump(mode="json", include=kept), "path": shown_path(suite.path, checklist.suites)}


def shown_path(path: str, written: list[str] | None) -> str:
    """A file as the checklist writes it, relative to the checklist's folder; the bare name of any other file."""
    parts = PurePath(path).parts
    for text in written or ():
        own = PurePath(os.path.normpath(text))
        if not own.is_absolute() and ".." not in own.parts and parts[-len(own.parts) :] == own.parts:
            return own.as_posix()
    return PurePath(path).name


def reproduce(facts: Facts) -> str:
    """One command that makes the run again; secrets are in the environment and not here."""
    argv = list(facts.start.argv)
    if not argv:
        return "evalkit run"
    return shlex.join(["evalkit", *argv[1:]] if argv[0].endswith(("evalkit", "__main__.py")) else ["evalkit", *argv])


def witness(facts: Facts) -> dict[str, Any] | None:
    """What else the machine did while modes were timed; None where it was not seen."""
    seen = crowd(facts)
    return seen.model_dump(mode="json") if seen else None
