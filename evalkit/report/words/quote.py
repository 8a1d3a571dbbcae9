"""Quoting of untrusted text for each output. The parsed document holds only the nodes that a template wrote.

Markdown prose is escaped; a word that a forge would turn into something (a mention, an issue, an address, a formula)
goes into a code span, where it stays silent. Control characters were made visible where the text entered; whatever
slipped through is made visible here again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from evalkit.text import calm, one_line, sanitize

_PUNCTUATION = re.compile(r"([\\`*_\[\]<>~!&])")
_ACTIVE = re.compile(r"@|#\w|://|www\.|`|\$|\bGH-\d|::|\{\{|\{%", re.IGNORECASE)
_LEADING = re.compile(r"^(?:[-+](?=\s|$)|[-=+](?=[-=+\s]*$)|[#>:]|\d+[.)](?=\s|$))")
_XML_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SPAN = re.compile(r"((?<!`)`[^`\s](?:[^`]*[^`\s])?`(?!`))")
#: brackets and stops around a word stay outside its code span
_AROUND = re.compile(r"(\(?)(.*?)([.,;:)]*)", re.DOTALL)
#: what GitLab and Jenkins take for a file of the machine that is to be shown with a test
_ATTACHMENT = re.compile(r"\[(?=\[ATTACHMENT\|)", re.IGNORECASE)
#: looks like a pipe, ends no table cell; entities do not work inside code spans
_PIPE = "│"


def code(text: object, *, limit: int = 200, table: bool = False) -> str:
    """A Markdown code span that no content can close; one line."""
    line = one_line(str(text), limit=limit)
    if table:
        line = line.replace("|", _PIPE)
    if not line:
        return "–"
    longest = max((len(run) for run in re.findall(r"`+", line)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if line[0] in " `" or line[-1] in " `" else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def prose(text: object, *, limit: int = 600, table: bool = False) -> str:
    """A sentence for a Markdown paragraph, list or (with `table`) table cell; one line, nothing in it is active."""
    line = one_line(str(text), limit=limit)
    joined = _joined(_part(part, table=table) for part in _SPAN.split(line))
    lead = _LEADING.match(joined)
    if lead:
        cut = lead.end() - 1
        joined = f"{joined[:cut]}\\{joined[cut:]}"
    return joined or "–"


def _joined(pieces: Iterable[str]) -> str:
    """The pieces in a row; a blank between two code spans, whose fences would otherwise be read as one."""
    made: list[str] = []
    for piece in filter(None, pieces):
        apart = made and made[-1].endswith("`") and piece.startswith("`")
        made.append(f" {piece}" if apart else piece)
    return "".join(made)


def _part(part: str, *, table: bool) -> str:
    """A span between single backticks stays one, so that a command can be copied as it is."""
    if _SPAN.fullmatch(part):
        return code(part[1:-1], limit=len(part), table=table)
    return " ".join(_word(word, table=table) for word in part.split(" "))


def _word(word: str, *, table: bool) -> str:
    if _ACTIVE.search(word):
        left, inner, right = _AROUND.fullmatch(word).groups()  # type: ignore[union-attr]  # matches every word
        quoted = code(inner or word, limit=len(word), table=table)
        return f"{left}{quoted}{right}" if inner else quoted
    escaped = _PUNCTUATION.sub(r"\\\1", word)
    return escaped.replace("|", "&#124;")


def cell(text: object, *, limit: int = 300) -> str:
    """`prose` for a table cell."""
    return prose(text, limit=limit, table=True)


def cell_code(text: object) -> str:
    """`code` for a table cell."""
    return code(text, limit=120, table=True)


def block(text: object, *, limit: int = 4000) -> str:
    """A fenced Markdown block that no content can close."""
    body = calm(sanitize(str(text), limit=limit))
    longest = max((len(run) for run in re.findall(r"`+", body)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{body}\n{fence}"


def command_value(text: object, *, limit: int = 1000) -> str:
    """The message of a GitHub workflow command."""
    line = sanitize(str(text), limit=limit)
    return line.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def command_property(text: object) -> str:
    """The value of a property (file, title) of a GitHub workflow command."""
    return command_value(text, limit=300).replace(":", "%3A").replace(",", "%2C")


def xml_text(text: object) -> str:
    """Text that XML 1.0 may hold and that names no attachment to a reader of JUnit; the writer still escapes markup."""
    return _ATTACHMENT.sub("[ ", _XML_ILLEGAL.sub("\ufffd", sanitize(str(text), limit=20_000)))
