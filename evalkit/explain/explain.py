"""What an id means: one text for `evalkit explain` and the docs."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from evalkit.checklist.keys import keys
from evalkit.data import load_licenses, load_variants, load_vendor_claims
from evalkit.errors import UsageError
from evalkit.explain import glossary
from evalkit.explain.catalogue import checks, common
from evalkit.explain.graders import grader_markdown
from evalkit.findings import ITEM_IDS, Check
from evalkit.quality.graders import registry
from evalkit.text import one_line

#: kind of a topic -> heading of its list in docs/findings.md, and its texts
_TABLES = {
    "status": ("Statuses", glossary.STATUSES),
    "verdict or profile": ("Verdicts and profiles", glossary.VERDICTS),
    "exit code": ("Exit codes", glossary.EXIT_CODES),
    "why a request failed": ("Why a request failed", glossary.REQUEST_ERRORS),
    "why a server is unusable": ("Why a server is unusable", glossary.SERVER_ERRORS),
    "why a model's card could not be read": ("Why a model's card could not be read", glossary.HUB_ERRORS),
    "why the GPU could not be asked": ("Why the GPU could not be asked", glossary.GPU_ERRORS),
    "error": ("Errors", glossary.ERRORS),
    "kind of waiver": ("Kinds of waivers", glossary.WAIVERS),
    "how a fact is known": ("How a fact is known", glossary.KNOWN_BY),
    "term": ("Terms", glossary.TERMS),
}


class Topic(NamedTuple):
    """One thing that can be explained. A name can have several: `timeout` of a request and of a server."""

    kind: str
    name: str
    text: str


def explain(name: str) -> str:
    """Markdown for everything that is called `name`; letter case is folded.

    Raises:
        UsageError: there is no entry for so; the hint names the nearest.
    """
    found = topics().get(_fold(name))
    if found:
        return "\n".join(topic.text for topic in found)
    near = suggestions(name)
    hint = f"did you mean {' or '.join(near)}?" if near else "evalkit explain lists every id"
    raise UsageError(f"there is no entry for {one_line(name, limit=80)!r}", hint=hint)


def suggestions(name: str) -> list[str]:
    """Up to three ids that look like `name`, or that end in it."""
    wanted = _fold(name)
    tails = [key for key in topics() if wanted and key.rpartition(".")[2] == wanted]
    near = difflib.get_close_matches(wanted, list(topics()), n=3, cutoff=0.6)
    return [topics()[key][0].name for key in dict.fromkeys([*tails[:1], *near])][:3]


def overview() -> str:
    """Every id, by kind."""
    kinds: dict[str, list[str]] = {}
    for found in topics().values():
        for topic in found:
            kinds.setdefault(topic.kind, []).append(topic.name)
    return "\n".join(f"{kind}\n" + "".join(f"  {name}\n" for name in names) for kind, names in kinds.items())


@cache
def topics() -> dict[str, list[Topic]]:
    """All topics by folded name, in the order of their kinds."""
    found: dict[str, list[Topic]] = {}
    for topic in _all():
        found.setdefault(_fold(topic.name), []).append(topic)
    return found


def _fold(name: str) -> str:
    return name.strip().casefold()


def _all() -> Iterator[Topic]:
    for check in (*checks().values(), *common().values()):
        yield Topic("finding", check.id, finding_markdown(check))
    for kind, (_, table) in _TABLES.items():
        for name, text in table.items():
            yield Topic(kind, name, f"## {name} ({kind})\n\n{text}\n")
    yield from _graders()
    yield from _keys()
    yield from _facts()


def _graders() -> Iterator[Topic]:
    for name, grader in registry().items():
        yield Topic("grader", name, grader_markdown(grader))


def _keys() -> Iterator[Topic]:
    for key in keys():
        text = f"## {key.path} (key of a checklist)\n\n{key.meaning}\n\nTakes: {key.kind}. Default: {key.default}.\n"
        yield Topic("key of a checklist", key.path, text)


def _facts() -> Iterator[Topic]:
    for row in load_licenses():
        yield Topic("license", row.id, _license(row))
    for variant in load_variants():
        yield Topic("variant", variant.id, _variant(variant))
    for claim in load_vendor_claims():
        yield Topic("vendor claim", claim.id, _claim(claim))


def finding_markdown(check: Check) -> str:
    """One finding: what it tests, why, what to do."""
    per = "Decided for each decoding mode." if check.per_mode else "Decided once for the candidate."
    sources = "".join(f"\n- {source}" for source in check.sources)
    tail = f"\nSources:\n{sources}\n" if sources else ""
    title = check.title.rstrip(".")
    return (
        f"## {check.id}\n\n**{title}.** {per}\n\nWhy: {check.why}\n\nWhat to do: {check.remedy}\n"
        f"{_decision_table(check)}{tail}"
    )


def _decision_table(check: Check) -> str:
    """Each outcome that the check declares, with its status."""
    if not check.outcomes:
        return ""
    rows = "".join(f"| `{outcome}` | {status.value} |\n" for outcome, status in check.outcomes.items())
    return f"\n| outcome | status |\n|---|---|\n{rows}"


def _license(row: Any) -> str:
    terms = ", ".join(f"{facet} {getattr(row.terms, facet)}" for facet in ("commercial", "modify", "redistribute"))
    parts = [f"## {row.id} (license)\n\n{row.name}: {terms}. A table's reading, no legal advice."]
    parts += [f"Purpose: {row.terms.purpose}."] if row.terms.purpose != "unknown" else []
    parts += [f"Duty: {duty}" for duty in row.obligations]
    parts += [f"To read: {row.to_read}"] if row.to_read else []
    return "\n\n".join([*parts, *row.notes, _source(row)]) + "\n"


def _variant(row: Any) -> str:
    figures = {
        "parameters": row.params, "configured context": row.config_context, "trained on": row.trained,
        "block size": row.block_size, "commit seen": row.revision_seen,
    }  # fmt: skip
    known = "; ".join(f"{name} {value:,}" if isinstance(value, int) else f"{name} {value}"
                      for name, value in figures.items() if value is not None)  # fmt: skip
    parts = [f"## {row.id} (variant)\n\n{row.kind}, license {row.license}. {known}."]
    return "\n\n".join([*parts, *row.notes, _source(row)]) + "\n"


def _claim(row: Any) -> str:
    about = ", ".join(
        str(part) for part in (row.variant, row.mode, row.hardware, row.precision, row.dataset) if part is not None
    )
    parts = [
        f"## {row.id} (vendor claim)\n\n{row.claim}: {row.value:g} {row.unit} ({about or 'no further conditions'})."
    ]
    parts += [f"Conditions: {row.conditions}."] if row.conditions else []
    parts.append("Vendor-reported: shown next to a measurement, never counted as evidence.")
    return "\n\n".join([*parts, _source(row)]) + "\n"


def _source(row: Any) -> str:
    return f"Source: {row.source}, {row.date} ({row.how_read})."


def findings_markdown() -> str:
    """docs/findings.md: every finding, and every word that a finding or a failure can be explained with."""
    about = "To look up: findings, statuses and words. Generated from the checks; `evalkit explain ID` prints the same."
    parts = [f"# Findings\n\n{about}\n"]
    parts += [finding_markdown(check) for check in checks().values()]
    parts.append("# Findings that every item can have\n")
    parts += [
        f"- `ITEM.{check.id.partition('.')[2]}`: {check.why}"
        for check in common().values()
        if check.item == ITEM_IDS[0]
    ]
    for heading, table in _TABLES.values():
        parts.append(f"\n# {heading}\n")
        parts += [f"- `{name}`: {text}" for name, text in table.items()]
    return "\n".join(parts) + "\n"
