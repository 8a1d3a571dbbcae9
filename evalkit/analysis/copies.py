"""Whether a reply is of its own: not another prompt's with a few words changed, and not the prompt again. Pure."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from itertools import islice

from evalkit.text import seen

#: words that a reply must hold beyond its prompt's and beyond numbers, so that its frame means something
_FEWEST_OWN = 12
#: words of a run, fewest runs of a reply, and the share of them that are the prompt's from which it says the prompt
_RUN, _FEWEST_RUNS, _MOST_TAKEN = 3, 8, 0.85
#: words of a reply that are looked at
_MOST_WORDS = 4000
_WORD = re.compile(r"\w+")


def words_of(text: str) -> list[str]:
    """As they are compared: without case, marks and what no reader sees."""
    plain = unicodedata.normalize("NFKC", seen(text)).casefold()
    return [found.group() for found in islice(_WORD.finditer(plain), _MOST_WORDS)]


def frame(text: str, prompt: str) -> str | None:
    """A hash of the words that are neither of the prompt nor numbers; None where there are too few of them.

    Replies to different prompts that share it are one text with other words filled in.
    """
    asked = set(words_of(prompt))
    own = [word for word in words_of(text) if word not in asked and not any(char.isdecimal() for char in word)]
    if len(own) < _FEWEST_OWN:
        return None
    return hashlib.sha256(" ".join(own).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def says_the_prompt(text: str, prompt: str) -> bool:
    """Whether nearly all runs of words of a reply are its prompt's."""
    asked, runs = set(_runs(words_of(prompt))), _runs(words_of(text))
    return len(runs) >= _FEWEST_RUNS and sum(run in asked for run in runs) >= _MOST_TAKEN * len(runs)


def _runs(words: list[str]) -> list[tuple[str, ...]]:
    return [tuple(words[i : i + _RUN]) for i in range(len(words) - _RUN + 1)]
