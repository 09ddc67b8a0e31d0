"""Some of the rows, by their positions, without a copy of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

from engine.data.rows import Row


class Picked(Sequence[Row]):
    """The rows at `places`; `places` are sorted, so that rows on a disk are read in their order."""

    def __init__(self, rows: Sequence[Row], places: Sequence[int]) -> None:
        self._rows, self._places = rows, places

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, at: int) -> Row: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Row]: ...
    def __getitem__(self, at: int | slice) -> Row | Sequence[Row]:
        if isinstance(at, slice):
            return Picked(self._rows, self._places[at])
        return self._rows[self._places[at]]

    def __iter__(self) -> Iterator[Row]:
        return (self._rows[place] for place in self._places)
