"""The rows of a large source: each is read from the disk when it is looked at, and only numbers are kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Protocol, overload

import numpy as np
from numpy.typing import NDArray

from engine.data.containers.record import Record
from engine.data.rows import Fault, Row
from engine.data.shape import Shaper


class Records(Protocol):
    """Any record of a source, by its position from 0."""

    def record(self, at: int) -> Record | Fault: ...


class RowsOnDisk(Sequence[Row]):
    """Row i is made anew of the record at `places[i]`. Raises Problem once the file was changed."""

    def __init__(self, records: Records, places: NDArray[np.int64], shaper: Shaper) -> None:
        self._records, self._places, self._shaper = records, places, shaper

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, at: int) -> Row: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Row]: ...
    def __getitem__(self, at: int | slice) -> Row | Sequence[Row]:
        if isinstance(at, slice):
            return [self._row(place) for place in self._places[at].tolist()]
        return self._row(int(self._places[at]))

    def __iter__(self) -> Iterator[Row]:
        return (self._row(place) for place in self._places.tolist())

    def _row(self, place: int) -> Row:
        record = self._records.record(place)
        assert isinstance(record, Record)
        return self._shaper.again(record)


class Joined(Sequence[Row]):
    """The rows of one source, and behind them those of another, whose numbers go on after `records`."""

    def __init__(self, first: Sequence[Row], second: Sequence[Row], records: int) -> None:
        self._first, self._second, self._records = first, second, records

    def __len__(self) -> int:
        return len(self._first) + len(self._second)

    @overload
    def __getitem__(self, at: int) -> Row: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Row]: ...
    def __getitem__(self, at: int | slice) -> Row | Sequence[Row]:
        if isinstance(at, slice):
            return [self[place] for place in range(*at.indices(len(self)))]
        own = len(self._first)
        if at < own:
            return self._first[at]
        row = self._second[at - own]
        return replace(row, number=self._records + row.number)
