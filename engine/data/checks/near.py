"""Near copies among many texts: candidates by MinHash, every pair of them verified exactly.

Two texts are near copies when the Jaccard index of their word 3-grams is at least 0.8. Sixteen
bands of six minima miss a pair at 0.8 in 0.8 % of cases, at 0.85 in 0.05 %, at 0.9 in 0.0006 %
(`chance_missed`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

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


class Signed(Protocol):
    """Signatures of texts by position. `hashes` (n,) are equal for copies but for case and spaces, each of
    the `BANDS` bands (n,) is often equal for near copies; a sketch (`SKETCHED` bytes) estimates how near."""

    @property
    def hashes(self) -> NDArray[np.uint64]: ...

    def band(self, which: int) -> NDArray[np.uint32]: ...

    def sketches(self, at: NDArray[np.int64]) -> NDArray[np.uint8]: ...


@dataclass(frozen=True)
class Signatures:
    """About 140 bytes a text, whatever its length."""

    hashes: NDArray[np.uint64]
    bands: NDArray[np.uint32]
    minima: NDArray[np.uint8]

    def band(self, which: int) -> NDArray[np.uint32]:
        return self.bands[:, which]

    def sketches(self, at: NDArray[np.int64]) -> NDArray[np.uint8]:
        return self.minima[at]


@dataclass(frozen=True)
class Grouping:
    """`labels` (n,): the position of each one's first near copy. `untried` counts the pairs of a crowd that
    were given up, past 300 million possible ones."""

    labels: NDArray[np.int64]
    untried: int = 0


def signatures(texts: Sequence[str]) -> Signatures:
    """The signatures of texts, in their order."""
    hashes = np.zeros(len(texts), np.uint64)
    bands = np.zeros((len(texts), BANDS), np.uint32)
    sketches = np.zeros((len(texts), SKETCHED), np.uint8)
    done = 0
    for batch in _batches([spaced(text) for text in texts]):
        part = slice(done, done + len(batch))
        done = part.stop
        hashes[part] = [text_hash(text) for text in batch]
        minima = _minima(*shingle_hashes(batch))
        keys = np.zeros((BANDS, len(batch)), np.uint32)
        for row in range(ROWS):
            keys = (keys ^ minima[row * BANDS : (row + 1) * BANDS]) * _FOLD
            keys ^= keys >> np.uint32(15)
        bands[part] = keys.T
        sketches[part] = minima[:SKETCHED].T.astype(np.uint8)
    return Signatures(hashes, bands, sketches)


def near_groups(
    texts: Sequence[str], on_progress: Callable[[int, int], None] = lambda done, total: None
) -> NDArray[np.int64]:
    """A group id for each text: the position of the group's first. Copies, and copies of copies,
    share one. `on_progress(done, total)` may raise Cancelled."""
    return group(signatures(texts), texts.__getitem__, on_progress).labels


def group(
    signed: Signed,
    text_at: Callable[[int], str],
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Grouping:
    """The groups of texts by their signatures; `text_at(position)` gives a text, to verify a pair by.
    `on_progress(bands done, bands)` may raise Cancelled."""
    on_progress(0, BANDS)
    if not len(signed.hashes):
        return Grouping(np.zeros(0, np.int64))
    # Copies but for case and spaces go first, so that they crowd no band.
    _, first, back = np.unique(signed.hashes, return_index=True, return_inverse=True)
    order = np.argsort(first)
    first, rank = first[order], np.argsort(order)
    search = _Search(signed, first, text_at)
    for band in range(BANDS):
        on_progress(band, BANDS)
        search.join_band(signed.band(band)[first])
    untried = search.join_crowd(lambda: on_progress(BANDS, BANDS))
    on_progress(BANDS, BANDS)
    return Grouping(first[search.joined.labels()][rank[back]].astype(np.int64), untried)


class _Search:
    """Near copies among texts no two of which are the same: `first` are their positions."""

    def __init__(
        self, signed: Signed, first: NDArray[np.int64], text_at: Callable[[int], str]
    ) -> None:
        self._signed, self._first = signed, first
        self.joined = Joined(len(first), lambda at: text_at(int(first[at])))
        self._crowded = np.zeros(len(first), np.bool_)

    def join_band(self, keys: NDArray[np.uint32]) -> None:
        """Join the near copies that share a key; mark the texts of a bucket too crowded for that.

        Buckets are runs of one key; pairs are tried by their distance in the run, so that copies
        join in the first rounds and need no more.
        """
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        left = np.flatnonzero(keys[1:] == keys[:-1])
        distance = 1
        while len(left):
            labels = self.joined.labels()
            one, other = order[left], order[left + distance]
            apart = (labels[one] != labels[other]) & ~(self._crowded[one] & self._crowded[other])
            self._join(one[apart], other[apart])
            distance += 1
            left = left[left + distance < len(keys)]
            left = left[keys[left + distance] == keys[left]]
            if distance & (distance - 1) == 0:  # now and then: buckets that are one group already
                left = left[_mixed(keys, self.joined.labels()[order])[left]]
            if distance > CROWD:
                members = np.isin(keys, keys[left])
                self._crowded[order[members]] = True
                break

    def join_crowd(self, tick: Callable[[], None]) -> int:
        """Join all near copies among the texts that crowd the bands; how many pairs were given up.

        Groups that are large by now are not compared with one another: between two of these there
        were so many pairs to find that the bands have not missed all.
        """
        crowd = np.flatnonzero(self._crowded)
        if len(crowd) == 0:
            return 0
        parts, sizes = list[NDArray[np.uint32]](), list[NDArray[np.int64]]()
        for start in range(0, len(crowd), CROWD_BATCH):
            tick()
            some = crowd[start : start + CROWD_BATCH].tolist()
            hashed, starts = shingle_hashes([spaced(self.joined.text_at(at)) for at in some])
            parts.append(hashed)
            sizes.append(np.diff(np.append(starts, len(hashed))))
        lengths = np.concatenate(sizes)
        labels = self.joined.labels()[crowd]
        settled = np.bincount(labels, minlength=len(self._first))[labels] > SETTLED
        tried = 0
        for one, other in possible_pairs(
            np.concatenate(parts), np.cumsum(lengths) - lengths, THRESHOLD, settled
        ):
            tick()
            tried += len(one)
            if tried > MOST_PAIRS:
                return len(one)
            one, other = crowd[one], crowd[other]
            labels = self.joined.labels()
            apart = labels[one] != labels[other]
            self._join(one[apart], other[apart])
        return 0

    def _join(self, one: NDArray[np.int64], other: NDArray[np.int64]) -> None:
        """Join those of the pairs that are near copies; most that are not show it by their sketches."""
        for start in range(0, len(one), 65536):
            some, others = one[start : start + 65536], other[start : start + 65536]
            sketches = (self._signed.sketches(self._first[each]) for each in (some, others))
            shared = np.count_nonzero(np.equal(*sketches), axis=1)
            keep = shared >= LEAST_SHARED
            self.joined.join(some[keep], others[keep])


def _minima(hashed: NDArray[np.uint32], starts: NDArray[np.int64]) -> NDArray[np.uint32]:
    """[BANDS * ROWS, texts]: the least of each text's shingles, in as many random orders."""
    minima = np.empty((BANDS * ROWS, len(starts)), np.uint32)
    for at in range(BANDS * ROWS):
        order = (hashed ^ _XOR[at]) * _MULTIPLY[at]
        order ^= order >> np.uint32(15)
        order *= _AGAIN[at]
        minima[at] = np.minimum.reduceat(order, starts)
    return minima


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
