"""Maximum bipartite matching: which of several calls answers which expectation."""

from __future__ import annotations

from collections.abc import Sequence


def maximum_matching(edges: Sequence[Sequence[int]], right: int) -> list[int | None]:
    """For each left node the right node it is matched with, or None; as many pairs as possible.

    `edges[i]` are the right nodes (0 … right − 1) that left node i may take. Augmenting paths (Kuhn 1955), without
    recursion; fine for the few hundred nodes that occur here.
    """
    owner: list[int | None] = [None] * right
    for start in range(len(edges)):
        _augment(start, edges, owner)
    match: list[int | None] = [None] * len(edges)
    for node, left in enumerate(owner):
        if left is not None:
            match[left] = node
    return match


def _augment(start: int, edges: Sequence[Sequence[int]], owner: list[int | None]) -> bool:
    """Breadth-first search for a free right node; on success the owners along the path are changed."""
    came_from: dict[int, int] = {}  # right node -> the left node that reached it
    queue = [start]
    for left in queue:
        for node in edges[left]:
            if node in came_from:
                continue
            came_from[node] = left
            holder = owner[node]
            if holder is None:
                _flip(node, start, came_from, owner)
                return True
            queue.append(holder)
    return False


def _flip(node: int, start: int, came_from: dict[int, int], owner: list[int | None]) -> None:
    while True:
        left = came_from[node]
        before = next((other for other, holder in enumerate(owner) if holder == left), None)
        owner[node] = left
        if left == start or before is None:
            return
        node = before
