"""The model card: front matter, license mentions and context claims. Foreign text: parsed without trust."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import unquote

from evalkit.hub.facts import CardLicense
from evalkit.hub.restrictions import restrictions
from evalkit.text import one_line

_FRONT = re.compile(r"\A\ufeff?\s*---[ \t]*\r?\n(.*?)(?:^|\n)---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
_FRONT_CAP = 1024 * 1024
_PROSE_CAP = 400_000
_DEPTH = 24
_NODES = 100_000
_TEXTS = 200
_KEYS = ("license", "license_name", "license_link", "base_model", "library_name", "pipeline_tag", "tags")
_STR, _SEQ = "tag:yaml.org,2002:str", "tag:yaml.org,2002:seq"
_LINK = re.compile(
    r"\[((?:!\[[^\]\n]{0,200}+\]\([^)\n]{0,500}+\)|[^\]\[\n]){1,400}+)\]\(\s*+<?([^)\s>]{1,500}+)>?[^)\n]{0,100}+\)"
)
_BADGE = re.compile(r"!\[([^\]\n]{0,200})\]\(([^)\s]{0,500})")
_ANCHOR = re.compile(
    r"<a\s[^>]{0,300}?href=[\"']([^\"'>]{1,500})[\"'][^>]{0,200}>(.{0,600}?)</a>", re.DOTALL | re.IGNORECASE
)
_ALT = re.compile(r"alt=[\"']([^\"'>]{1,200})[\"']", re.IGNORECASE)
_SHIELD = re.compile(r"img\.shields\.io/badge/([^?)\s\"']{1,200})")
_SENTENCE = re.compile(r"[^.!?\n]{3,400}")
_TOKENS = re.compile(r"(?i)\b(\d{1,3}(?:,\d{3})+|\d{3,8}|\d{1,4}(?:\.\d)?\s?[kKmM])\b(?:[- ]?tokens?)?")
_CODE = re.compile(r"^ {0,3}(```|~~~).*?(?:^ {0,3}\1|\Z)|^(?: {4}|\t)[^\n]*$", re.DOTALL | re.MULTILINE)
_CONTEXT = re.compile(r"(?i)context|sequence length|sequences of|input length|output length")


@dataclass
class Card:
    license: CardLicense = field(default_factory=CardLicense)
    base_model: tuple[str, ...] = ()
    library_name: str | None = None
    pipeline_tag: str | None = None
    tags: tuple[str, ...] = ()
    claims: tuple[tuple[str, int], ...] = ()
    notes: list[str] = field(default_factory=list)


def card_in(content: bytes) -> Card:
    """The card in a file. One that is not UTF-8 is not guessed at."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in content[:1024]:
        problem = "README.md is UTF-16 or binary: not read"
        return Card(license=CardLicense(unread=problem), notes=[problem])
    return read_card(content.decode("utf-8", "replace"))


def read_card(text: str) -> Card:
    """The card's fields. Malformed front matter gives empty fields and a note; never raises."""
    notes: list[str] = []
    found = _FRONT.match(text)
    values: dict[str, list[str]] = {}
    gated: list[tuple[str, int]] = []
    if found is None:
        notes.append("README.md has no front matter")
    elif len(found[1]) > _FRONT_CAP:
        notes.append(f"front matter has {len(found[1]):,} characters: not read")
    else:
        values = _front_matter(found[1], notes, gated)
    unread = None if found is None or values else next((n for n in notes if n.endswith("not read")), None)
    prose = (text[found.end() :] if found else text)[:_PROSE_CAP]
    card = from_fields(values)
    # the same lines as the file, without the front matter
    body = "\n" * text[: found.end()].count("\n") + prose if found else prose
    said = {"mentions": _mentions(prose), "sentences": restrictions(body, gated), "unread": unread}
    card.license = card.license.model_copy(update=said)
    card.claims = _claims(prose)
    card.notes = notes
    return card


def from_fields(values: dict[str, list[str]]) -> Card:
    def one(key: str) -> str | None:
        return next(iter(values.get(key, [])), None)

    return Card(
        license=CardLicense(
            license=tuple(values.get("license", [])[:20]),
            license_name=one("license_name"),
            license_link=one("license_link"),
        ),
        base_model=tuple(values.get("base_model", [])[:20]),
        library_name=one("library_name"),
        pipeline_tag=one("pipeline_tag"),
        tags=tuple(values.get("tags", [])[:100]),
    )


def _front_matter(text: str, notes: list[str], gated: list[tuple[str, int]]) -> dict[str, list[str]]:
    import yaml

    loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    try:
        problem = _bomb(yaml.parse(text, Loader=loader), yaml)
        if problem:
            notes.append(f"front matter {problem}: not read")
            return {}
        node = yaml.compose(text, Loader=loader)
    except (yaml.YAMLError, ValueError, RecursionError) as e:
        mark = getattr(e, "problem_mark", None)
        where = f" at line {mark.line + 2}" if mark else ""
        notes.append(f"front matter is malformed{where}: not read")
        return {}
    if not isinstance(node, yaml.MappingNode):
        notes.append("front matter is not a mapping: not read")
        return {}
    values: dict[str, list[str]] = {}
    for key, value in node.value:
        name = key.value if isinstance(key, yaml.ScalarNode) else None
        if name is not None and name.startswith("extra_gated_"):
            gated += _texts(value, yaml)
        if name not in _KEYS:
            continue
        if name in values:
            notes.append(f"front matter gives {name} twice: both are kept")
        values.setdefault(name, []).extend(_scalars(value, yaml, name, notes))
    return values


