"""Which rows are held out: decided by each row's own user text, so that no other row can move
it."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Literal

from engine.data.rows import Row

Side = Literal["train", "eval"]
FEWEST = 8
_RANGE = 2**64


def normalise(text: str) -> str:
    """Text without what does not change a question: case, width, spacing, the mark at its end."""
    plain = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return plain.rstrip(" .,;:!?…。！？") or plain


def split(rows: Sequence[Row], fraction: float, seed: int) -> list[Side]:
    """A side for each row, in the rows' order; the order of the rows and other rows do not matter.

    Rows of one normalised user text share a hash and so a side. Where fewer than 8 rows would be
    held out, the lowest hashes are taken until there are 8, but never more than half of the rows.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for at, row in enumerate(rows):
        groups[normalise(row.user_text)].append(at)
    order = sorted((_hash(seed, text), text) for text in groups)
    held = _held_out([(value, len(groups[text])) for value, text in order], fraction, len(rows))
    sides: list[Side] = ["train"] * len(rows)
    for (_, text), out in zip(order, held, strict=True):
        for at in groups[text] if out else []:
            sides[at] = "eval"
    return sides


def _held_out(groups: list[tuple[int, int]], fraction: float, rows: int) -> list[bool]:
    """For each group (hash, size), in the order of the hashes: is it held out?

    A group that would push the held-out side past its limit stays in training.
    """
    if fraction <= 0:
        return [False] * len(groups)
    threshold = int(fraction * _RANGE)
    limit = int(rows * max(0.5, min(0.75, 1.5 * fraction)))
    held = _lowest(groups, limit, lambda value, taken: value < threshold)
    if sum(size for (_, size), out in zip(groups, held, strict=True) if out) >= FEWEST:
        return held
    return _lowest(groups, rows // 2, lambda value, taken: taken < FEWEST)


def _lowest(
    groups: list[tuple[int, int]], limit: int, wanted: Callable[[int, int], bool]
) -> list[bool]:
    """Take groups while `wanted(hash, rows taken)`, passing over those that go past the limit."""
    held, taken = [], 0
    for value, size in groups:
        take = wanted(value, taken) and taken + size <= limit
        taken += size if take else 0
        held.append(take)
    return held


def _hash(seed: int, text: str) -> int:
    """A number below 2**64 that only the seed and the text decide."""
    digest = hashlib.sha256(f"{seed}\0{text}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big")


def touching(rows: Sequence[Row], held_out: Sequence[Row]) -> set[int]:
    """Positions of the rows whose normalised user text is also held out."""
    texts = {normalise(row.user_text) for row in held_out}
    return {at for at, row in enumerate(rows) if normalise(row.user_text) in texts}


def overlap(rows: Sequence[Row], sides: Sequence[Side | None]) -> dict[str, int]:
    """How many held-out rows have a copy among the training rows: counted afresh from the sides as
    they stand, with nothing of what made them (its own way to normalise, no hashes, no groups)."""
    train = [r.user_text for r, side in zip(rows, sides, strict=True) if side == "train"]
    held = [r.user_text for r, side in zip(rows, sides, strict=True) if side == "eval"]
    exact, normal = set(train), {_bare(text) for text in train}
    return {
        "exact": sum(text in exact for text in held),
        "normalised": sum(_bare(text) in normal for text in held),
    }


def _bare(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return re.sub(r"[\s.,;:!?…。]+$", "", re.sub(r"\s+", " ", folded).strip()) or folded.strip()
