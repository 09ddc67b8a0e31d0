"""All pairs of near copies in a crowd: texts that share so much that MinHash cannot tell them apart,
such as one long instruction with ever other short inputs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
CHUNK = 1_000_000


def possible_pairs(
    hashed: NDArray[np.uint32], starts: Numbers, threshold: float, settled: NDArray[np.bool_]
) -> Iterator[tuple[Numbers, Numbers]]:
    """Every pair of texts whose Jaccard index may reach the threshold, in parts; a pair may come
    repeatedly. Texts are given by their shingles as `shingle_hashes` gives them. Two texts that are
    both `settled` make no pair.

    Texts x and y of Jaccard index t or more share at least t (|x| + |y|) / (1 + t) shingles. So,
    with all shingles in one order, the first they share has as many from it to the end of x, and of
    y. In the order from rare to common, what the whole crowd shares comes last, too late to make a
    pair.
    """
    text, shingle, left, size = _entries(hashed, starts, threshold)
    widest = int(size.max(initial=0)) + 2
    order = np.lexsort((size, shingle))
    text, shingle, left, size = text[order], shingle[order], left[order], size[order]
    keys = shingle * widest + size
    seeking = np.flatnonzero(~settled[text])
    base, own = shingle[seeking] * widest, size[seeking]
    most = np.minimum(own / threshold, left[seeking] * (1 + threshold) / threshold - own)
    least = np.ceil(own * threshold - 1e-6).astype(np.int64)
    start = np.searchsorted(keys, base + least)
    limit = base + np.minimum(np.floor(most + 1e-6).astype(np.int64), widest - 1)
    counts = np.maximum(np.searchsorted(keys, limit, side="right") - start, 0)
    ends = np.cumsum(counts)
    at = 0
    while at < len(counts):
        before = int(ends[at - 1]) if at else 0
        stop = max(at + 1, int(np.searchsorted(ends, before + CHUNK, side="right")))
        part = slice(at, stop)
        one = np.repeat(seeking[part], counts[part])
        shift = start[part] - (ends[part] - counts[part] - before)
        other = np.repeat(shift, counts[part]) + np.arange(len(one))
        enough = left[other] * (1 + threshold) >= threshold * (size[one] + size[other]) - 1e-6
        enough &= text[one] != text[other]
        yield text[one[enough]], text[other[enough]]
        at = stop


def _entries(
    hashed: NDArray[np.uint32], starts: Numbers, threshold: float
) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """For each shingle that can be the first one a text shares with another: the text, the shingle's
    rank, the shingles from it to the text's end, and the text's size."""
    owner = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(hashed))))
    once = np.unique(owner << 32 | hashed.astype(np.int64))
    owner = once >> 32
    _, back, counts = np.unique(once & 0xFFFFFFFF, return_inverse=True, return_counts=True)
    rank = np.empty(len(counts), np.int64)
    rank[np.argsort(counts, kind="stable")] = np.arange(len(counts))
    shingle = rank[back]
    order = np.lexsort((shingle, owner))
    shingle = shingle[order]
    sizes = np.bincount(owner, minlength=len(starts))
    left = np.cumsum(sizes)[owner] - np.arange(len(owner))
    can = (left >= threshold * sizes[owner] - 1e-6) & (counts[np.argsort(rank)][shingle] > 1)
    return owner[can], shingle[can], left[can], sizes[owner][can]
