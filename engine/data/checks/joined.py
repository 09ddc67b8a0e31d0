"""Groups of texts, joined pair by pair as their texts show."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from engine.data.checks.shingles import jaccard, shingles

THRESHOLD = 0.8
"""The Jaccard index from which two texts are near copies."""
KEPT_TEXTS = 1024


class Joined:
    """Union-find over positions: two are joined when their texts are near copies."""

    def __init__(self, count: int, text_at: Callable[[int], str]) -> None:
        self._parent = np.arange(count)
        self.text_at = text_at
        self._kept: dict[int, frozenset[str]] = {}
        self._refused: set[int] = set()

    def join(self, one: NDArray[np.int64], other: NDArray[np.int64]) -> None:
        """Join the pairs that are near copies, as their texts show."""
        for a, b in zip(one.tolist(), other.tolist(), strict=True):
            a, b = min(a, b), max(a, b)
            roots = self._root(a), self._root(b)
            key = a * len(self._parent) + b
            if roots[0] == roots[1] or key in self._refused:
                continue
            if jaccard(self._shingles(a), self._shingles(b)) >= THRESHOLD:
                self._parent[max(roots)] = min(roots)
            else:
                self._refused.add(key)

    def labels(self) -> NDArray[np.int64]:
        """The lowest position of each one's group."""
        while True:
            further = self._parent[self._parent]
            if np.array_equal(further, self._parent):
                return further
            self._parent = further

    def _root(self, at: int) -> int:
        while self._parent[at] != at:
            at = int(self._parent[at])
        return at

    def _shingles(self, at: int) -> frozenset[str]:
        if at not in self._kept:
            if len(self._kept) >= KEPT_TEXTS:
                self._kept.clear()
            self._kept[at] = shingles(self.text_at(at))
        return self._kept[at]
