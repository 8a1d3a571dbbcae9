"""The guide can be followed: every link leads somewhere, every command parses, every snippet loads."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from urllib.parse import unquote

import pytest

from evalkit.checklist.schema import Checklist
from evalkit.checklist.yaml import parse_yaml
from evalkit.cli.commands import help_page
from evalkit.docs.commands import commands
from evalkit.explain.explain import explain

ROOT = Path(__file__).parents[2]
PAGES = sorted(path for path in (ROOT / "docs").glob("*.md"))
GUIDE = ("index", "first-run", "own-checklist", "tasks", "servers", "reading-the-report", "ci", "air-gapped", "faq",
         "replacing-todays-model", "suite-at-zero", "ssh", "troubleshooting", "glossary",
         "comparing")  # fmt: skip
LINK = re.compile(r"(?<!\!)\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def text(path):
    return path.read_text(encoding="utf-8")


def prose(page):
    return FENCE.sub("", page)


def anchors(path):
    """As GitHub makes them of headings: small letters, hyphens for blanks, punctuation dropped."""
    heads = re.findall(r"^#{1,6} (.+)$", prose(text(path)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.strip().lower()).replace(" ", "-") for head in heads}


def broken(path):
    for target in LINK.findall(prose(text(path))):
        if re.match(r"(https?|mailto):", target):
            continue
        name, _, anchor = unquote(target).partition("#")
        there = (path.parent / name).resolve() if name else path
        if not there.exists() or (anchor and there.suffix == ".md" and anchor not in anchors(there)):
            yield target


@pytest.mark.parametrize("path", [*PAGES, ROOT / "README.md"], ids=lambda path: path.name)
def test_every_internal_link_leads_somewhere(path):
    assert list(broken(path)) == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_page_links_to_nothing_that_the_site_does_not_have(path):
    assert [target for target in LINK.findall(prose(text(path))) if target.startswith("../")] == []


def lines():
    """Every command line of the pages: indented or fenced, and those in code spans that name a command."""
    for path in (*PAGES, ROOT / "README.md"):
        page = text(path).replace("\\\n", " ")  # a command may go on in the next line
        found = re.findall(r"^ {4,}(?:- )?((?:[A-Z_]+=\S+ )*evalkit [^\n]*)$", page, re.MULTILINE)
        found += re.findall(
            r"^((?:[A-Z_]+=\S+ )*evalkit [a-z][^\n]*)$", "\n".join(b for _, b in FENCE.findall(page)), re.MULTILINE
        )
        found += [
            span
            for span in re.findall(r"`(evalkit [a-z-]+[^`]*)`", prose(page))
            if " --" in span or span.count(" ") == 1
        ]
        if path.name != "commands.md":  # usage lines are no commands
            yield from ((path.name, line) for line in found)


def words(line):
    """The words behind the variables, up to a pipe or a redirection."""
    found = shlex.split(line.replace("…", "x"), comments=True)
    while "=" in found[0]:
        found.pop(0)
    stop = next((n for n, word in enumerate(found) if word in ("|", ">", ">>", "&&")), len(found))
    return found[1:stop]


@pytest.mark.parametrize(("page", "line"), sorted(set(lines())))
def test_every_command_line_names_a_command_and_options_that_parse(page, line):
    name, *arguments = words(line)
    known = commands()
    if name.startswith("--"):
        assert name in help_page(), f"{page}: {line}"
        return
    assert name in known or name == "COMMAND", f"{page}: {line}"
    if name not in known or not arguments:
        return
    found = [one for one in arguments if one.startswith("--")]
    options = {option for parameter in known[name].params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {one.partition("=")[0] for one in found} <= options | {"--help"}, f"{page}: {line}"
    if "--help" not in found:
        known[name].make_context(name, list(arguments))


def test_the_pages_are_not_without_commands():
    assert len(set(lines())) > 40


def snippets():
    for path in PAGES:
        for kind, body in FENCE.findall(text(path)):
            document = parse_yaml(body, path).data if kind == "yaml" else None
            if isinstance(document, dict) and set(document) <= set(Checklist.model_fields):
                yield path.name, body


@pytest.mark.parametrize(("page", "body"), list(snippets()))
def test_every_snippet_of_a_checklist_loads(page, body):
    document = parse_yaml(body, Path(page)).data
    for waiver in document.get("waivers", ()):
        assert waiver["finding"] in explain(waiver["finding"])
    Checklist.model_validate(document)


def test_the_pages_have_snippets():
    assert len(list(snippets())) >= 7


@pytest.mark.parametrize("name", GUIDE)
def test_the_guide_has_its_page_and_the_index_leads_to_it(name):
    assert (ROOT / "docs" / f"{name}.md").is_file()
    assert name == "index" or f"({name}.md)" in text(ROOT / "docs" / "index.md")


def test_the_index_leads_to_every_page():
    led = {target.partition("#")[0] for target in LINK.findall(text(ROOT / "docs" / "index.md"))}
    assert {path.name for path in PAGES} - {"index.md"} <= led


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_ids_in_code_spans_can_be_explained(path):
    ids = set(re.findall(r"`((?:license|modes|hardware|serving|quality|context)\.[a-z0-9-]+)`", prose(text(path))))
    silent = [one for one in ids if one.casefold() not in _known()]
    assert silent == []


def _known():
    from evalkit.explain.explain import topics

    return {*topics(), *(key.partition(".")[2] for key in topics() if key.startswith("items."))}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_page_says_whether_it_is_to_learn_to_do_or_to_look_up(path):
    lines = [line for line in text(path).splitlines() if line and not line.startswith("<!--")]
    assert lines[0].startswith("# ")
    assert re.match(r"To (?:learn|do|look up)[:,]", lines[1]), lines[1]
