"""Which rows are held out: decided by each row's own user text, so that no other row can move
it."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.data.overlap import Side, overlap
from engine.data.rows import Row

__all__ = [
    "FrozenSides",
    "Side",
    "Split",
    "grouped_split",
    "merged",
    "normalise",
    "overlap",
    "prompt_of",
    "split",
    "text_hash",
]

FEWEST = 8
_RANGE = 2**64
SIDES: tuple[Side | None, ...] = (None, "train", "eval")
NONE, TRAIN, EVAL = range(3)
_STEP, _MIX, _MIX_AGAIN = (
    np.uint64(each) for each in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)


class FrozenSides:
    """The sides of texts by their `text_hash`, as two arrays: a million rows are no burden."""

    def __init__(self, known: NDArray[np.uint64], held: NDArray[np.bool_]) -> None:
        self.known, first = np.unique(known, return_index=True)
        self.held = held[first]

    def __len__(self) -> int:
        return len(self.known)

    @classmethod
    def none(cls) -> FrozenSides:
        return cls(np.zeros(0, np.uint64), np.zeros(0, np.bool_))

    def sides_of(self, texts: NDArray[np.uint64]) -> list[Side | None]:
        """The side of each text, None where it has none yet."""
        return named(self.codes_of(texts))

    def codes_of(self, texts: NDArray[np.uint64]) -> NDArray[np.int8]:
        """The same as places in `SIDES`."""
        if not len(self):
            return np.zeros(len(texts), np.int8)
        at = np.minimum(np.searchsorted(self.known, texts), len(self) - 1)
        there = self.known[at] == texts
        return np.where(there, np.where(self.held[at], EVAL, TRAIN), NONE).astype(np.int8)

    def with_more(self, other: FrozenSides) -> FrozenSides:
        """These, and those of the other for texts that have no side here."""
        return FrozenSides(
            np.concatenate([self.known, other.known]), np.concatenate([self.held, other.held])
        )


@dataclass(frozen=True)
class Split:
    """A side for each row, as places in `SIDES`; none for the positions in `set_aside`, whose group
    touches both sides of an earlier split, so that on either side they would be a leak. `known` is each
    row's `text_hash`."""

    codes: NDArray[np.int8]
    notes: list[str]
    known: NDArray[np.uint64]

    @property
    def sides(self) -> list[Side | None]:
        return named(self.codes)

    @property
    def set_aside(self) -> NDArray[np.int64]:
        return np.flatnonzero(self.codes == NONE).astype(np.int64)

    @property
    def frozen(self) -> FrozenSides:
        """What to keep, for `grouped_split` to go on from when rows are added."""
        used = self.codes != NONE
        return FrozenSides(self.known[used], self.codes[used] == EVAL)


def named(codes: NDArray[np.int8]) -> list[Side | None]:
    """Sides by their places in `SIDES`."""
    return [SIDES[code] for code in codes.tolist()]


def normalise(text: str) -> str:
    """Text without what does not change a question: case, width, spacing, the mark at its end."""
    plain = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return plain.rstrip(" .,;:!?…。！？") or plain


def prompt_of(row: Row) -> str:
    """What a row is known by in the split: its user text; where it has none, all it says."""
    text = row.user_text
    if text.strip():
        return text
    return "\n".join(m.content for m in row.messages if m.role != "system")


