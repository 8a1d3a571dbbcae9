"""Sentences of a model card that restrict a use, whatever its metadata state. Foreign text: parsed without trust."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

from evalkit.hub.facts import CardSentence
from evalkit.text import one_line

_MOST = 20
#: what the card's markup hides; each is blanked at equal length, so that places stay true
_MARKUP = re.compile(r"<[^>\n]{0,500}>|[\[\]!*_`#>|~]")
_TARGET = re.compile(r"(?<=\])\(\s*+<?([^)\s>]{1,500}+)>?[^)\n]{0,100}+\)")
_CODE = re.compile(r"^ {0,3}(```|~~~).*?(?:^ {0,3}\1|\Z)", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^[ \t]*#{1,6}[^\n]*\n", re.MULTILINE)
_BREAK = re.compile(r"\n(?=[ \t]*(?:\n|[-*+][ \t]|\d{1,3}[.)][ \t]|#|\|))")
_SENTENCE = re.compile(r"(?:[^.!?\u3002\uff01\uff1f\x00]|[.!?](?!\s|\x00|\Z)){3,600}")
_BOTH = re.compile(
    r"(?i)commercial(?:ly)?\s*(?:/|,|and|or|&|as well as)\s*(?:for\s+)?non[-\s]?commercial(?:ly)?"
    r"|non[-\s]?commercial(?:ly)?\s*(?:/|,|and|or|&|as well as)\s*(?:for\s+)?commercial(?:ly)?"
    r"|非?商[业業用](?:用途|使用)?(?:和|与|與|及|或|、|/|以及)非?商[业業用]"
)
_LIMITED = r"(?:research|academic|educational|personal|scientific|evaluation|non[-\s]?commercial)"
_NO = r"(?:prohibited|forbidden|disallowed|not\s+(?:\w+\s+)?(?:allowed|permitted|granted|licensed))"
_TRADE = "(?:商用|商[业業](?:用途|使用|目的|化)?)"
_ASKS = "(?:授[权權]|[许許]可|申[请請]|[联聯][系繫]|登[记記]|同意|付[费費])"
#: the same in Chinese, Japanese, Korean, German, French and Spanish cards
_ELSEWHERE: dict[str, tuple[str, ...]] = {
    "commercial": (
        rf"(?:禁止|[严嚴]禁|不得|不可|不能|不允[许許]|[请請]勿)[^\x00，,；;]{{0,12}}{_TRADE}",
        rf"{_TRADE}(?:利用)?は?(?:禁止|不可|できません)",
        rf"{_TRADE}[^\x00；;]{{0,16}}(?:禁止|不得|(?<![无無不])(?:需|[须須])[^\x00；;]{{0,8}}{_ASKS}|[联聯][系繫])",
        rf"(?<![无無]需)(?:登[记記]|申[请請])[^\x00；;]{{0,12}}{_TRADE}",
        r"[仅僅只](?:供|限|用[于於]|可用[于於]|能用[于於])[^\x00，,；;]{0,12}(?:[学學][术術习習]|研究|科研|教育|[个個]人|非商)",
        r"非商[业業用]|(?:研究|学術)(?:目的|用途)?(?:のみ|に限)",
        r"비상업|상업적\s?(?:이용|사용|용도)[^\x00]{0,12}(?:금지|불가|없)|연구\s?목적으로만",
        r"\b(?:nicht|keine)[-\s]?kommerziell|(?<!nicht )(?<!nicht\t)\bnur\s+(?:für|zu)\s+(?:\w+\s+){0,2}forschung",
        r"\bnon[-\s]commercial|\b(?:usage|utilisation)\s+commerciale?\s+(?:est\s+)?interdite?",
        r"\buniquement\s+(?:à|pour)\s+(?:\w+\s+){0,3}recherche|\bno\s+comercial",
        r"\buso\s+comercial\s+(?:está\s+)?prohibido|\b(?:solo|únicamente)\s+para\s+(?:\w+\s+){0,3}investigación",
    ),
    "redistribute": (
        r"(?:禁止|不得|[请請]勿)(?:再)?(?:分[发發]|[传傳]播|[转轉][发發售])|再配布は?(?:禁止|不可|できません)",
        r"재배포[^\x00]{0,8}(?:금지|불가)",
    ),
    "modify": (
        r"(?:禁止|不得|[请請]勿)(?:修改|更改|改[编編])|改変は?(?:禁止|不可|できません)",
        r"(?:수정|변경)[^\x00]{0,8}(?:금지|불가)",
    ),
}
_RULES: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "commercial",
        re.compile(
            rf"(?i)\bnon[-\s]?commercial|\bcc[-\s]by[-\s]nc\b|\b(?:not|never|no)\b(?:\s+[\w-]+){{0,5}}\s+commercial"
            rf"|\bcommercial\w*\s+(?:use|usage|purposes?|applications?|deployment|licen[sc]\w*)\b[^\x00]{{0,60}}"
            rf"\b(?:{_NO}|requires?|needs?|contact|upon request|separate)\b"
            rf"|\b{_LIMITED}(?:\s+(?:and|or|&)\s+{_LIMITED})*(?:[-\s](?:use|usage|purposes?))?[-\s]only\b"
            rf"|\b(?:only|solely|exclusively|strictly|limited)\s+(?:\w+\s+){{0,4}}(?:for|to)\s+(?:\w+\s+){{0,3}}{_LIMITED}"
        ),
    ),
    (
        "redistribute",
        re.compile(
            rf"(?i)\bno\s+re-?distribution|\bre-?distribut\w+[^\x00]{{0,60}}\b{_NO}"
            r"|\b(?:may|must|shall|can|do|should)\s*not\s+(?:\w+\s+){0,3}(?:re-?distribute|re-?share|re-?publish|sublicense)"
        ),
    ),
    (
        "modify",
        re.compile(
            rf"(?i)\bno[-\s]derivatives?\b|\bcc[-\s]by(?:[-\s]nc)?[-\s]nd\b|\b(?:modifications?|derivative works?)\b"
            rf"[^\x00]{{0,40}}\b{_NO}|\b(?:may|must|shall)\s+not\s+(?:be\s+)?modif"
        ),
    ),
)
_FOREIGN = tuple((kind, re.compile(f"(?i){'|'.join(rules)}")) for kind, rules in _ELSEWHERE.items())
_DATA = re.compile(
    r"(?i)\b(?:data\s?sets?|training data|corpus|corpora|benchmarks?|images|photos|paper|demo|logo)\b"
    r"|[数數][据據]集|[语語]料|データセット"
)
_SUBJECT = re.compile(r"(?i)\b(?:models?|weights?|checkpoints?|parameters)\b|模型|[权權]重|モデル|모델")
_LICENSE = re.compile(r"(?i)licen[sc]|governed by|terms")


def restrictions(text: str, gated: Iterable[tuple[str, int]] = ()) -> tuple[CardSentence, ...]:
    """Sentences that restrict a use, or that link a license of the weights, with their lines counted from 1.

    `text` is the card with its front matter blanked; `gated` are texts of the gate's prompt with their lines.
    """
    found: dict[tuple[str, str], CardSentence] = {}
    for kind, sentence, line, link in (*_of_prose(text), *_of_gate(gated)):
        shown = one_line(sentence, limit=300)
        found.setdefault((kind, shown), CardSentence(kind=kind, text=shown, line=line, link=link))
    return tuple(found.values())[:_MOST]


def _of_gate(gated: Iterable[tuple[str, int]]) -> Iterator[tuple[str, str, int, str | None]]:
    for text, line in gated:
        for match in _SENTENCE.finditer(text):
            yield from ((kind, match[0], line, None) for kind in _kinds(match[0]))


def _of_prose(text: str) -> Iterator[tuple[str, str, int, str | None]]:
    bare = _CODE.sub(_blank, text)
    links = [(m.start(), one_line(m[1], limit=500)) for m in _TARGET.finditer(bare)]
    bare = _HEADING.sub(lambda found: f"{found[0][:-1]}\x00", bare)
    flat = _MARKUP.sub(_blank, _TARGET.sub(_blank, bare))
    flat = _BREAK.sub("\x00", flat).replace("\n", " ")
    places = [at for at, _ in links]
    before, line = 0, 1
    for match in _SENTENCE.finditer(flat):
        start = match.end() - len(match[0].lstrip())
        line += text.count("\n", before, start)
        before = start
        for kind in _kinds(match[0]):
            yield kind, match[0], line, None
        if _SUBJECT.search(match[0]) and _LICENSE.search(match[0]):
            inside = links[bisect_left(places, match.start()) : bisect_right(places, match.end())]
            yield from (("linked", match[0], line, to) for _, to in inside)


def _kinds(sentence: str) -> list[str]:
    """The uses that a sentence restricts."""
    if _DATA.search(sentence) and not _SUBJECT.search(sentence):
        return []
    alone = _BOTH.sub(" ", sentence)
    return list(dict.fromkeys(kind for kind, rule in (*_RULES, *_FOREIGN) if rule.search(alone)))


def _blank(match: re.Match[str]) -> str:
    return "".join("\n" if char == "\n" else " " for char in match[0])
