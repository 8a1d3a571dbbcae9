"""Packaged tables (licenses, vendor claims, variants, related models), each row with source and date.

Loaded on first use, cached, immutable. A malformed packaged table is a fault of the package: pydantic raises.
"""

from __future__ import annotations

from datetime import date
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from evalkit.data import records
from evalkit.data.models import LicenseRow, RawTable, Related, TableInfo, Variant, VendorClaim


@cache
def load_table(name: str) -> RawTable:
    """`evalkit/data/NAME.yaml` as a mapping. Treat it as read-only."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = resources.files(__name__).joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    table = yaml.load(text, Loader=loader)  # noqa: S506  a safe loader, on a packaged file
    if not isinstance(table, dict):
        raise TypeError(f"packaged table {name} is not a mapping")
    return table


@cache
def load_licenses() -> tuple[LicenseRow, ...]:
    """Licenses with what they allow; a row's terms start from the profile it names."""
    table = load_table("licenses")
    profiles: dict[str, dict[str, Any]] = table["profiles"]
    rows = []
    for raw in table["licenses"]:
        row = dict(raw)
        profile = dict(profiles[row.pop("profile")]) if "profile" in row else {}
        obligations = [*profile.pop("obligations", []), *row.pop("obligations", [])]
        row["terms"] = {**profile, **row.get("terms", {})}
        if not row.get("source"):
            row["source"] = f"https://spdx.org/licenses/{row['spdx']}.html"
        row.setdefault("date", table["date"])
        row.setdefault("how_read", "general-knowledge")
        rows.append(LicenseRow(obligations=tuple(obligations), **row))
    return tuple(rows)


@cache
def load_variants() -> tuple[Variant, ...]:
    """The repositories of the first candidates as they were seen."""
    return records.variants()


@cache
def load_vendor_claims() -> tuple[VendorClaim, ...]:
    """Single claims and, cell by cell, the vendor's tables. Accuracy is in percent, TPF in tokens per forward pass."""
    table = load_table("vendor_claims")
    rows = [VendorClaim(**row) for row in table["claims"]]
    for grid in table["grids"]:
        rows.extend(_cells(grid))
    return tuple(rows)


def _cells(grid: dict[str, Any]) -> list[VendorClaim]:
    shared = {key: value for key, value in grid.items() if key not in ("id", "claim", "columns", "rows", "units")}
    units: dict[str, str] = grid.get("units", {})
    cells = []
    for name, values in grid["rows"].items():
        for column, value in zip(grid["columns"], values, strict=True):
            if value is None:
                continue
            cell = {"unit": "percent", **shared, **({"unit": units[name]} if name in units else {})}
            cell.update(
                id=f"{grid['id']}.{name}.{column}".lower().replace(" ", "-"),
                claim=f"{grid['claim']}: {name}",
                value=value,
                mode=column if column != "qwen3-8b" else None,
                dataset=name,
            )
            cells.append(VendorClaim(**cell))
    return cells


@cache
def load_related() -> tuple[Related, ...]:
    """Code, reports, derivatives, upstream models, engines and models to compare with."""
    rows = tuple(Related(**row) for row in load_table("related")["related"])
    return (*rows, *records.related())


def table_info() -> tuple[TableInfo, ...]:
    """Name, date and size of each table, for the report to print their age."""
    made = [
        TableInfo(name=name, date=load_table(name)["date"], rows=len(load()))
        for name, load in (("licenses", load_licenses), ("vendor_claims", load_vendor_claims))
    ]
    support = records.records()
    derived = (("variants", load_variants()), ("related", load_related()), ("support", support))
    return (
        *made,
        *(TableInfo(name=name, date=max(row.date for row in rows), rows=len(rows)) for name, rows in derived),
    )


def table_ages(today: date) -> str:
    """One line: each table with its date, and its age in days where the date has a day."""
    return ", ".join(f"{t.name.replace('_', ' ')} of {t.date}{_age(t.date, today)}" for t in table_info())


def _age(when: str, today: date) -> str:
    try:
        days = (today - date.fromisoformat(when)).days
    except ValueError:
        return ""
    return f" ({days} days old)" if days >= 0 else " (dated after this)"


def demo_path(name: str) -> Path:
    """The shipped snapshot of a fictional model: `trident-8b` or `trident-vlm-8b`."""
    return Path(str(resources.files(__name__).joinpath("demo", f"{name}.json")))
