"""Which rows are asked for: by side, check, length, state and words. All but the words are array operations."""

from __future__ import annotations

import bisect
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import Problem

if TYPE_CHECKING:
    from engine.data.dataset import Dataset
    from engine.data.rows import Row

Where = dict[str, Any]
"""`text`, `check`, `min_tokens`, `max_tokens`, `state` (excluded, edited, set_aside): every given one must hold."""
Places = NDArray[np.int64]
SIDES = {None: 0, "train": 1, "eval": 2}
BATCH = 256


class WordsFound:
    """Which rows hold some words, in any case, as far as the rows were looked at."""

    def __init__(self, words: str, dataset: Dataset) -> None:
        self.words, self.dataset = words.casefold(), dataset
        self._looked, self._hold = np.zeros((2, len(dataset.rows)), np.bool_)

    def left(self, places: Places) -> Places:
        """Those that were not looked at."""
        return places[~self._looked[places]]

    def among(self, places: Places) -> Places:
        """Those that hold the words."""
        return places[self._hold[places]]

    def look(self, places: Places) -> None:
        rows = self.dataset.rows
        for place in places.tolist():
            self._hold[place] = self.words in text_of(rows[place])
            self._looked[place] = True

    def carried_to(self, dataset: Dataset) -> WordsFound:
        """What is known still holds after an edit, but for the rows that are edited."""
        found = WordsFound(self.words, dataset)
        if dataset.source is self.dataset.source:
            both = min(len(dataset.rows), len(self.dataset.rows))
            found._looked[:both], found._hold[:both] = self._looked[:both], self._hold[:both]
            touched = self.dataset.edited.edited | dataset.edited.edited
            again = np.array([place for place in touched if place < both], np.int64)
            found._looked[again] = found._hold[again] = False
        return found


class LookUp:
    """The rows of one data set in the order of their records, and which of them meet conditions."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.order = in_order(dataset)
        self._sides = np.array([SIDES[side] for side in dataset.sides], np.int8)
        self._known: tuple[str, Places] = ("", self.order)

    def places(self, side: str | None, where: Where) -> Places:
        """Positions of the rows that meet every condition but the words, in the order of their records."""
        name = json.dumps([side, {k: v for k, v in where.items() if k != "text"}], sort_keys=True)
        known = self._known
        if known[0] != name:
            keep = self._meeting(side, where)
            known = self._known = name, self.order[keep[self.order]]
        return known[1]

    def _meeting(self, side: str | None, where: Where) -> NDArray[np.bool_]:
        keep = np.ones(len(self.order), np.bool_)
        if side is not None:
            keep &= self._sides == SIDES[side]
        if code := where.get("check"):
            keep &= self._mask(positions_of(self.dataset, code))
        if state := where.get("state"):
            keep &= self._mask(_STATES[state](self.dataset))
        low, high = where.get("min_tokens"), where.get("max_tokens")
        if low is not None or high is not None:
            lengths = self._lengths()
            keep &= (lengths >= (low or 0)) & (lengths <= (2**31 if high is None else high))
        return keep

    def _lengths(self) -> NDArray[np.int64]:
        if self.dataset.stage == "rows":
            what = "how long the rows are is still being counted"
            raise Problem("filter", what, "wait, or filter by words")
        return self.dataset.encoded.full_lengths

    def _mask(self, places: Places) -> NDArray[np.bool_]:
        mask = np.zeros(len(self.order), np.bool_)
        mask[places] = True
        return mask

    def first_from(self, places: Places, number: int) -> int:
        """Where among `places` the first row of at least this record number stands; their count if none does."""
        rows = self.dataset.rows
        return bisect.bisect_left(
            range(len(places)), number, key=lambda at: rows[int(places[at])].number
        )


def in_order(dataset: Dataset) -> Places:
    """All positions in the order of the records: those that were mended lie behind and belong between others."""
    own = len(dataset.source.rows)
    whole = np.arange(len(dataset.rows), dtype=np.int64)
    mended = dataset.edited.mended
    if not mended:
        return whole
    places = sorted(mended, key=lambda place: mended[place].number)
    at = [
        bisect.bisect_left(range(own), mended[place].number, key=_number_of(dataset))
        for place in places
    ]
    return np.concatenate([np.insert(whole[:own], at, places), whole[own + len(places) :]])


def _number_of(dataset: Dataset) -> Callable[[int], int]:
    return lambda place: dataset.source.rows[place].number


def positions_of(dataset: Dataset, code: str) -> Places:
    """Rows that a check found, or that cannot be used for this reason."""
    found = [finding.rows for finding in dataset.findings if finding.code == code]
    refused = np.array(list(dataset.encoded.refused), np.int64)
    if code == "template":
        found.append(refused)
    elif code == "held_out_copy":
        found.append(np.array(dataset.set_aside, np.int64))
    elif code == "answer_lost":
        mute = np.flatnonzero(dataset.encoded.label_counts == 0)
        found.append(np.setdiff1d(mute, refused))
    return np.concatenate([np.zeros(0, np.int64), *found]).astype(np.int64)


_STATES: dict[str, Callable[[Dataset], Places]] = {
    "excluded": lambda dataset: np.array(list(dataset.edited.excluded), np.int64),
    "edited": lambda dataset: np.array(list(dataset.edited.edited), np.int64),
    "set_aside": lambda dataset: np.array(dataset.set_aside, np.int64),
}


def text_of(row: Row) -> str:
    """What is searched in a row: all that its turns say, without case."""
    return "\n".join(message.text for message in row.messages).casefold()
