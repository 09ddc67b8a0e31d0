"""Texts as sets of word 3-grams: as numbers for a whole batch at once, and as text for one."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.data.split import normalise

WORDS = 3
# Scripts that put no space between words: each of their characters counts as a word.
_UNSPACED = re.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003134f])"
)
_SPACE, _LINE = 32, 10
_BASE, _FIRST, _SECOND, _MIX = (
    np.uint64(each)
    for each in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0xD6E8FEB86659FD93, 0xFF51AFD7ED558CCD)
)
_BYTES = np.random.Generator(np.random.PCG64(7)).integers(0, 2**64, 256, dtype=np.uint64)


def spaced(text: str) -> str:
    """The normalised text, its words apart by one space each."""
    plain = normalise(text)
    if not plain.isascii() and _UNSPACED.search(plain):
        plain = " ".join(_UNSPACED.sub(r" \1 ", plain).split())
    return plain


def shingles(text: str) -> frozenset[str]:
    """The word 3-grams of a text; a text of fewer words is one shingle as a whole."""
    plain = spaced(text)
    words = plain.split(" ")
    if len(words) < WORDS:
        return frozenset((plain,))
    return frozenset(map(" ".join, zip(words, words[1:], words[2:], strict=False)))


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Shared shingles over all shingles of both; both sets hold at least one."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)


def shingle_hashes(texts: Sequence[str]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """The hashed shingles of texts from `spaced`, end to end (a repeated one stands repeatedly),
    and where each text's begin; each text has at least one."""
    if not texts:
        return np.zeros(0, np.uint32), np.zeros(0, np.int64)
    letters = np.frombuffer(
        ("\n".join(texts) + "\n").encode("utf-8", "surrogatepass"), np.uint8
    ).copy()
    ends = np.flatnonzero((letters == _SPACE) | (letters == _LINE))
    last = np.flatnonzero(letters[ends] == _LINE)  # the last word of each text
    letters[ends] = _SPACE
    words = _word_hashes(letters, ends)
    per_text = np.diff(last, prepend=-1)
    first = last - per_text + 1
    hashed = np.zeros(len(words), np.uint64)
    hashed[:-2] = words[:-2] * _FIRST + words[1:-1] * _SECOND + words[2:]
    short = np.flatnonzero(per_text < WORDS)
    pairs = np.where(per_text[short] == 2, words[last[short]] * _SECOND, np.uint64(0))
    hashed[first[short]] = words[first[short]] * _FIRST + pairs
    counts = np.maximum(per_text - WORDS + 1, 1)
    keep = np.ones(len(words), np.bool_)
    keep[last[per_text >= 2]] = False
    long = last[per_text >= WORDS]
    keep[long - 1] = False
    hashed = hashed[keep]
    hashed ^= hashed >> np.uint64(32)
    hashed *= _MIX
    return (hashed >> np.uint64(32)).astype(np.uint32), np.cumsum(counts) - counts


def _word_hashes(letters: NDArray[np.uint8], ends: NDArray[np.int64]) -> NDArray[np.uint64]:
    """A polynomial of each word's bytes, modulo 2**64; the space behind a word counts with it."""
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts + 1
    place = np.arange(len(letters)) - np.repeat(starts, lengths)
    powers = np.full(int(lengths.max()), _BASE)
    powers[0] = 1
    powers = np.multiply.accumulate(powers)
    return np.add.reduceat(_BYTES[letters] * powers[place], starts)