def text_hash(plain: str) -> int:
    """A number below 2**64 for a normalised text: what a frozen split knows it by."""
    digest = hashlib.blake2b(plain.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def split(rows: Sequence[Row], fraction: float, seed: int) -> list[Side]:
    """A side for each row, where only copies of one normalised user text stay together."""
    return [side for side in grouped_split(rows, fraction, seed).sides if side]


def grouped_split(
    rows: Sequence[Row],
    fraction: float,
    seed: int,
    groups: NDArray[np.int64] | None = None,
    frozen: FrozenSides | None = None,
) -> Split:
    """`split_known` of the rows' user texts."""
    known = np.array([known_as(row) for row in rows], np.uint64)
    return split_known(known, fraction, seed, groups, frozen)


def known_as(row: Row) -> int:
    """The hash that a row is known by in the split: of its normalised user text."""
    return text_hash(normalise(prompt_of(row)))


def split_known(
    known: NDArray[np.uint64],
    fraction: float,
    seed: int,
    groups: NDArray[np.int64] | None = None,
    frozen: FrozenSides | None = None,
) -> Split:
    """A side for each row by what it is `known` as, in the rows' order, which does not matter; rows of one
    group id, and rows of one normalised user text, share it.

    A group's side is drawn by one of its texts: the one of the lowest `text_hash`, which has
    nothing to do with the draw, so that large groups are held out no oftener than small ones.
    `frozen` gives the sides of an earlier split by `text_hash`: such a row keeps its side, and its
    group follows it. Where fewer than 8 rows would be held out, the lowest draws are taken until
    there are 8. A group that would take the held-out side past its limit (half of the rows, or 1.5
    times the fraction up to three quarters) trains.
    """
    label = merged(known) if groups is None else merged(known, groups)
    kept = (frozen or FrozenSides.none()).codes_of(known)
    held, trains = (_touched(label, kept == code) for code in (EVAL, TRAIN))
    group, drawn, size = _draws(label, known, seed)
    free = np.flatnonzero(~(held[group] | trains[group]))
    free = free[np.argsort(drawn[free], kind="stable")]
    taken = np.count_nonzero((kept == EVAL) | ((kept == NONE) & held[label] & ~trains[label]))
    out = _held_out(drawn[free], size[free], fraction, len(known), int(taken))
    held[group[free[out]]] = True
    trains[group[free[~out]]] = True
    of_group = np.select([held & trains, held], [NONE, EVAL], TRAIN).astype(np.int8)
    codes = np.where(kept == NONE, of_group[label], kept)
    return Split(codes, _notes(group, size, held, fraction, len(known)), known)


def merged(*groupings: NDArray[np.integer]) -> NDArray[np.int64]:
    """One grouping in which rows that share a group in any of the given ones, directly or through
    others, share one; a group's id is the position of its first row."""
    labels = np.arange(len(groupings[0]))
    inverses = [np.unique(each, return_inverse=True)[1] for each in groupings]
    while True:
        before = labels
        for inverse in inverses:
            least = np.full(int(inverse.max(initial=-1)) + 1, len(labels))
            np.minimum.at(least, inverse, labels)
            labels = least[inverse]
        if np.array_equal(labels, before):
            return labels.astype(np.int64)


def _touched(label: NDArray[np.int64], rows: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """By group id: is one of these rows in it?"""
    found = np.zeros(len(label), np.bool_)
    found[label[rows]] = True
    return found


def _draws(
    label: NDArray[np.int64], known: NDArray[np.uint64], seed: int
) -> tuple[NDArray[np.int64], NDArray[np.uint64], NDArray[np.int64]]:
    """Each group's id, its draw, and how many rows it has."""
    order = np.argsort(known)
    group, first, size = np.unique(label[order], return_index=True, return_counts=True)
    return group, drawn_by(known[order][first], seed), size


def drawn_by(known: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """Numbers below 2**64 that only the seed and the texts (by `text_hash`) decide: the mixer of
    splitmix64, so that they are as good as drawn by lot for each seed."""
    mixed = (known ^ np.uint64(text_hash(str(seed)))) + _STEP
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX_AGAIN
    return mixed ^ (mixed >> np.uint64(31))


def _held_out(
    drawn: NDArray[np.uint64], size: NDArray[np.int64], fraction: float, rows: int, taken: int
) -> NDArray[np.bool_]:
    """For each group, in the order of the draws: is it held out? `taken` rows are already.

    A group that would push the held-out side past its limit stays in training.
    """
    none = np.zeros(len(drawn), np.bool_)
    if fraction <= 0:
        return none
    limit = int(rows * max(0.5, min(0.75, 1.5 * fraction)))
    below = len(drawn)
    if fraction < 1:
        below = int(np.searchsorted(drawn, np.uint64(fraction * _RANGE)))
    held = _lowest(size, below, limit, taken, _RANGE)
    if taken + int(size[held].sum()) >= FEWEST:
        return held
    return _lowest(size, len(size), rows // 2, taken, FEWEST)


def _lowest(
    size: NDArray[np.int64], count: int, limit: int, taken: int, enough: int
) -> NDArray[np.bool_]:
    """Take of the first `count` groups until `enough` rows are taken, passing over those that go past the
    limit."""
    held = np.zeros(len(size), np.bool_)
    for at, rows in enumerate(size[:count].tolist()):
        if taken >= enough:
            break
        if taken + rows <= limit:
            held[at] = True
            taken += rows
    return held


def _notes(
    group: NDArray[np.int64],
    size: NDArray[np.int64],
    held: NDArray[np.bool_],
    fraction: float,
    rows: int,
) -> list[str]:
    """Groups larger than the whole share to be held out, the largest first."""
    share = fraction * rows
    large = np.flatnonzero(size > max(share, 1))
    if fraction <= 0 or share < FEWEST or not len(large):
        return []
    largest = large[np.argmax(size[large])]
    where = "held out" if held[group[largest]] else "trained on"
    notes = [
        f"{size[largest]:,} rows are copies of one another, more than the {round(share):,} to be held "
        f"out; they stay together and are {where}"
    ]
    if len(large) > 1:
        notes.append(f"{len(large) - 1:,} more groups of copies are larger than that")
    return notes
