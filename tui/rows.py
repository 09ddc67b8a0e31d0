"""Rows of the open data, fetched from the desk in pieces and kept for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from engine.desk.client import Desk

Side = Literal["train", "eval"] | None
Row = dict[str, Any]

PIECE = 25
KEPT = 40 * PIECE
SEARCHED_AT_ONCE = 200


class RowStore:
    """Rows by their place among those of one side. `fetch` blocks: call it in a worker thread."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._rows: dict[int, Row] = {}
        self.side: Side = None
        self.total = 0

    def forget(self, side: Side = None) -> None:
        """Start again with the rows of one side, or of both (None)."""
        self._rows, self.side, self.total = {}, side, 0

    def get(self, index: int) -> Row | None:
        return self._rows.get(index)

    def fetch(self, index: int) -> tuple[Side, int, list[Row], int]:
        """The piece around a row: its side, its first place, its rows, and how many there are."""
        start = index // PIECE * PIECE
        side = self.side
        rows, total = self._ask(start, PIECE, side)
        return side, start, rows, total

    def keep(self, side: Side, start: int, rows: list[Row], total: int) -> bool:
        """Take a fetched piece in; False when another side is wanted by now."""
        if side != self.side:
            return False
        if len(self._rows) > KEPT:
            self._rows = {}
        self._rows.update(enumerate(rows, start))
        self.total = total
        return True

    def with_number(self, number: int) -> int | None:
        """The place of the row with this number in the file, or of the next one there is."""
        _, total = self._ask(0, 1, self.side)
        low, high = 0, total
        while low < high:
            middle = (low + high) // 2
            rows, _ = self._ask(middle, 1, self.side)
            if rows and int(rows[0]["number"]) < number:
                low = middle + 1
            else:
                high = middle
        return low if low < total else None

    def with_text(self, text: str, after: int, step: Callable[[int, int], bool]) -> int | None:
        """The next row that holds the text, in any case, going round once.

        `step(done, total)` is told how far the search is and stops it by returning False.
        """
        _, total = self._ask(0, 1, self.side)
        wanted = text.casefold()
        done = 0
        for start, count in _round(after + 1, total):
            if not step(done, total):
                return None
            rows, _ = self._ask(start, count, self.side)
            for place, row in enumerate(rows, start):
                if wanted in _words(row):
                    return place
            done += count
        return None

    def _ask(self, start: int, count: int, side: Side) -> tuple[list[Row], int]:
        answer = self._desk.call("rows", start=start, count=count, side=side).result()
        return answer["rows"], int(answer["total"])


def _round(start: int, total: int) -> Iterator[tuple[int, int]]:
    """Pieces (first, count) from `start` to the end, then from the beginning up to `start`."""
    start = start if start < total else 0
    for low, high in ((start, total), (0, start)):
        for first in range(low, high, SEARCHED_AT_ONCE):
            yield first, min(SEARCHED_AT_ONCE, high - first)


def _words(row: Row) -> str:
    return "\n".join(str(row.get(part) or "") for part in ("system", "user", "answer")).casefold()
