"""What the overlap compares of each row's question: numbers for it as it is, normalised, and cut into 3-grams
of words. It has nothing in common with how the split reads a text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from engine.data.rows import Row

_MARKS = " .,;:!?…。"
_SPACE = re.compile(r"\s+")
_ONE_LETTER_WORDS = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003134f]"
)
_PRIMES = tuple(
    np.uint64(each) for each in (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9)
)
MOST_WORDS = 2**16


@dataclass(frozen=True)
class Prints:
    """Of n questions: `exact` and `normal` (n,), and their different 3-grams end to end, `counts[i]` of them
    for question i; of fewer than three words, one for all."""

    exact: NDArray[np.uint64]
    normal: NDArray[np.uint64]
    counts: NDArray[np.int64]
    grams: NDArray[np.uint64]

    def questions(self, at: NDArray[np.int64]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        """`exact` and `normal` of some questions."""
        return self.exact[at], self.normal[at]

    def prints(self, at: NDArray[np.int64]) -> Prints:
        """Those of some questions."""
        grams = picked(self.grams, self.counts, at)
        return Prints(self.exact[at], self.normal[at], self.counts[at], grams)


def prints_of(rows: Sequence[Row]) -> Prints:
    """The prints of rows, in their order."""
    exact, normal = np.zeros((2, len(rows)), np.uint64)
    words: list[int] = []
    per_row = np.zeros(len(rows), np.int64)
    for at, row in enumerate(rows):
        text = question(row)
        bare = _bare(text)
        exact[at], normal[at] = _number(text), _number(bare)
        found = _words(bare)
        per_row[at] = len(found)
        words += [_WORDS[word] for word in found]
    counts, grams = _grams(np.array(words, np.uint64), per_row)
    return Prints(exact, normal, counts, grams)


def picked(
    flat: NDArray[np.uint64], counts: NDArray[np.int64], at: NDArray[np.int64]
) -> NDArray[np.uint64]:
    """Of stretches that lie end to end, those at some places, end to end."""
    return flat[stretches((np.cumsum(counts) - counts)[at], counts[at])]


def stretches(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The places from each start on, `counts` of them, end to end."""
    shift = starts - (np.cumsum(counts) - counts)
    return np.repeat(shift, counts) + np.arange(int(counts.sum()))


def question(row: Row) -> str:
    """The user's side of a row; where there is none, everything but the system text."""
    asked = [m.content for m in row.messages if m.role == "user"]
    text = "\n".join(asked)
    if not text.strip():
        text = "\n".join(m.content for m in row.messages if m.role != "system")
    return text


def gram_texts(row: Row) -> frozenset[str]:
    """The 3-grams themselves."""
    words = _words(_bare(question(row)))
    return frozenset(" ".join(words[at : at + 3]) for at in range(max(1, len(words) - 2)))


def _bare(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    one_line = _SPACE.sub(" ", folded).strip()
    return one_line.rstrip(_MARKS) or one_line


def _words(bare: str) -> list[str]:
    return (bare if bare.isascii() else _ONE_LETTER_WORDS.sub(r" \g<0> ", bare)).split()


def _number(text: str) -> int:
    return int.from_bytes(sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "little")


class _Numbers(dict[str, int]):
    """Numbers of words, worked out once while they are not too many."""

    def __missing__(self, word: str) -> int:
        number = _number(word)
        if len(self) < MOST_WORDS:
            self[word] = number
        return number


_WORDS = _Numbers()


def _grams(
    words: NDArray[np.uint64], per_row: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """The different 3-grams of each row, and how many: of fewer than three words, all of them as one."""
    length = np.maximum(per_row - 2, 1)
    begin = np.repeat(np.cumsum(per_row) - per_row, length)
    end = np.repeat(np.cumsum(per_row), length)
    first = begin + np.arange(int(length.sum())) - np.repeat(np.cumsum(length) - length, length)
    padded = np.append(words, np.zeros(3, np.uint64))
    grams = np.zeros(len(first), np.uint64)
    for at, prime in enumerate(_PRIMES):
        there = first + at < end
        grams += np.where(there, padded[np.minimum(first + at, len(words))], 0) * prime
        grams ^= grams >> np.uint64(29)
    owner = np.repeat(np.arange(len(per_row)), length)
    order = np.lexsort((grams, owner))
    owner, grams = owner[order], grams[order]
    other = np.ones(len(grams), np.bool_)
    other[1:] = (owner[1:] != owner[:-1]) | (grams[1:] != grams[:-1])
    return np.bincount(owner[other], minlength=len(per_row)).astype(np.int64), grams[other]
