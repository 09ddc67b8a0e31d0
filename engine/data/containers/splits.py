"""Which part of a data set a name speaks of: train, validation or test."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import Literal

Part = Literal["train", "validation", "test"]
WORDS: dict[str, Part] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev", "eval", "evaluation"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
FIRST = ("train", "training", "default", "all")
SIGN = "#"
"""Divides a source from the split that is meant: `FOLDER#validation`, `owner/name#test`."""


def part_of(name: str) -> Part | None:
    """The part that a split or a file is named after; its own name speaks before its folder's."""
    for piece in reversed(PurePath(name).parts):
        for word in re.split(r"[^a-z]+", piece.lower()):
            if word in WORDS:
                return WORDS[word]
    return None


def chosen(names: Sequence[str]) -> tuple[str, str | None]:
    """The split to train on, and the one to hold out: validation, else test, else none."""
    train = next((split for split in FIRST if split in names), None)
    train = train or next((name for name in names if part_of(name) == "train"), names[0])
    return train, held([name for name in names if name != train])


def held(names: Sequence[str]) -> str | None:
    """The validation split of these, else the test split."""
    found = {part_of(name): name for name in reversed(names)}
    return found.get("validation") or found.get("test")


def note(used: str, held_out: str | None, others: Sequence[str]) -> str:
    """What is done with each split."""
    said = f"the split {used} is used"
    if held_out:
        said += f", and {held_out} is the held-out data: no split is made"
    left = ", ".join(other for other in others if other not in (used, held_out))
    if left:
        said += f"; {left} is not used" if held_out else f", not {left}"
    return said
