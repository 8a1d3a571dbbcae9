"""Whether a reply is of its own: not another prompt's, and about what was asked. Pure."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

from evalkit.quality.echo import words_of

#: words that a reply must hold beyond its prompt's and beyond numbers, so that its frame means something
_FEWEST_OWN = 12
#: characters from which on a word is none: text without its blanks, or noise
_LONGEST = 32
_NO_BLANKS = re.compile("[\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]")
#: bits of a sketch, and the words that it holds: few enough that texts of a thousand words do not look alike
_BITS, _SKETCHED = 1024, 120
#: shared words of two replies to one prompt, of all of theirs, from which they are about the same; replies to other
#: prompts that are looked at
_ALIKE, _OTHERS = 0.2, 64

#: signs of a reply that is also the reply to another prompt
REPEATED, FILLED_IN = "another prompt's reply", "another prompt's reply with other words filled in"


def frame(text: str, prompt: str) -> str | None:
    """A hash of the words that are neither of the prompt nor numbers; None where there are too few of them.

    Replies to different prompts that share it are one text with other words filled in.
    """
    asked = set(words_of(prompt))
    own = [word for word in words_of(text) if word not in asked and not any(char.isdecimal() for char in word)]
    if len(own) < _FEWEST_OWN:
        return None
    return hashlib.sha256(" ".join(own).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def sketch(text: str) -> str | None:
    """Which words a text has, as bits in hexadecimal; None where it has fewer than a dozen. Of scripts without blanks,
    and of what is too long for a word, pairs of characters; of a text that is mostly signs, pairs of these too.
    """
    found: dict[str, None] = {}
    for word in words_of(text):
        found |= dict.fromkeys(_pairs(word) if len(word) > _LONGEST or _NO_BLANKS.search(word) else [word])
        if len(found) >= _SKETCHED:
            break
    signs = "".join(char for char in text if not (char.isalnum() or char.isspace()))
    if len(found) < _FEWEST_OWN and 2 * len(signs) > len(text) - sum(map(str.isspace, text)):
        found |= dict.fromkeys(_pairs(signs))
    if len(found) < _FEWEST_OWN:
        return None
    bits = 0
    for word in islice(found, _SKETCHED):
        mark = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=4).digest()
        bits |= 1 << int.from_bytes(mark, "big") % _BITS
    return f"{bits:0{_BITS // 4}x}"


def _pairs(word: str) -> list[str]:
    return [word[i : i + 2] for i in range(max(1, len(word) - 1))]


def strangers(replies: Mapping[str, str], to: Mapping[str, str]) -> set[str]:
    """Prompts whose reply (a sketch) shares few words with the one in `to`, and no more than with those to others."""
    bits = {prompt: int(one, 16) for prompt, one in to.items()}
    found = set()
    for prompt, one in replies.items():
        if prompt not in bits:
            continue
        mine = int(one, 16)
        own = _shared(mine, bits[prompt])
        others = [_shared(mine, theirs) for name, theirs in islice(bits.items(), _OTHERS) if name != prompt]
        if own < _ALIKE and others and 4 * sum(own <= other for other in others) >= len(others):
            found.add(prompt)
    return found


def _shared(one: int, other: int) -> float:
    return (one & other).bit_count() / max(1, (one | other).bit_count())


def copies(marks: Sequence[tuple[str, str | None, str | None]]) -> list[tuple[str, str]]:
    """Of replies, each given by its prompt, gist and frame: prompt and sign of those that are also the reply to another
    prompt, word for word or but for some.
    """
    words, frames = (_common((prompt, mark[n]) for prompt, *mark in marks) for n in (0, 1))
    return [
        (prompt, REPEATED if said in words else FILLED_IN)
        for prompt, said, framed in marks
        if said in words or framed in frames
    ]


def _common(marks: Iterable[tuple[str, str | None]]) -> set[str]:
    """Marks of replies to more than one prompt."""
    prompts = defaultdict(set)
    for prompt, mark in marks:
        prompts[mark].add(prompt)
    return {mark for mark, of in prompts.items() if mark is not None and len(of) > 1}
