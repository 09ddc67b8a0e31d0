"""Which rows are held out: decided by each row's own user text, so that no other row can move
it."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Sequence
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
    "touching",
]

FEWEST = 8
_RANGE = 2**64


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
        if not len(self):
            return [None] * len(texts)
        at = np.minimum(np.searchsorted(self.known, texts), len(self) - 1)
        there = self.known[at] == texts
        names: tuple[Side | None, ...] = (None, "train", "eval")
        return [names[which] for which in np.where(there, 1 + self.held[at], 0).tolist()]

    def with_more(self, other: FrozenSides) -> FrozenSides:
        """These, and those of the other for texts that have no side here."""
        return FrozenSides(
            np.concatenate([self.known, other.known]), np.concatenate([self.held, other.held])
        )


@dataclass(frozen=True)
class Split:
    """A side for each row; None for the positions in `set_aside`, whose group touches both sides
    of an earlier split, so that on either side they would be a leak. `known` is each row's
    `text_hash`."""

    sides: list[Side | None]
    set_aside: NDArray[np.int64]
    notes: list[str]
    known: NDArray[np.uint64]

    @property
    def frozen(self) -> FrozenSides:
        """What to keep, for `grouped_split` to go on from when rows are added."""
        used = np.array([side is not None for side in self.sides], np.bool_)
        held = np.array([side == "eval" for side in self.sides], np.bool_)
        return FrozenSides(self.known[used], held[used])


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
    """A side for each row, in the rows' order, which does not matter; rows of one group id, and
    rows of one normalised user text, share it.

    A group's side is drawn by one of its texts: the one of the lowest `text_hash`, which has
    nothing to do with the draw, so that large groups are held out no oftener than small ones.
    `frozen` gives the sides of an earlier split by `text_hash`: such a row keeps its side, and its
    group follows it. Where fewer than 8 rows would be held out, the lowest draws are taken until
    there are 8. A group that would take the held-out side past its limit (half of the rows, or 1.5
    times the fraction up to three quarters) trains.
    """
    known, hashes = _hashes(rows, seed)
    label = merged(known) if groups is None else merged(known, groups)
    kept = (frozen or FrozenSides.none()).sides_of(known)
    held, trains = (_touched(label, [side == name for side in kept]) for name in ("eval", "train"))
    drawn, sizes = _draws(label, known, hashes)
    free = [group for group in drawn if not held[group] and not trains[group]]
    free.sort(key=drawn.__getitem__)
    taken = sum(_joins(side, held, trains, at) for side, at in zip(kept, label, strict=True))
    out = _held_out([(drawn[g], sizes[g]) for g in free], fraction, len(rows), taken)
    for group, is_out in zip(free, out, strict=True):
        (held if is_out else trains)[group] = True
    sides: list[Side | None] = [
        side or _side(bool(held[group]), bool(trains[group]))
        for side, group in zip(kept, label, strict=True)
    ]
    set_aside = np.array([at for at, side in enumerate(sides) if side is None], np.int64)
    return Split(sides, set_aside, _notes(sides, sizes, held, fraction), known)


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


def touching(
    rows: Sequence[Row], held_out: Sequence[Row], groups: NDArray[np.int64] | None = None
) -> set[int]:
    """Positions of the rows whose normalised user text is also held out, or that share a group
    with a held-out row (`groups` of the rows and then of the held-out ones)."""
    texts = {text_hash(normalise(prompt_of(row))) for row in held_out}
    held = set() if groups is None else set(groups[len(rows) :].tolist())
    return {
        at
        for at, row in enumerate(rows)
        if (groups is not None and int(groups[at]) in held)
        or text_hash(normalise(prompt_of(row))) in texts
    }


def _touched(label: NDArray[np.int64], rows: list[bool]) -> NDArray[np.bool_]:
    """By group id: is one of these rows in it?"""
    found = np.zeros(len(label), np.bool_)
    found[label[np.array(rows, np.bool_)]] = True
    return found


def _hashes(rows: Sequence[Row], seed: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Of each row's normalised text: the hash it is known by, and the one that draws its side."""
    known, drawn = np.zeros((2, len(rows)), np.uint64)
    for at, row in enumerate(rows):
        plain = normalise(prompt_of(row))
        known[at], drawn[at] = text_hash(plain), _hash(seed, plain)
    return known, drawn


def _draws(
    label: NDArray[np.int64], known: NDArray[np.uint64], hashes: NDArray[np.uint64]
) -> tuple[dict[int, int], dict[int, int]]:
    """Each group's draw, and how many rows it has."""
    order = np.argsort(known)
    groups, first, sizes = np.unique(label[order], return_index=True, return_counts=True)
    drawn = dict(zip(groups.tolist(), hashes[order][first].tolist(), strict=True))
    return drawn, dict(zip(groups.tolist(), sizes.tolist(), strict=True))


def _joins(
    kept: Side | None, held: NDArray[np.bool_], trains: NDArray[np.bool_], group: int
) -> bool:
    """Is the row held out already, by an earlier split?"""
    return kept == "eval" or (kept is None and bool(held[group]) and not trains[group])


def _side(held: bool, trains: bool) -> Side | None:
    return None if held and trains else "eval" if held else "train"


def _held_out(
    groups: list[tuple[int, int]], fraction: float, rows: int, taken: int = 0
) -> list[bool]:
    """For each group (hash, size), in the order of the hashes: is it held out? `taken` rows are
    already.

    A group that would push the held-out side past its limit stays in training.
    """
    if fraction <= 0:
        return [False] * len(groups)
    threshold = int(fraction * _RANGE)
    limit = int(rows * max(0.5, min(0.75, 1.5 * fraction)))
    held = _lowest(groups, limit, taken, lambda value, taken: value < threshold)
    if taken + sum(size for (_, size), out in zip(groups, held, strict=True) if out) >= FEWEST:
        return held
    return _lowest(groups, rows // 2, taken, lambda value, taken: taken < FEWEST)


def _lowest(
    groups: list[tuple[int, int]], limit: int, taken: int, wanted: Callable[[int, int], bool]
) -> list[bool]:
    """Take groups while `wanted(hash, rows taken)`, passing over those that go past the limit."""
    held = []
    for value, size in groups:
        take = wanted(value, taken) and taken + size <= limit
        taken += size if take else 0
        held.append(take)
    return held


def _hash(seed: int, text: str) -> int:
    """A number below 2**64 that only the seed and the text decide."""
    digest = hashlib.sha256(f"{seed}\0{text}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big")


def _notes(
    sides: list[Side | None], sizes: dict[int, int], held: NDArray[np.bool_], fraction: float
) -> list[str]:
    """Groups larger than the whole share to be held out, the largest first."""
    share = fraction * len(sides)
    large = sorted((-size, group) for group, size in sizes.items() if size > max(share, 1) > 0)
    if fraction <= 0 or share < FEWEST or not large:
        return []
    size, group = -large[0][0], large[0][1]
    where = "held out" if held[group] else "trained on"
    notes = [
        f"{size:,} rows are copies of one another, more than the {round(share):,} to be held out; "
        f"they stay together and are {where}"
    ]
    if len(large) > 1:
        notes.append(f"{len(large) - 1:,} more groups of copies are larger than that")
    return notes
