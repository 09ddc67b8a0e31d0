"""Rows of the open data, fetched from the desk in pieces and kept for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from engine.desk.client import Desk

Side = Literal["train", "eval"] | None
Row = dict[str, Any]
Where = Mapping[str, Any]
"""Conditions that must all hold: `text`, `check`, `min_tokens`, `max_tokens`."""

PIECE = 25
KEPT = 40 * PIECE
SEARCHED_AT_ONCE = 200


class RowStore:
    """Rows by their place among those of one side that meet the conditions.

    What asks the desk blocks: call it in a worker thread.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._rows: dict[int, Row] = {}
        self.side: Side = None
        self.where: Where = {}
        self.total = 0

    def forget(self, side: Side = None, where: Where | None = None) -> None:
        """Start again with the rows of one side (None: of both) that meet the conditions."""
        self._rows, self.side, self.where, self.total = {}, side, where or {}, 0

    def get(self, index: int) -> Row | None:
        return self._rows.get(index)

    def fetch(self, index: int) -> tuple[tuple[Side, Where], int, list[Row], int]:
        """The piece around a row: what it was asked for, its first place, its rows, and how many there are."""
        start = index // PIECE * PIECE
        asked = (self.side, self.where)
        rows, total = self._ask(start, PIECE, *asked)
        return asked, start, rows, total

    def keep(self, asked: tuple[Side, Where], start: int, rows: list[Row], total: int) -> bool:
        """Take a fetched piece in; False when other rows are wanted by now."""
        if asked[0] != self.side or asked[1] is not self.where:
            return False
        if len(self._rows) > KEPT:
            self._rows = {}
        self._rows.update(enumerate(rows, start))
        self.total = total
        return True

    def with_number(self, number: int) -> int | None:
        """The place of the row with this number in the file, or of the next one there is."""
        return self._first_from("number", number, self.where)

    def with_index(self, index: int) -> int | None:
        """The place of the row that stands at this place among all, or of the next one there is."""
        return self._first_from("index", index, self.where)

    def of_check(self, code: str, index: int, by: int) -> int | None:
        """The place of the next row (`by` 1) or the one before (-1) of a check, going round once."""
        where = {**self.where, "check": code}
        _, total = self._ask(0, 1, self.side, where)
        if not total:
            return None
        at = self._first_from("index", index + (by > 0), where)
        place = (total if at is None else at) - (by < 0)
        rows, _ = self._ask(place % total, 1, self.side, where)
        return self.with_index(int(rows[0]["index"]))

    def _first_from(self, key: str, least: int, where: Where) -> int | None:
        """The first place whose `key`, which rises from row to row, is at least `least`."""
        _, total = self._ask(0, 1, self.side, where)
        low, high = 0, total
        while low < high:
            middle = (low + high) // 2
            rows, _ = self._ask(middle, 1, self.side, where)
            if rows and int(rows[0][key]) < least:
                low = middle + 1
            else:
                high = middle
        return low if low < total else None

    def with_text(
        self, text: str, after: int, step: Callable[[int, int], bool], by: int = 1
    ) -> int | None:
        """The next row (`by` 1) or the one before (-1) that holds the text, in any case, going round once.

        `step(done, total)` is told how far the search is and stops it by returning False.
        """
        _, total = self._ask(0, 1, self.side, self.where)
        wanted = text.casefold()
        done = 0
        for start, count in _round(after, total, by):
            if not step(done, total):
                return None
            rows, _ = self._ask(start, count, self.side, self.where)
            for place, row in list(enumerate(rows, start))[::by]:
                if wanted in _words(row):
                    return place
            done += count
        return None

    def _ask(self, start: int, count: int, side: Side, where: Where) -> tuple[list[Row], int]:
        conditions: dict[str, Any] = {"where": dict(where)} if where else {}
        call = self._desk.call("rows", start=start, count=count, side=side, **conditions)
        answer = call.result()
        return answer["rows"], int(answer["total"])


def _round(at: int, total: int, by: int) -> Iterator[tuple[int, int]]:
    """Pieces (first, count) of all rows, going on from the row `at`, which comes last."""
    if by > 0:
        start = at + 1 if at + 1 < total else 0
        for low, high in ((start, total), (0, start)):
            for first in range(low, high, SEARCHED_AT_ONCE):
                yield first, min(SEARCHED_AT_ONCE, high - first)
        return
    for low, high in ((0, min(at, total)), (min(at, total), total)):
        for last in range(high, low, -SEARCHED_AT_ONCE):
            first = max(low, last - SEARCHED_AT_ONCE)
            yield first, last - first


def _words(row: Row) -> str:
    return "\n".join(str(row.get(part) or "") for part in ("system", "user", "answer")).casefold()
