"""Words and sentences of a text, as a careful reader counts them, and whether its last one ends."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

#: scripts without blanks between words
UNSPACED = "\u0e00-\u0e7f\u3041-\u30fa\u30fc\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_TITLES = "Dr|Mr|Mrs|Ms|Prof|St|Sr|Jr|Hr|Fr|Mme|Mlle|Gen|Col|Capt|Lt|Rev|Hon|Sen|Rep|Gov|Pres"
_SHORT = r"e\.g|i\.e|z\.B|d\.h|u\.a|bzw|vgl|cf|vs|approx|ca|No|Nr|Fig|Abb|Vol|pp|p\.m|a\.m|Ph\.D|U\.S|U\.K|E\.U"
#: a dot that ends no sentence: of titles and short forms, of "etc." inside a sentence, and of a first initial
_NO_END = re.compile(
    rf"\b(?:{_TITLES}|{_SHORT})\.(?=\s*\S)|\b(?:etc|Inc|Ltd|Co|Corp|usw)\.(?=\s+[a-z])"
    r"|(?:(?<=^)|(?<=\n)|(?<=[.!?]\s)|(?<=\b[A-Z]\.\s))[A-HJ-Z]\.(?=\s+[A-Z])|(?<=\d)\.(?=\d)|^[^\S\n]*+\d{1,4}\.(?=\s)"
    r"|(?<=[.!?]\s)\d{1,3}\.(?=\s)",
    re.MULTILINE,
)
_END = re.compile(
    r"(?<![.!?\u2026])[.!?\u2026]++[\"'\u201d\u2019)\]*_]*+(?=\s|$)"
    r"|[\u3002\uff01\uff1f\uff0e\uff61\u0964\u0965\u061f\u06d4]++[\u300d\u300f\u201d\"\uff09]*+|\n"
)
_ENDED = tuple(".!?\u2026\u3002\uff01\uff1f\uff0e:")
_CLOSERS = "\"'\u201d\u2019)]*_`\u300d\u300f\uff09\u00bb"
_OPEN_LAST = re.compile(
    r"\b(?:the|an?|and|or|but|of|with|from|because|than|into|their|its|my|your|his|our|would|could|should|which|whose"
    r"|und|oder|der|die|das|ein|eine|mit|von|weil|que|les|des|une|dans|avec|pour|el|los|las|con|para|porque)$",
    re.IGNORECASE,
)
_NO_PROSE_LINE = re.compile(r"^\s*(?:[-*\u2022+>|#]|\d{1,4}[.)]|[a-z][.)]\s)")


@lru_cache(maxsize=8)  # a reply is compared with each word of its case
def folded(text: str) -> str:
    """The text in one form: composed (NFC), without what no reader sees (joiners, marks of direction, byte order)."""
    text = unicodedata.normalize("NFC", text)
    return text if text.isascii() else "".join(c for c in text if unicodedata.category(c) != "Cf")


#: what typesetters write for plain signs: quotes, dashes, blanks, an ellipsis, ligatures
_TYPESET = str.maketrans({
    **dict.fromkeys("\u2018\u2019\u02bc\u2032", "'"), **dict.fromkeys("\u201c\u201d\u2033", '"'),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2212", "-"), **dict.fromkeys("\u00a0\u2007\u2009\u202f\u3000", " "),
    "\u2026": "...", "\ufb00": "ff", "\ufb01": "fi", "\ufb02": "fl", "\ufb03": "ffi", "\ufb04": "ffl",
})  # fmt: skip
#: small and large letters of Greek and Cyrillic that look like Latin ones
_ALIKE = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u0501\u051b\u051d\u03bf\u03b1\u03bd"
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425\u0406\u0408\u0405"
    "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7",
    "aeopcyxijsdqwoavABEKMHOPCTYXIJSABEZHIKMNOPTYX",
)


def as_typed(text: str) -> str:
    """The text with quotes, dashes, blanks and ligatures as a keyboard writes them."""
    return text if text.isascii() else text.translate(_TYPESET)


def as_read(text: str, word: str) -> str:
    """The text to look for `word` in: as typed, unless the word itself has a sign that no keyboard writes."""
    return as_typed(text) if as_typed(word) == word else text


def looks_like(text: str) -> str:
    """The text with letters that look like Latin ones as those: what a word that must not occur may hide behind."""
    return text if text.isascii() else unicodedata.normalize("NFKC", text).translate(_ALIKE)


def words(text: str) -> int:
    """Words: what is between blanks and holds a letter or digit."""
    return sum(1 for word in text.split() if any(c.isalnum() for c in word))


def sentences(text: str) -> int:
    """Sentences, by their ends and by lines; a title or a short form ends none."""
    plain = _NO_END.sub(lambda found: found.group().replace(".", "\u00b7"), text)
    return sum(1 for part in _END.split(plain) if any(c.isalnum() for c in part))


def word_count(text: str, word: str) -> int:
    """Occurrences of a word, case ignored; whole words where the script has blanks between them."""
    text, word = folded(as_read(text, word)).casefold(), folded(word).casefold()
    if not word:
        return 0
    bounded = rf"(?<!\w){re.escape(word)}(?!\w)"
    pattern = re.escape(word) if re.search(f"[{UNSPACED}]", word) else bounded
    return len(re.findall(pattern, text))


def stopped_mid_sentence(text: str) -> bool:
    """Whether the text ends before its last sentence does; lists, tables, headings and code end where they like."""
    body = text.rstrip()
    if not body or body.endswith("```") or body[:1] in ("{", "["):
        return False
    line = body.rpartition("\n")[2].strip()
    bare = body.rstrip(_CLOSERS)
    if bare[-1:] in (",", ";", "\uff0c", "\u3001", "\u060c") and bare[-2:-1].isalnum():
        return words(line) >= 2
    if not bare or bare[-1] in _ENDED or not bare[-1].isalnum():
        return False
    if words(line) >= 3 and _OPEN_LAST.search(bare):
        return True
    if _NO_PROSE_LINE.match(line):
        return False
    tail = re.split(r"(?<=[.!?])\s|(?<=[\u3002\uff01\uff1f])", line)[-1]
    long_enough = words(tail) >= 6 or len(re.findall(f"[{UNSPACED}]", tail)) >= 6
    ended = len(re.findall(r"[.!?](?=[\s\"'\u201d\u2019)])|[\u3002\uff01\uff1f]", body))
    return long_enough and ended >= 2
