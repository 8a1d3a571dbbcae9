"""Filler prose: sentences that depend only on a seed, for prompts to which no rule has an answer."""

from __future__ import annotations

from random import Random

from evalkit.reference.tokenizer import pieces

_SUBJECTS = (
    "The answer", "This approach", "A careful reader", "The first step",
    "Most of the work", "The second part", "Each example", "The main idea",
    "A short summary", "The final result", "Every case", "The plan",
)  # fmt: skip
_VERBS = (
    "depends on", "starts with", "follows from", "leads to",
    "explains", "needs", "changes", "supports",
    "avoids", "describes", "comes before", "builds on",
)  # fmt: skip
_OBJECTS = (
    "the given context", "a clear goal", "small steps", "the available data",
    "simple words", "a list of tasks", "the same idea", "good evidence",
    "the question itself", "plain numbers", "an earlier choice", "the whole picture",
)  # fmt: skip
_TAILS = ("", "", " in practice", " most of the time", " as shown above", " for now", " without doubt")
_OPENERS = ("", "Sure. ", "Here it is: ", "Of course. ", "Let me answer. ", "Good question. ", "Briefly: ", "Well, ")
_CLOSERS = ("", " That is all.", " I hope this helps.", " Done.", " Anything else?", " Good luck.", " Let me know.")


def sentence(rng: Random) -> str:
    """One sentence of about ten tokens."""
    words = (rng.choice(_SUBJECTS), rng.choice(_VERBS), rng.choice(_OBJECTS))
    return " ".join(words) + rng.choice(_TAILS) + "."


def prose(tokens: int, rng: Random) -> str:
    """Exactly `tokens` tokens of sentences; the last one may be cut."""
    text: list[str] = []
    while len(text) < tokens:
        text += pieces((" " if text else "") + sentence(rng))
    return "".join(text[:tokens])


def words(number: int, rng: Random) -> str:
    """Exactly `number` words of sentences."""
    out: list[str] = []
    while len(out) < number:
        out += sentence(rng).split()
    return " ".join(out[:number]).rstrip(".") + "."


def vary(text: str, rng: Random) -> str:
    """The same answer in other words, as a draw at temperature > 0 gives it."""
    return f"{rng.choice(_OPENERS)}{text}{rng.choice(_CLOSERS)} {sentence(rng)}"


def resize(text: str, factor: float, rng: Random) -> str:
    """The text at `factor` times its tokens: cut, or continued."""
    tokens = pieces(text)
    wanted = max(1, round(len(tokens) * factor))
    if wanted <= len(tokens):
        return "".join(tokens[:wanted])
    return text + "".join(pieces(" " + prose(wanted - len(tokens), rng))[: wanted - len(tokens)])
