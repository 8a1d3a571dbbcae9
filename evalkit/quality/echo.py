"""Whether a reply says its own prompt again."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import islice

from evalkit.text import seen

#: words of a run, fewest runs of a reply, and the share of them that are the prompt's from which it says the prompt
_RUN, _FEWEST_RUNS, _MOST_TAKEN = 3, 8, 0.85
#: words of a text that are looked at
_MOST_WORDS = 4000
_WORD = re.compile(r"\w+")


@lru_cache(maxsize=4)  # of one reply are taken its frame, its sketch and its runs
def words_of(text: str) -> tuple[str, ...]:
    """As they are compared: without case, marks and what no reader sees."""
    plain = unicodedata.normalize("NFKC", seen(text)).casefold()
    return tuple(found.group() for found in islice(_WORD.finditer(plain), _MOST_WORDS))


def says_the_prompt(text: str, prompt: str) -> bool:
    """Whether nearly all runs of words of a reply are its prompt's."""
    asked, runs = set(_runs(prompt)), _runs(text)
    return len(runs) >= _FEWEST_RUNS and sum(run in asked for run in runs) >= _MOST_TAKEN * len(runs)


def begins_with_the_prompt(text: str, prompt: str) -> bool:
    """Whether a reply says its prompt, or the end of it, before anything else."""
    asked, said = words_of(prompt), words_of(text)
    first = tuple(islice(said, _FEWEST_RUNS))
    if first not in _starts(prompt):
        return False
    rest = asked[_starts(prompt)[first] :]
    return sum(one == other for one, other in zip(said, rest, strict=False)) >= _MOST_TAKEN * len(rest)


@lru_cache(maxsize=4)
def _starts(prompt: str) -> dict[tuple[str, ...], int]:
    """Where in a prompt each run of its words begins."""
    asked = words_of(prompt)
    return {asked[at : at + _FEWEST_RUNS]: at for at in reversed(range(len(asked) - _FEWEST_RUNS + 1))}


def repeats_the_prompt(text: str, prompt: str) -> bool:
    """Whether a reply says its prompt, and nearly all of it: who is asked to quote says a part."""
    asked, said = _runs(prompt), set(_runs(text))
    return says_the_prompt(text, prompt) and sum(run in said for run in asked) >= _MOST_TAKEN * len(asked)


@lru_cache(maxsize=4)  # a prompt is looked at with each of its replies
def _runs(text: str) -> tuple[tuple[str, ...], ...]:
    words = words_of(text)
    return tuple(tuple(words[i : i + _RUN]) for i in range(len(words) - _RUN + 1))
