"""The one sanitiser for text from servers, cards, prompts and files, applied where it enters."""

from __future__ import annotations

import unicodedata

#: bidi controls, zero-width and other invisible characters that change what a reader sees
_INVISIBLE = frozenset(
    {0x00AD, 0x034F, 0x061C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180E, 0x3164, 0xFEFF, 0xFFA0}.union(
        range(0x200B, 0x2010),
        range(0x2028, 0x202F),
        range(0x2060, 0x2070),
        range(0xFFF9, 0xFFFC),
        range(0xE0000, 0xE0080),
    )
)
_KEPT = frozenset("\n\t")


def _visible(char: str) -> str:
    code = ord(char)
    if code in _INVISIBLE or unicodedata.category(char) in ("Cc", "Cs", "Co"):
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{{{code:x}}}"
    return char


def sanitize(text: str, *, limit: int = 2000) -> str:
    """`text` safe for a terminal: control, bidi and invisible characters made visible, cut at `limit` characters.

    Newlines and tabs are kept; CR LF and CR become newlines. Quoting for Markdown, HTML or XML comes later.
    """
    cut = len(text) > limit
    text = text[:limit].replace("\r\n", "\n").replace("\r", "\n")
    if not text.isprintable():
        text = "".join(c if c in _KEPT else _visible(c) for c in text)
    return f"{text}…" if cut else text


def one_line(text: str, *, limit: int = 300) -> str:
    """`sanitize` on a single line: runs of white space become one space."""
    return " ".join(sanitize(text, limit=limit).split())
