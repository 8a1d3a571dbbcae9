"""The simulated prefix cache: how many tokens of a prompt were seen before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

Tokens = Sequence[str]


@dataclass
class _Node:
    edge: Tokens = ()
    children: dict[str, _Node] = field(default_factory=dict)


class PrefixCache:
    """A radix tree of prompts. Full, it forgets everything; a hit is a whole number of pages.

    The last token of a prompt is never cached: it has to be computed for the first token of the reply.
    """

    def __init__(self, page: int, capacity: int) -> None:
        self._page, self._capacity = page, capacity
        self.clear()

    def clear(self) -> None:
        self._root = _Node()
        self.tokens = 0

    def hit(self, prompt: Tokens) -> int:
        """Cached tokens of `prompt`, which is in the cache from now on."""
        found = self._insert(prompt)
        if self.tokens > self._capacity:
            self.clear()
        usable = min(found, len(prompt) - 1)
        return max(0, usable - usable % self._page)

    def _insert(self, prompt: Tokens) -> int:
        node, at = self._root, 0
        while at < len(prompt):
            child = node.children.get(prompt[at])
            if child is None:
                node.children[prompt[at]] = _Node(prompt[at:])
                self.tokens += len(prompt) - at
                return at
            same = _common(child.edge, prompt[at : at + len(child.edge)])
            at += same
            if same < len(child.edge):
                _split(child, same)
            node = child
        return at


def _split(node: _Node, at: int) -> None:
    tail = _Node(node.edge[at:], node.children)
    node.edge, node.children = node.edge[:at], {tail.edge[0]: tail}


def _common(left: Tokens, right: Tokens) -> int:
    """Length of the common start, by bisection: slices compare in C."""
    low, high = 0, min(len(left), len(right))
    while low < high:
        middle = (low + high + 1) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
