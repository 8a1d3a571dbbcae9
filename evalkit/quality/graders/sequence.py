"""Graders whose tokens depend on each other: permutations, orders, nesting (as in ParallelBench, arXiv 2510.04767)."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field

from evalkit.client.types import Exchange
from evalkit.quality.case import Case
from evalkit.quality.facts import Grade
from evalkit.quality.fences import closed
from evalkit.quality.graders.base import Example, Grader, Params, Reply, by_thirds, grade, shown, text_of
from evalkit.quality.prose import folded

Entries = Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1, max_length=2000)]


#: a line that only announces a list, and a last entry behind a word for `and`
_ANNOUNCES = re.compile(r"[:\uff1a][*_ \t]*\Z")
_AND = re.compile(r"(?:(.+?)\s+)?(?:and|und|et|y|e|og|och|en|\u0438|&)\s+(.+)", re.IGNORECASE)


class Items(Params):
    """`different`: a permutation other than the one given. Entries are split at `separator`; numbering is skipped."""

    of: Entries
    order: Literal["same", "reversed", "sorted", "different", "any"] = "same"
    separator: Annotated[str, Field(min_length=1, max_length=8)] = ","
    ignore_case: bool = True


def entries(text: str, separator: str, *, ignore_case: bool = True) -> list[str]:
    """Entries of a list that a model wrote: in one line or one a line, marks and numbers around them dropped."""
    text = unwrapped(text)
    if separator == ",":
        text = text.replace("\u3001", ",").replace("\uff0c", ",")
    parts = text.strip().strip("[](){}").replace("\n", separator).split(separator)
    plain = [re.sub(r"^\s*(?:[-*•]|\d{1,4}[.)])\s+", "", part).strip(" \t\"'`.*") for part in parts]
    return [part.casefold() if ignore_case else part for part in plain if part]


def unwrapped(text: str) -> str:
    """What stands in the one code fence of a reply, and without a line that announces it."""
    fences = list(closed(text))
    if len(fences) == 1:
        (fence,) = fences
        before, behind = text[: fence.start].strip(), text[fence.end :].strip()
        if not behind and (not before or ("\n" not in before and _ANNOUNCES.search(before))):
            return fence.body
    first, rest = text.strip().partition("\n")[::2]
    return rest if rest.strip() and _ANNOUNCES.search(first) else text


def _without_and(got: list[str], asked: list[str]) -> list[str]:
    """Entries of a list in prose: its last one may come behind a word for `and`, with a comma before it or without."""
    last = _AND.fullmatch(got[-1]) if got and got[-1] not in asked else None
    return [*got[:-1], *(part for part in last.groups() if part)] if last else got


def items(reply: Exchange, _case: Case, params: Items) -> Grade:
    got = entries(folded(text_of(reply)), params.separator, ignore_case=params.ignore_case)
    asked = [folded(one).casefold() if params.ignore_case else folded(one) for one in params.of]
    got = _without_and(got, asked)
    wanted = {"reversed": asked[::-1], "sorted": sorted(asked)}.get(params.order, asked)
    if params.order in ("any", "different"):
        missing = next((one for one in asked if got.count(one) != asked.count(one)), None)
        if missing is not None:
            return grade(
                "items", False, f"{shown(missing)} occurs {got.count(missing)} times", score=_share(asked, got)
            )
        if len(got) != len(asked):
            return grade("items", False, f"{len(got)} entries, {len(asked)} asked", score=_share(asked, got))
        if params.order == "different" and got == asked:
            return grade("items", False, "the order was not changed", score=0.0)
        return grade("items", True)
    right = [1.0 if i < len(got) and got[i] == one else 0.0 for i, one in enumerate(wanted)]
    detail: dict[str, Any] = {"by_third": by_thirds(right)}
    if got == wanted:
        return grade("items", True, **detail)
    if len(got) != len(wanted):
        return grade(
            "items",
            False,
            f"{len(got)} entries, {len(wanted)} asked",
            score=sum(right) / max(len(wanted), len(got)),
            **detail,
        )
    at = right.index(0.0)
    return grade(
        "items",
        False,
        f"entry {at + 1} is {shown(got[at])}, expected {shown(wanted[at])}",
        score=sum(right) / len(right),
        **detail,
    )


def _share(asked: list[str], got: list[str]) -> float:
    rest = list(got)
    found = 0
    for one in asked:
        if one in rest:
            rest.remove(one)
            found += 1
    return found / max(len(asked), len(got), 1)


class Balanced(Params):
    """`depth` and `pairs` are exact where given."""

    brackets: Annotated[str, Field(pattern=r"^([(\[{<][)\]}>])+$")] = "()[]{}"
    depth: Annotated[int, Field(ge=1)] | None = None
    pairs: Annotated[int, Field(ge=1)] | None = None
    #: the reply holds nothing but brackets and white space
    only: bool = True


def balanced(reply: Exchange, _case: Case, params: Balanced) -> Grade:
    closing = {params.brackets[i + 1]: params.brackets[i] for i in range(0, len(params.brackets), 2)}
    stack: list[str] = []
    depth = pairs = 0
    for char in unwrapped(text_of(reply)).strip().strip("`"):
        if char in closing.values():
            stack.append(char)
            depth = max(depth, len(stack))
        elif char in closing:
            if not stack or stack.pop() != closing[char]:
                return grade("balanced", False, f"{char} closes nothing after {pairs} pairs", pairs=pairs, depth=depth)
            pairs += 1
        elif params.only and not char.isspace():
            return grade("balanced", False, f"{shown(char)!r} is not a bracket")
    if stack:
        return grade("balanced", False, f"{len(stack)} brackets are not closed", pairs=pairs, depth=depth)
    for name, got, asked in (("pairs", pairs, params.pairs), ("levels deep", depth, params.depth)):
        if asked is not None and got != asked:
            return grade("balanced", False, f"{got} {name}, {asked} asked", pairs=pairs, depth=depth)
    return grade("balanced", pairs > 0, "" if pairs else "no brackets", pairs=pairs, depth=depth)


GRADERS = (
    Grader(
        name="items",
        family="sequence",
        short="of",
        summary="The reply lists these entries and no others: in this order, reversed, sorted, or in any (other)"
        " order.",
        params=Items,
        grade=items,
        example=Example(
            "items: {of: [red, green, blue], order: reversed}", Reply("blue, green, red"), Reply("blue, blue, red")
        ),
        notes=("Every token depends on the others, which is where parallel decoding loses first.",),
    ),
    Grader(
        name="balanced",
        family="sequence",
        summary="Brackets open and close in pairs, to this depth or in this number.",
        params=Balanced,
        grade=balanced,
        example=Example("balanced: {depth: 3}", Reply("([{}])"), Reply("([{]})")),
    ),
)
