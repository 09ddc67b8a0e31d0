"""The tokens of all rows, end to end in flat arrays, which may lie in files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from engine.data.rows import Row
from engine.data.template import Unrenderable
from engine.data.tokens import Encoded, cut, encode_rows

ROWS_AT_ONCE = 65_536
NOTHING = Encoded(np.zeros(0, np.int32), np.zeros(0, np.bool_), 0)


class EncodedRows(Sequence[Encoded]):
    """Row i's tokens are `ids[offsets[i]:offsets[i + 1]]`, given back cut to `max_length`.

    `refused` says why the template refuses a row, which then has no tokens. `edited` stands in for rows that
    were changed or added (positions behind the source's rows).
    """

    def __init__(
        self,
        ids: NDArray[np.int32],
        labels: NDArray[np.bool_],
        offsets: NDArray[np.int64],
        refused: Mapping[int, str],
        edited: Mapping[int, Encoded] | None = None,
        max_length: int | None = None,
    ) -> None:
        self._ids, self._labels, self._offsets = ids, labels, offsets
        self._edited = edited or {}
        self.refused, self.max_length = refused, max_length
        self._count = max(len(offsets) - 1, 1 + max(self._edited, default=-1))

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> Encoded: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Encoded]: ...
    def __getitem__(self, place: int | slice) -> Encoded | Sequence[Encoded]:
        if isinstance(place, slice):
            return [self[at] for at in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        place %= len(self)
        edited = self._edited.get(place)
        if edited is None:
            start, end = self._offsets[place], self._offsets[place + 1]
            ids = np.asarray(self._ids[start:end])
            edited = Encoded(ids, np.asarray(self._labels[start:end]), len(ids))
        return cut(edited, self.max_length)

    def __iter__(self) -> Iterator[Encoded]:
        return (self[place] for place in range(len(self)))

    @property
    def full_lengths(self) -> NDArray[np.int64]:
        """Tokens of each row before anything is cut."""
        return self._with_edits(np.diff(self._offsets), lambda encoded: encoded.full_length)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each row as it is trained."""
        full = self.full_lengths
        return full if self.max_length is None else np.minimum(full, self.max_length)

    @property
    def label_counts(self) -> NDArray[np.int64]:
        """Tokens that carry loss, of each row as it is trained."""
        counts = np.zeros(len(self._offsets) - 1, np.int64)
        for first in range(0, len(counts), ROWS_AT_ONCE):
            some = slice(first, first + ROWS_AT_ONCE)
            counts[some] = self._count_labels(self._offsets[first : first + ROWS_AT_ONCE + 1])
        limit = self.max_length
        return self._with_edits(counts, lambda encoded: int(cut(encoded, limit).labels.sum()))

    def prompt_lengths(self, window: int) -> NDArray[np.int64]:
        """Tokens before the first that carries loss, of rows longer than `window`; 0 for all others."""
        found = np.zeros(len(self), np.int64)
        whole = self.cut_to(2**31)
        for place in np.flatnonzero(self.full_lengths > window).tolist():
            labels = whole[place].labels
            found[place] = int(labels.argmax()) if labels.any() else len(labels)
        return found

    def _count_labels(self, offsets: NDArray[np.int64]) -> NDArray[np.int64]:
        """Tokens that carry loss in each of some rows that lie one after another."""
        labels = np.append(self._labels[offsets[0] : offsets[-1]], False)
        starts, ends = offsets[:-1] - offsets[0], offsets[1:] - offsets[0]
        if self.max_length is not None:
            ends = np.minimum(ends, starts + self.max_length)
        counts = np.zeros(len(starts), np.int64)
        filled = ends > starts
        if filled.any():
            # sums over each row's [start, end); every second one is the gap to the next row
            edges = np.stack([starts[filled], ends[filled]], axis=1).ravel()
            counts[filled] = np.add.reduceat(labels, edges, dtype=np.int64)[::2]
        return counts

    def cut_to(self, max_length: int) -> EncodedRows:
        """The same rows, none longer than `max_length`."""
        return EncodedRows(
            self._ids, self._labels, self._offsets, self.refused, self._edited, max_length
        )

    def with_edits(self, edited: Mapping[int, Encoded | Unrenderable]) -> EncodedRows:
        """The same rows, those at the positions of `edited` replaced or added behind."""
        refused = {place: why for place, why in self.refused.items() if place not in edited}
        tokens: dict[int, Encoded] = {}
        for place, result in edited.items():
            if isinstance(result, Unrenderable):
                refused[place], tokens[place] = str(result), NOTHING
            else:
                tokens[place] = result
        return EncodedRows(self._ids, self._labels, self._offsets, refused, tokens, self.max_length)

    def _with_edits(
        self, counts: NDArray[np.int64], count: Callable[[Encoded], int]
    ) -> NDArray[np.int64]:
        whole = np.zeros(len(self), np.int64)
        whole[: len(counts)] = counts
        for place, encoded in self._edited.items():
            whole[place] = count(encoded)
        return whole


class EncodedOnDemand(EncodedRows):
    """Rows whose tokens were not counted yet: each is tokenised when it is looked at, and no length is known."""

    def __init__(self, tokenizer: Any, rows: Sequence[Row], max_length: int) -> None:
        none = np.zeros(0, np.int32), np.zeros(0, np.bool_), np.zeros(len(rows) + 1, np.int64)
        super().__init__(*none, {}, max_length=max_length)
        self._tokenizer, self._rows = tokenizer, rows

    @overload
    def __getitem__(self, place: int) -> Encoded: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Encoded]: ...
    def __getitem__(self, place: int | slice) -> Encoded | Sequence[Encoded]:
        if isinstance(place, slice):
            return [self[at] for at in range(*place.indices(len(self)))]
        (result,) = encode_rows(self._tokenizer, [self._rows[place]], self.max_length)
        return NOTHING if isinstance(result, Unrenderable) else result
