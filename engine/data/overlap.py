"""Is anything held out also trained on? Counted from the rows and their sides as they stand.

This shares nothing with what made the split: its own way to normalise and to cut a text into
3-grams, and a search that finds every near copy instead of drawing candidates by chance.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from math import ceil
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engine.data.rows import Row

Side = Literal["train", "eval"]
METHOD = "every pair that shares enough 3-grams of words is compared in full"
_MARKS = " .,;:!?…。"
_SPACE = re.compile(r"\s+")
_ONE_LETTER_WORDS = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003134f]"
)


@dataclass(frozen=True)
class Leaks:
    """Positions of the held-out rows with a copy among the training rows: letter for letter, but
    for case and spaces too, and near ones too. Each holds the one before it. `pairs` is [n, 2]: a
    near leak and the first training row it is like."""

    exact: NDArray[np.int64]
    normalised: NDArray[np.int64]
    near: NDArray[np.int64]
    pairs: NDArray[np.int64]


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
    rows: Sequence[Row],
    sides: Sequence[Side | None],
    threshold: float | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Leaks:
    """The held-out rows that are trained on. Rows are read in order, the held-out ones first."""
    held = [at for at, side in enumerate(sides) if side == "eval"]
    train = [at for at, side in enumerate(sides) if side == "train"]
    forms = np.empty((len(held) + len(train), 2), np.int64)
    for at, place in enumerate(chain(held, train)):
        forms[at] = _forms(rows[place])
    exact, normal = (
        np.array(held, np.int64)[np.isin(form[: len(held)], form[len(held) :])] for form in forms.T
    )
    pairs = np.zeros((0, 2), np.int64)
    if threshold is not None and held and train:
        pairs = _near_pairs(rows, held, train, threshold, on_progress)
    return Leaks(exact, normal, pairs[:, 0], pairs)


def _near_pairs(
    rows: Sequence[Row],
    held: list[int],
    train: list[int],
    threshold: float,
    on_progress: Callable[[int, int], None],
) -> NDArray[np.int64]:
    """[n, 2], one pair for each held-out row that has one."""
    index = _Index([_grams(rows[at]) for at in held], threshold)
    found: dict[int, int] = {}
    wanted: dict[int, frozenset[str]] = {}
    for done, at in enumerate(train):
        if done % 1024 == 0:
            on_progress(done, len(train))
        numbers = _grams(rows[at])
        for place in index.candidates(numbers):
            if held[place] in found:
                continue
            if place not in wanted:
                wanted[place] = _gram_texts(rows[held[place]])
            if _similar(wanted[place], _gram_texts(rows[at]), threshold):
                found[held[place]] = at
    on_progress(len(train), len(train))
    return np.array(sorted(found.items()), np.int64).reshape(-1, 2)


class _Index:
    """Held-out texts by their rarest 3-grams.

    Texts x and y of Jaccard index t or more share at least t (|x| + |y|) / (1 + t) 3-grams. So,
    with all 3-grams in one order, the first one they share has at least as many from it to the end
    of x, and of y. The order is from rare to common among the held-out texts, 3-grams that none of
    these holds first: what all texts share, such as a common instruction, makes no candidates.
    """

    def __init__(self, texts: list[NDArray[np.int64]], threshold: float) -> None:
        self._threshold = threshold
        self._known, counts = np.unique(np.concatenate(texts), return_counts=True)
        self._rank = np.empty(len(counts), np.int64)
        self._rank[np.argsort(counts, kind="stable")] = np.arange(len(counts))
        entries = [self._entries(text) for text in texts]
        lengths = [len(ranks) for ranks, _ in entries]
        ranks, left = (np.concatenate(each) for each in zip(*entries, strict=True))
        sizes = np.repeat([len(text) for text in texts], lengths)
        order = np.lexsort((sizes, ranks))
        self._place = np.repeat(np.arange(len(texts)), lengths)[order]
        self._left, self._sizes = left[order], sizes[order]
        self._widest = int(sizes.max()) + 1
        self._keys = ranks[order] * self._widest + self._sizes

    def candidates(self, text: NDArray[np.int64]) -> list[int]:
        """Places of the held-out texts that may be as like as wanted."""
        t, size = self._threshold, len(text)
        ranks, left = self._entries(text)
        if not len(ranks):
            return []
        least = ceil(t * size - 1e-9)
        most = np.floor(np.minimum(size / t, left * (1 + t) / t - size) + 1e-9).astype(np.int64)
        most = np.minimum(most, self._widest - 1)
        start = np.searchsorted(self._keys, ranks * self._widest + min(least, self._widest))
        stop = np.searchsorted(self._keys, ranks * self._widest + most, side="right")
        found = set[int]()
        for low, high in zip(start.tolist(), stop.tolist(), strict=True):
            if low < high:
                enough = self._left[low:high] * (1 + t) >= t * (size + self._sizes[low:high]) - 1e-9
                found.update(self._place[low:high][enough].tolist())
        return sorted(found)

    def _entries(self, text: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Ranks of those 3-grams that can be the first shared one, rare ones first, and how many
        3-grams of the text there are from each to the end."""
        at = np.minimum(np.searchsorted(self._known, text), len(self._known) - 1)
        ranks = np.sort(self._rank[at[self._known[at] == text]])
        left = np.arange(len(ranks), 0, -1)
        can = left >= self._threshold * len(text) - 1e-9
        return ranks[can], left[can]


def _question(row: Row) -> str:
    """The user's side of a row; where there is none, everything but the system text."""
    asked = [m.content for m in row.messages if m.role == "user"]
    text = "\n".join(asked)
    if not text.strip():
        text = "\n".join(m.content for m in row.messages if m.role != "system")
    return text


def _forms(row: Row) -> tuple[int, int]:
    """Numbers for the row's question as it is, and normalised."""
    text = _question(row)
    return hash(text), hash(_bare(text))


def _bare(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    one_line = _SPACE.sub(" ", folded).strip()
    return one_line.rstrip(_MARKS) or one_line


def _words(row: Row) -> list[str]:
    text = _bare(_question(row))
    return (text if text.isascii() else _ONE_LETTER_WORDS.sub(r" \g<0> ", text)).split()


def _grams(row: Row) -> NDArray[np.int64]:
    """Numbers of the row's different 3-grams, sorted; of fewer than three words, one for all."""
    words = _words(row)
    many = len(words) >= 3
    grams = set(zip(words, words[1:], words[2:], strict=False)) if many else {tuple(words)}
    return np.sort(np.fromiter(map(hash, grams), np.int64, len(grams)))


def _gram_texts(row: Row) -> frozenset[str]:
    words = _words(row)
    return frozenset(" ".join(words[at : at + 3]) for at in range(max(1, len(words) - 2)))


def _similar(one: frozenset[str], other: frozenset[str], threshold: float) -> bool:
    return len(one & other) >= threshold * len(one | other) - 1e-9
