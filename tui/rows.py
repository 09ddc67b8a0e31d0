"""Rows of the open data, fetched from the desk in pieces and kept for a while."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from engine.desk.client import Desk

Side = Literal["train", "eval"] | None
Row = dict[str, Any]
Where = Mapping[str, Any]
"""Conditions that must all hold: `text`, `check`, `min_tokens`, `max_tokens`, `state`."""

PIECE = 25
KEPT = 40 * PIECE


@dataclass(frozen=True)
class Piece:
    """Some rows in a row: what they were asked for by, the place of the first, how many there are of them, and
    how many rows were not searched yet."""

    side: Side
    where: Where
    start: int
    rows: list[Row]
    total: int
    left: int


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
        self.left = 0

    def forget(self, side: Side = None, where: Where | None = None) -> None:
        """Start again with the rows of one side (None: of both) that meet the conditions."""
        self._rows, self.side, self.where, self.total, self.left = {}, side, where or {}, 0, 0

    def get(self, index: int) -> Row | None:
        return self._rows.get(index)

    def fetch(self, index: int) -> Piece:
        """The piece around a row."""
        return self._ask(index // PIECE * PIECE, PIECE, self.side, self.where)

    def keep(self, piece: Piece) -> bool:
        """Take a fetched piece in; False when other rows are wanted by now."""
        if piece.side != self.side or piece.where is not self.where:
            return False
        if len(self._rows) > KEPT:
            self._rows = {}
        self._rows.update(enumerate(piece.rows, piece.start))
        self.total, self.left = piece.total, piece.left
        return True

    def with_number(self, number: int) -> int | None:
        """The place of the row with this number in the file, or of the next one there is."""
        return self._place(number, self.where)

    def of_check(self, code: str, number: int, by: int) -> int | None:
        """The place of the next row (`by` 1) or the one before (-1) of a check, going round once."""
        where = {**self.where, "check": code}
        total = self._ask(0, 1, self.side, where).total
        if not total:
            return None
        at = self._place(number + (by > 0), where)
        place = (total if at is None else at) - (by < 0)
        (row,) = self._ask(place % total, 1, self.side, where).rows
        return self.with_number(int(row["number"]))

    def _place(self, number: int, where: Where) -> int | None:
        asked = self._asking(self.side, where)
        place: int | None = self._desk.call("place", number=number, **asked).result()["place"]
        return place

    def _ask(self, start: int, count: int, side: Side, where: Where) -> Piece:
        asked = self._asking(side, where)
        answer = self._desk.call("rows", start=start, count=count, **asked).result()
        rows, total, left = answer["rows"], int(answer["total"]), int(answer["left"])
        return Piece(side, where, start, rows, total, left)

    @staticmethod
    def _asking(side: Side, where: Where) -> dict[str, Any]:
        return {"side": side, **({"where": dict(where)} if where else {})}