def _texts(node: Any, yaml: Any) -> list[tuple[str, int]]:
    """All texts of a node, keys included, with their lines in the file."""
    found: list[tuple[str, int]] = []
    waiting = [node]
    while waiting and len(found) < _TEXTS:
        one = waiting.pop()
        if isinstance(one, yaml.ScalarNode):
            found.append((one.value[:20_000], one.start_mark.line + 2))
        elif isinstance(one, yaml.MappingNode):
            waiting += [part for pair in one.value for part in pair]
        else:
            waiting += one.value
    return found


def _bomb(events: Any, yaml: Any) -> str | None:
    depth = 0
    for count, event in enumerate(events):
        if isinstance(event, yaml.AliasEvent):
            return "uses aliases"
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEPTH:
            return f"is nested more than {_DEPTH} deep"
        if count > _NODES:
            return "has too many entries"
    return None


def _scalars(node: Any, yaml: Any, name: str, notes: list[str]) -> list[str]:
    nodes = node.value if isinstance(node, yaml.SequenceNode) and node.tag == _SEQ else [node]
    values = []
    for entry in nodes[:200]:
        if not isinstance(entry, yaml.ScalarNode) or entry.tag != _STR:
            notes.append(f"front matter: {name} is of the wrong type")
            continue
        text = one_line(entry.value, limit=500)
        if text and text.lower() not in ("null", "~"):
            values.append(text)
    return values


def _mentions(prose: str) -> tuple[tuple[str, str | None], ...]:
    found: dict[tuple[str, str | None], None] = {}
    links = [(m[1], m[2]) for m in _LINK.finditer(prose)] + [(m[2], m[1]) for m in _ANCHOR.finditer(prose)]
    for label, link in links:
        if re.search(r"(?i)licen[sc]e", label + link):
            found[_label(label), one_line(link, limit=500)] = None
    stripped = re.sub(r"\]\([^)\n]{0,500}\)|<[^>\n]{0,500}>|[\[\]!*_`#]", " ", prose)
    for sentence in _SENTENCE.findall(stripped):
        if re.search(r"(?i)licen[sc]ed? |licen[sc]e$|governed by", sentence):
            found[one_line(sentence, limit=300), None] = None
    return tuple(found)[:40]


def _label(raw: str) -> str:
    badge = _BADGE.search(raw) or _ALT.search(raw)
    shield = _SHIELD.search(raw)
    parts = [badge[1]] if badge else [re.sub(r"<[^>]*>", " ", raw)]
    if shield:
        parts = [unquote(re.sub(r"-[a-z0-9]+(?:\.svg)?\Z", "", shield[1])).replace("--", "-").replace("_", " ")]
    return one_line(re.sub(r"(?i)\A\s*licen[sc]e\s*[-:]\s*", "", " ".join(parts)), limit=200)


def _claims(prose: str) -> tuple[tuple[str, int], ...]:
    claims = []
    spoken = _CODE.sub("\n", prose)  # a command line is not a claim
    for sentence in _SENTENCE.findall(re.sub(r"(?<=\d)\.(?=\d)", "·", spoken)):
        if not _CONTEXT.search(sentence):
            continue
        for match in _TOKENS.finditer(sentence.replace("·", ".")):
            tokens = _tokens(match[1])
            if 256 <= tokens <= 100_000_000:
                claims.append((one_line(sentence.replace("·", "."), limit=240), tokens))
    return tuple(dict.fromkeys(claims))[:12]


def _tokens(text: str) -> int:
    unit = text[-1].lower()
    scale = {"k": 1024, "m": 1024 * 1024}.get(unit, 1)
    return int(float(text[:-1]) * scale) if scale > 1 else int(text.replace(",", ""))


# -- SPDX expressions as a card writes them: foreign text, never raises ----------------------------------------------

_LICENSE_REF = re.compile(r"LicenseRef-[A-Za-z0-9.-]{1,200}\Z")


@cache
def _licensing() -> Any:
    """Every license of SPDX: built once, it takes longer than what it is asked."""
    from license_expression import get_spdx_licensing

    return get_spdx_licensing()


def normalise(value: str) -> str | None:
    """The expression in SPDX's own spelling (`apache-2.0 or mit` as `Apache-2.0 OR MIT`); None when it is none.

    Family names that old tools resolve by a guess (`gpl`) are for the license table to catch first.
    """
    text = value.strip()
    if not text or len(text) > 400:
        return None
    if _LICENSE_REF.match(text):
        return text
    try:
        result = _licensing().validate(text)
    except Exception:  # noqa: BLE001  its parser raises of several kinds on foreign text
        return None
    return None if result.errors else str(result.normalized_expression)


def with_spdx(card: CardLicense) -> CardLicense:
    """The card's license fields with the SPDX expression of its one name, where that is one."""
    entries = [entry for entry in card.license if entry.strip()]
    if len(entries) != 1:
        return card
    name = card.license_name if entries[0].casefold() == "other" else entries[0]
    return card.model_copy(update={"spdx": normalise(name)}) if name else card
