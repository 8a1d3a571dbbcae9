"""A cell of a matrix, without the file that it comes from."""

from __future__ import annotations

from evalkit.matrix.plan import Cell


def cell(name="a", **changes):
    return Cell(**{
        "id": name, "variant": "v", "engine": "e", "hardware": "kind", "card": "cpu", "precision": "bf16", "load": None,
        "plan_sha256": "1" * 64, "checklist_sha256": "2" * 64, "requests_sha256": "5" * 64, "minutes": 3, "usd": None, "usd_per_gpu_hour": None,
        "gpus": 0, "most_minutes": 36.0, "launches": False, **changes,
    })  # fmt: skip
