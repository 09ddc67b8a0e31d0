"""Is anything held out also trained on? Counted from the rows and their sides as they stand.

This shares nothing with what made the split: its own way to normalise and to cut a text into
3-grams, and a search that finds every near copy instead of drawing candidates by chance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.data.prints import Prints, gram_texts, prints_of
from engine.data.rows import Row

Side = Literal["train", "eval"]
METHOD = "every pair that shares enough 3-grams of words is compared in full"
HELD_AT_ONCE, TRAIN_AT_ONCE = 32_768, 8192
PAIRS_AT_ONCE = 1_000_000
KEPT_TEXTS = 1024
Places = NDArray[np.int64]


@dataclass(frozen=True)
class Leaks:
    """Positions of the held-out rows with a copy among the training rows: letter for letter, but
    for case and spaces too, and near ones too. Each holds the one before it. `pairs` is [n, 2]: a
    near leak and the first training row it is like."""

    exact: Places
    normalised: Places
    near: Places
    pairs: Places


class Printed(Protocol):
    """The `Prints` of rows, by position; `questions` are their `exact` and `normal` alone."""

    def questions(self, at: Places) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]: ...

    def prints(self, at: Places) -> Prints: ...


def overlap(
    rows: Sequence[Row], sides: Sequence[Side | None], threshold: float | None = None
) -> dict[str, Any]:
    """How many held-out rows have a copy among the training rows, normalised copies counting exact
    ones too; with a `threshold` (a Jaccard index) near copies are counted as well, all of them."""
    return counted(leaks(rows, sides, threshold), threshold)


def counted(found: Leaks, threshold: float | None = None) -> dict[str, Any]:
    """The leaks as numbers."""
    counts = {"exact": len(found.exact), "normalised": len(found.normalised)}
    if threshold is None:
        return counts
    return {**counts, "near": len(found.near), "threshold": threshold, "method": METHOD}


def leaks(
    rows: Sequence[Row], sides: Sequence[Side | None], threshold: float | None = None
) -> Leaks:
    """The held-out rows that are trained on."""
    held, train = (
        np.array([at for at, side in enumerate(sides) if side == name], np.int64)
        for name in ("eval", "train")
    )
    return leaks_between(rows, prints_of(rows), held, train, threshold)


def leaks_between(
    rows: Sequence[Row],
    printed: Printed,
    held: Places,
    train: Places,
    threshold: float | None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Leaks:
    """Those of the rows `held` (positions) that are among the rows `train`, by the prints of all rows."""
    exact, normal = (
        held[np.isin(asked, learned)]
        for asked, learned in zip(printed.questions(held), printed.questions(train), strict=True)
    )
    pairs = np.zeros((0, 2), np.int64)
    if threshold is not None and len(held) and len(train):
        search = _Search(rows, printed, train, threshold)
        pairs = np.concatenate(list(search.pairs(held, on_progress)))
    return Leaks(exact, normal, pairs[:, 0], pairs)


def _parts(count: int, size: int) -> Iterator[slice]:
    return (slice(start, start + size) for start in range(0, count, size))


class _Search:
    """Near copies of held-out questions among the training rows, read in order."""

    def __init__(
        self, rows: Sequence[Row], printed: Printed, train: Places, threshold: float
    ) -> None:
        self._rows, self._printed, self._train = rows, printed, train
        self._threshold = threshold
        self._kept: dict[int, frozenset[str]] = {}

    def pairs(self, held: Places, on_progress: Callable[[int, int], None]) -> Iterator[Places]:
        """[n, 2] in parts: each held-out row that has a near copy, with the first of them."""
        total = len(self._train) * len(range(0, len(held), HELD_AT_ONCE))
        done = 0
        for some in _parts(len(held), HELD_AT_ONCE):
            index = _Index(self._printed.prints(held[some]), self._threshold)
            first: dict[int, int] = {}
            for part in _parts(len(self._train), TRAIN_AT_ONCE):
                on_progress(done, total)
                train = self._train[part]
                done += len(train)
                for line, place in index.candidates(self._printed.prints(train)):
                    asked, copy = int(held[some][place]), int(train[line])
                    if asked not in first and self._alike(asked, copy):
                        first[asked] = copy
            yield np.array(sorted(first.items()), np.int64).reshape(-1, 2)
        on_progress(total, total)

    def _alike(self, one: int, other: int) -> bool:
        """Are two questions near copies, as their texts show?"""
        grams, others = self._grams(one), self._grams(other)
        return len(grams & others) >= self._threshold * len(grams | others) - 1e-9

    def _grams(self, at: int) -> frozenset[str]:
        if at not in self._kept:
            if len(self._kept) >= KEPT_TEXTS:
                self._kept.clear()
            self._kept[at] = gram_texts(self._rows[at])
        return self._kept[at]


class _Index:
    """Held-out texts by their rarest 3-grams.

    Texts x and y of Jaccard index t or more share at least t (|x| + |y|) / (1 + t) 3-grams. So,
    with all 3-grams in one order, the first one they share has at least as many from it to the end
    of x, and of y. The order is from rare to common among the held-out texts, 3-grams that none of
    these holds first: what all texts share, such as a common instruction, makes no candidates.
    """

    def __init__(self, texts: Prints, threshold: float) -> None:
        self._threshold = threshold
        self._known, counts = np.unique(texts.grams, return_counts=True)
        self._rank = np.empty(len(counts), np.int64)
        self._rank[np.argsort(counts, kind="stable")] = np.arange(len(counts))
        place, ranks, left = self._entries(texts)
        sizes = texts.counts[place]
        order = np.lexsort((sizes, ranks))
        self._place, self._left, self._sizes = place[order], left[order], sizes[order]
        self._widest = int(texts.counts.max(initial=0)) + 2
        self._keys = ranks[order] * self._widest + self._sizes

    def candidates(self, texts: Prints) -> list[tuple[int, int]]:
        """Pairs (line of a text, place of a held-out text) that may be as like as wanted, in order."""
        t = self._threshold
        line, ranks, left = self._entries(texts)
        size = texts.counts[line]
        least = np.minimum(np.ceil(t * size - 1e-9), self._widest - 1)
        most = np.minimum(size / t, left * (1 + t) / t - size)
        most = np.minimum(np.floor(most + 1e-9), self._widest - 1)
        base = ranks * self._widest
        start = np.searchsorted(self._keys, base + least.astype(np.int64))
        stop = np.searchsorted(self._keys, base + most.astype(np.int64), side="right")
        found = [np.zeros((0, 2), np.int64)]
        for part, (entry, at) in _expanded(start, np.maximum(stop - start, 0)):
            enough = self._left[at] * (1 + t) >= t * (size[part][entry] + self._sizes[at]) - 1e-9
            pairs = np.stack([line[part][entry[enough]], self._place[at[enough]]], axis=1)
            found.append(np.unique(pairs, axis=0))
        return [(a, b) for a, b in np.unique(np.concatenate(found), axis=0).tolist()]

    def _entries(self, texts: Prints) -> tuple[Places, Places, Places]:
        """Those 3-grams that can be the first one shared: the place of their text, their rank, and how many
        3-grams of the text there are from each to the end, rare ones first."""
        owner = np.repeat(np.arange(len(texts.counts)), texts.counts)
        at = np.minimum(np.searchsorted(self._known, texts.grams), max(len(self._known) - 1, 0))
        there = self._known[at] == texts.grams if len(self._known) else at > 0
        owner, ranks = owner[there], self._rank[at[there]]
        order = np.lexsort((ranks, owner))
        owner, ranks = owner[order], ranks[order]
        known = np.bincount(owner, minlength=len(texts.counts))
        left = np.cumsum(known)[owner] - np.arange(len(owner))
        can = left >= self._threshold * texts.counts[owner] - 1e-9
        return owner[can], ranks[can], left[can]


def _expanded(start: Places, counts: Places) -> Iterator[tuple[slice, tuple[Places, Places]]]:
    """Entry i stands for the places from `start[i]`, `counts[i]` of them: in parts of entries, each place
    with its entry's number within the part."""
    ends = np.cumsum(counts)
    at = 0
    while at < len(counts):
        before = int(ends[at - 1]) if at else 0
        stop = max(at + 1, int(np.searchsorted(ends, before + PAIRS_AT_ONCE, side="right")))
        part = slice(at, stop)
        entry = np.repeat(np.arange(stop - at), counts[part])
        shift = start[part] - (ends[part] - counts[part] - before)
        yield part, (entry, shift[entry] + np.arange(len(entry)))
        at = stop
