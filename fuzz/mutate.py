"""Mutations of a target's seeds, drawn by a seed: for machines without a coverage-guided fuzzer."""

from __future__ import annotations

import random
from collections.abc import Iterator

from fuzz.targets import corpus

_TOKENS = (
    b"\x00", b"\n", b"\r\n\r\n", b"data: ", b"[DONE]", b"{", b"}", b"[" * 80, b'"', b"\\u0000", b"\\ud800", b"1e999",
    b"-1", b"99999999999999999999", b"null", b"NaN", b"true", b"\xff\xfe", b"\xc3", "\u202e".encode(), b"\x1b[2J",
    b"&a", b"*a", b"<<: ", b"!!python/object:os.system ", b"---\n", b": ", b"- ", b'?token=x"', b"Bearer abcdef",
)  # fmt: skip


def examples(name: str, seed: int) -> Iterator[bytes]:
    """The seeds as they are, then mutations of them without end."""
    seeds = [path.read_bytes() for path in corpus(name)]
    yield from seeds
    rng = random.Random(seed)
    while True:
        data = bytearray(rng.choice(seeds))
        for _ in range(rng.randint(1, 6)):
            _mutate(data, rng, seeds)
        yield bytes(data)


def _mutate(data: bytearray, rng: random.Random, seeds: list[bytes]) -> None:
    at = rng.randint(0, len(data))
    kind = rng.randrange(6)
    if kind == 0:
        data[at:at] = rng.choice(_TOKENS)
    elif kind == 1:
        del data[at : at + rng.randint(1, 16)]
    elif kind == 2 and data:
        data[min(at, len(data) - 1)] = rng.randrange(256)
    elif kind == 3:
        data[at:at] = data[at : at + rng.randint(1, 64)]
    elif kind == 4:
        other = rng.choice(seeds)
        start = rng.randint(0, len(other))
        data[at:at] = other[start : start + rng.randint(1, 128)]
    else:
        data[at : at + rng.randint(0, 8)] = rng.choice(_TOKENS)
