"""The entry of a model in a directory of models: YAML front matter that holds everything, and a page for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evalkit import fmt
from evalkit.report.directory import LINKS, entry
from evalkit.report.document.model import Report
from evalkit.report.document.model.directory import Attribution, DecodingMode, Entry, Support
from evalkit.report.words.quote import cell, cell_code, code, prose
from evalkit.text import sanitize

_LOOKED_AT = ("absent", "not-known")


def render(doc: Report) -> str:
    """The entry of the candidate of a run."""
    candidate = doc["candidate"]
    model = candidate.get("model") or "unknown"
    local = candidate.get("kind") == "folder"
    return page(entry(model.rstrip("/").rsplit("/", 1)[-1] if local else model, run=doc))


def page(made: Entry) -> str:
    """Front matter and Markdown; the same entry gives the same text."""
    import yaml

    front = yaml.safe_dump(clean(made), sort_keys=False, allow_unicode=True, width=100)
    own = made["own_evaluation"]
    simulated = "# SIMULATED: no measured figure is about a real model\n" if own and own["simulated"] else ""
    return f"---\n{simulated}{front}---\n\n" + "\n".join(_body(made)).rstrip() + "\n"


def clean(value: Any) -> Any:
    """Texts without control characters, of bounded length."""
    if isinstance(value, dict):
        return {key: clean(one) for key, one in value.items()}
    if isinstance(value, list):
        return [clean(one) for one in value]
    return sanitize(value) if isinstance(value, str) else value


def _body(made: Entry) -> Iterator[str]:
    own = made["own_evaluation"]
    simulated = "SIMULATED · " if own and own["simulated"] else ""
    yield f"# {simulated}{prose(made['variant'])}\n"
    tags = ", ".join(tag.replace("-", " ") for tag in made["architecture"]["tags"]) or "nothing is recorded of it"
    provider = f" by {code(made['provider'])}" if made["provider"] else ""
    yield f"{code(made['model'])}{provider}: {tags}. Status: **{made['status']}**.\n"
    yield "Kept apart: that a mode exists, that a program supports it, and that somebody measured it.\n"
    yield from _modes(made["decoding_modes"])
    yield from _open(made)
    yield from _own(made)
    yield from _licenses(made)
    yield from _facts(made)
    yield from _claims(made)
    yield from _links(made)


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{'|'.join(' --- ' for _ in heads)}|"
    yield from (f"| {' | '.join(row)} |" for row in rows)
    yield ""


def _modes(modes: list[DecodingMode]) -> Iterator[str]:
    yield "## Decoding modes\n"
    if not modes:
        yield "No mode is recorded, and none was measured: unknown is not the same as absent.\n"
        return
    rows = [
        (one["mode"], f"{one['exists']} ({_said(one['exists_by'])})", _usable(one["supported_by"]),
         "; ".join(_measured(m) for m in one["measured"]) or "not by this team")
        for one in modes
    ]  # fmt: skip
    yield from _table(("Mode", "Exists", "Supported by", "Measured"), rows)
    looked = [(one["mode"], s) for one in modes for s in one["supported_by"] if s["status"] in _LOOKED_AT]
    notes = [(one["mode"], s) for one in modes for s in one["supported_by"] if s["status"] not in _LOOKED_AT]
    if notes:
        yield "What limits the support, and where it was read:\n"
        yield from (f"- {_support(mode, one)}" for mode, one in notes)
        yield ""
    if looked:
        yield "Looked at, and not usable:\n"
        yield from (f"- {_support(mode, one)}" for mode, one in looked)
        yield ""


def _usable(rows: list[Support]) -> str:
    found = [f"{cell(s['engine'])} ({s['status']})" for s in rows if s["status"] not in _LOOKED_AT]
    return ", ".join(dict.fromkeys(found)) or "nothing known"


def _support(mode: str, one: Support) -> str:
    where = f"{prose(one['engine'])} {prose(one['version'])}"
    return f"{mode} on {where}: {one['status']}. {prose(one['note'])} ({_said(one['by'])})"


def _measured(one: Mapping[str, Any]) -> str:
    speed = one["speedup"] or {}
    figure = "no speed-up measured"
    if speed.get("ratio") is not None:
        span = fmt.interval(speed.get("low"), speed.get("high"))
        figure = f"{fmt.ratio(speed['ratio'])} ({span}) the speed of {speed.get('baseline')}"
    return cell(f"{one['configuration']}: {figure}, {one['qualified']} ({one['by']['source']})")


def _open(made: Entry) -> Iterator[str]:
    yield "## What is settled\n"
    rows = []
    for key, topic in made["settled"].items():
        name = key.replace("_", " ")
        rows.append((name, "yes" if topic["settled"] else "no", cell(topic["note"]), _said(topic["by"])))  # type: ignore[index]
    yield from _table(("Question", "Settled", "Note", "Source"), rows)
    yield f"Rule: {prose(made['status_rule'])}\n"


def _own(made: Entry) -> Iterator[str]:
    own = made["own_evaluation"]
    if own is None:
        return
    yield "## This team's evaluation\n"
    mode = f" Recommended mode: {code(own['recommended_mode'])}." if own["recommended_mode"] else ""
    verdict = f"{'SIMULATED: ' if own['simulated'] else ''}{own['verdict'].upper()}"
    yield f"{verdict} on {own['date']} (run {code(own['run'])}): {own['outcome']} for this use.{mode}\n"
    yield f"Against the incumbent: {prose(own['versus_incumbent'])}\n"
    if own["adopted"]:
        yield f"Adopted by {prose(own['adopted'].get('by'))} on {prose(own['adopted'].get('on'))}.\n"


def _licenses(made: Entry) -> Iterator[str]:
    yield "## License of each variant\n"
    rows = [
        (cell_code(one["model"]), cell_code(one["license"]) if one["license"] else "not read", one["commercial"],
         one["modify"], one["redistribute"], _said(one["by"]))
        for one in made["licenses"]
    ]  # fmt: skip
    if not rows:
        yield "No license was read.\n"
        return
    yield from _table(("Variant", "License", "Commercial", "Modify", "Redistribute", "Source"), rows)
    tables = dict.fromkeys(_said(one["terms_by"]) for one in made["licenses"])
    yield f"What a license allows is evalkit's reading of its text ({', '.join(tables)}), no legal advice.\n"


def _facts(made: Entry) -> Iterator[str]:
    shown = {
        "Class": made["architecture"]["name"], "Attention": made["architecture"]["attention"],
        "Block": _count(made["architecture"]["block_size"], "token"),
        "Parameters": _count(made["architecture"]["parameters"], ""),
        "Configured window": _count(made["architecture"]["context_tokens"], "token"),
        "Trained window": _count(made["architecture"]["trained_context_tokens"], "token"),
        "Revision": made["revision"],
    }  # fmt: skip
    yield "## Architecture\n"
    yield from (f"- {name}: {prose(value) if value else 'not read'}" for name, value in shown.items())
    yield f"- Source: {_said(made['architecture']['by'])}\n"


def _count(value: int | None, noun: str) -> str | None:
    if value is None:
        return None
    return fmt.plural(value, noun) if noun else f"{value:,}"


def _claims(made: Entry) -> Iterator[str]:
    if not made["vendor_reported"]:
        return
    yield "## Reported by the vendor\n"
    yield "Never evidence. Tokens per forward pass are a count, not time.\n"
    rows = [
        (cell(one["claim"]), f"{one['value']:g}", cell(one["unit"]), cell(one["conditions"] or "not stated"),
         _said(one["by"]))
        for one in made["vendor_reported"]
    ]  # fmt: skip
    yield from _table(("Claim", "Value", "Unit", "Conditions", "Source"), rows)


def _links(made: Entry) -> Iterator[str]:
    for relation, title in LINKS:
        rows = [one for one in made["related"] if one["relation"] == relation]
        if rows:
            yield f"## {title}\n"
            for one in rows:
                note = f" {prose(one['notes'])}" if one["notes"] else ""
                yield f"- {code(one['id'])}: {prose(one['title'])}.{note} ({_said(one['by'])})"
            yield ""


def _said(by: Attribution | None) -> str:
    """A source with its date, as a link where it is an address."""
    if by is None or by["source"] == "none":
        return "no source"
    source = by["source"]
    plain = source.startswith("https://") and not set(source) & set(" ()<>[]|`\\\n\t\"'")
    shown = f"[{cell(source.removeprefix('https://').split('/')[0])}](<{source}>)" if plain else cell_code(source)
    return f"{shown}, {cell(by['date'])}, {by['known_by']}"
