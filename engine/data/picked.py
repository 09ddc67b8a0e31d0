"""Some of the rows, by their positions, without a copy of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from engine.data.rows import Row

AT_ONCE = 65_536


class Picked(Sequence[Row]):
    """The rows at `places`, which are sorted, so that rows on a disk are read in their order."""

    def __init__(self, rows: Sequence[Row], places: NDArray[np.int64]) -> None:
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
        return self._rows[int(self._places[at])]

    def __iter__(self) -> Iterator[Row]:
        for start in range(0, len(self), AT_ONCE):
            for place in self._places[start : start + AT_ONCE].tolist():
                yield self._rows[place]
