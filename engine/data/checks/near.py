"""Near copies among many texts: candidates by MinHash, every pair of them verified exactly.

Two texts are near copies when the Jaccard index of their word 3-grams is at least 0.8. Sixteen
bands of six minima miss a pair at 0.8 in 0.8 % of cases, at 0.85 in 0.05 %, at 0.9 in 0.0006 %
(`chance_missed`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.data.checks.crowd import possible_pairs
from engine.data.checks.joined import THRESHOLD, Joined
from engine.data.checks.shingles import shingle_hashes, spaced
from engine.data.split import text_hash

BANDS, ROWS = 16, 6
SKETCHED = 64
"""Minima of which one byte is kept, to estimate a pair before its texts are read."""
LEAST_SHARED = round(0.58 * SKETCHED)
"""A pair at 0.8 shares fewer in about 1 of 100,000 cases."""
BATCH_CHARACTERS = 200_000
CROWD, CROWD_BATCH = 8, 1024
"""Texts of a bucket are tried with so many others before they are taken for a crowd."""
SETTLED = 64
MOST_PAIRS = 300_000_000

_random = np.random.Generator(np.random.PCG64(11))
_XOR, _MULTIPLY, _AGAIN = (
    _random.integers(0, 2**32, BANDS * ROWS, dtype=np.uint32) | np.uint32(odd) for odd in (0, 1, 1)
)
_FOLD = np.uint32(0x9E3779B1)


def chance_missed(similarity: float) -> float:
    """How likely a pair of this Jaccard index never becomes a candidate."""
    return float((1 - similarity**ROWS) ** BANDS)


def near_groups(
    texts: Sequence[str],
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> NDArray[np.int64]:
    """A group id for each text: the position of the group's first. Copies, and copies of copies,
    share one. `on_progress(done, total)` may raise Cancelled."""
    found = Signatures()
    for start in range(0, len(texts), 2048):
        on_progress(start, len(texts))
        found.add(texts[start : start + 2048])
    groups = found.groups(
        texts.__getitem__, lambda done, total: on_progress(len(texts), len(texts))
    )
    on_progress(len(texts), len(texts))
    return groups


class Signatures:
    """What is kept of each text to find its near copies: about 140 bytes, whatever its length.

    `untried` is above 0 where `groups` gave up on a crowd, past 300 million possible pairs.
    """

    def __init__(self) -> None:
        self._hashes: list[NDArray[np.uint64]] = []
        self._bands: list[NDArray[np.uint32]] = []
        self._sketches: list[NDArray[np.uint8]] = []
        self.untried = 0

    def __len__(self) -> int:
        return sum(len(each) for each in self._hashes)

    def add(self, texts: Sequence[str]) -> None:
        """Take in more texts, in the order of their positions."""
        for batch in _batches([spaced(text) for text in texts]):
            self._hashes.append(np.array([text_hash(text) for text in batch], np.uint64))
            minima = _minima(*shingle_hashes(batch))
            keys = np.zeros((BANDS, len(batch)), np.uint32)
            for row in range(ROWS):
                keys = (keys ^ minima[row * BANDS : (row + 1) * BANDS]) * _FOLD
                keys ^= keys >> np.uint32(15)
            self._bands.append(keys)
            self._sketches.append(minima[:SKETCHED].astype(np.uint8).T.copy())

    def groups(
        self,
        text_at: Callable[[int], str],
        on_progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> NDArray[np.int64]:
        """As `near_groups`; `text_at(position)` gives a text again, to verify a pair by."""
        self.untried = 0
        if not self._hashes:
            return np.zeros(0, np.int64)
        # Copies but for case and spaces go first, so that they crowd no band.
        _, first, back = np.unique(
            np.concatenate(self._hashes), return_index=True, return_inverse=True
        )
        order = np.argsort(first)
        first, rank = first[order], np.argsort(order)
        joined = Joined(len(first), lambda at: text_at(int(first[at])))
        sketches = np.concatenate(self._sketches)[first]
        crowded = np.zeros(len(first), np.bool_)
        for band in range(BANDS):
            on_progress(band, BANDS)
            keys = np.concatenate([each[band] for each in self._bands])[first]
            self._join_band(keys, sketches, joined, crowded)
        self._join_crowd(
            np.flatnonzero(crowded), joined, sketches, lambda: on_progress(BANDS, BANDS)
        )
        on_progress(BANDS, BANDS)
        found: NDArray[np.int64] = first[joined.labels()][rank[back]].astype(np.int64)
        return found

    def _join_band(
        self,
        keys: NDArray[np.uint32],
        sketches: NDArray[np.uint8],
        joined: Joined,
        crowded: NDArray[np.bool_],
    ) -> None:
        """Join the near copies that share a key; mark the texts of a bucket too crowded for that.

        Buckets are runs of one key; pairs are tried by their distance in the run, so that copies
        join in the first rounds and need no more.
        """
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        left = np.flatnonzero(keys[1:] == keys[:-1])
        distance = 1
        while len(left):
            labels = joined.labels()
            one, other = order[left], order[left + distance]
            apart = (labels[one] != labels[other]) & ~(crowded[one] & crowded[other])
            joined.join(*_alike(one[apart], other[apart], sketches))
            distance += 1
            left = left[left + distance < len(keys)]
            left = left[keys[left + distance] == keys[left]]
            if distance & (distance - 1) == 0:  # now and then: buckets that are one group already
                left = left[_mixed(keys, joined.labels()[order])[left]]
            if distance > CROWD:
                members = np.isin(keys, keys[left])
                crowded[order[members]] = True
                break

    def _join_crowd(
        self,
        crowd: NDArray[np.int64],
        joined: Joined,
        sketches: NDArray[np.uint8],
        tick: Callable[[], None],
    ) -> None:
        """Join all near copies among the texts that crowd the bands.

        Groups that are large by now are not compared with one another: between two of these there
        were so many pairs to find that the bands have not missed all.
        """
        if len(crowd) == 0:
            return
        parts, sizes = list[NDArray[np.uint32]](), list[NDArray[np.int64]]()
        for start in range(0, len(crowd), CROWD_BATCH):
            tick()
            texts = [
                spaced(joined.text_at(at)) for at in crowd[start : start + CROWD_BATCH].tolist()
            ]
            hashed, starts = shingle_hashes(texts)
            parts.append(hashed)
            sizes.append(np.diff(np.append(starts, len(hashed))))
        lengths = np.concatenate(sizes)
        labels = joined.labels()[crowd]
        settled = np.bincount(labels, minlength=len(sketches))[labels] > SETTLED
        tried = 0
        for one, other in possible_pairs(
            np.concatenate(parts), np.cumsum(lengths) - lengths, THRESHOLD, settled
        ):
            tick()
            tried += len(one)
            if tried > MOST_PAIRS:
                self.untried += len(one)
                break
            one, other = crowd[one], crowd[other]
            labels = joined.labels()
            apart = labels[one] != labels[other]
            joined.join(*_alike(one[apart], other[apart], sketches))


def _minima(hashed: NDArray[np.uint32], starts: NDArray[np.int64]) -> NDArray[np.uint32]:
    """[BANDS * ROWS, texts]: the least of each text's shingles, in as many random orders."""
    minima = np.empty((BANDS * ROWS, len(starts)), np.uint32)
    for at in range(BANDS * ROWS):
        order = (hashed ^ _XOR[at]) * _MULTIPLY[at]
        order ^= order >> np.uint32(15)
        order *= _AGAIN[at]
        minima[at] = np.minimum.reduceat(order, starts)
    return minima


def _alike(
    one: NDArray[np.int64], other: NDArray[np.int64], sketches: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The pairs that may be near copies, as far as their sketches tell."""
    keep = np.zeros(len(one), np.bool_)
    for start in range(0, len(one), 65536):
        part = slice(start, start + 65536)
        shared = np.count_nonzero(sketches[one[part]] == sketches[other[part]], axis=1)
        keep[part] = shared >= LEAST_SHARED
    return one[keep], other[keep]


def _mixed(keys: NDArray[np.uint32], labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """For each of the sorted keys: does its run hold more than one label?"""
    starts = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    mixed = np.minimum.reduceat(labels, starts) != np.maximum.reduceat(labels, starts)
    return np.repeat(mixed, np.diff(np.append(starts, len(keys))))


def _batches(texts: list[str]) -> Iterator[list[str]]:
    """Texts in parts whose arrays stay in the processor's cache."""
    part, characters = list[str](), 0
    for text in texts:
        part.append(text)
        characters += len(text)
        if characters >= BATCH_CHARACTERS:
            yield part
            part, characters = [], 0
    if part:
        yield part
