"""Walking through the rows of the open data: one at a time, as text or as tokens; finding and filtering."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual import on, work
from textual.widgets import Static
from textual.worker import get_current_worker

from engine.errors import Problem
from tui import facts
from tui.focus import focus
from tui.messages import Notice
from tui.rows import Row, RowStore, Side, Where
from tui.widgets.field import Field
from tui.widgets.pane import Pane
from tui.widgets.row_text import RowView
from tui.widgets.token_view import TokenView

if TYPE_CHECKING:
    from engine.desk.client import Desk

SIDES: tuple[Side, ...] = (None, "train", "eval")
SIDE_NAMES: dict[Side, str] = {
    None: "all rows",
    "train": "rows to train on",
    "eval": "held-out rows",
}


class RowsPane(Pane):
    """Shows the row it stands on; subclasses mount `#row-head`, a RowView, a TokenView and the Field `#find`."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk
        self._store = RowStore(desk)
        self._summary: dict[str, Any] | None = None
        self._at = 0
        self._sought = ""
        self._stepping = ""
        """The code of the check whose rows `n` goes through; empty when it seeks words."""
        self._searching = False
        self._as_tokens = False

    @property
    def row(self) -> Row | None:
        """The row that is shown."""
        return self._store.get(self._at) if self._summary is not None else None

    # ------------------------------------------------------------ walking

    def action_move(self, by: int) -> None:
        if self._store.total:
            self._want(min(max(self._at + by, 0), self._store.total - 1))

    def action_page(self, pages: int) -> None:
        """Read on in a long row; at its end go to the next one."""
        if not self._view.read_on(pages):
            self.action_move(pages)

    def action_end(self, end: str) -> None:
        if self._store.total:
            self._want(0 if end == "first" else self._store.total - 1)

    def action_side(self) -> None:
        """Show all rows, then those to train on, then the held-out ones."""
        if self._summary is not None:
            side = SIDES[(SIDES.index(self._store.side) + 1) % len(SIDES)]
            self._show_only(side, self._store.where)

    def _show_only(self, side: Side, where: Where) -> None:
        """Show the rows of a side that meet the conditions, from the first one on."""
        self._store.forget(side, where)
        self._want(0)

    def _want(self, index: int) -> None:
        self._at = index
        row = self._store.get(index)
        if row is not None:
            self._show_row(row)
        else:
            self._fetch(index)

    @work(
        thread=True, exclusive=True, group="rows", exit_on_error=False, description="fetching rows"
    )
    def _fetch(self, index: int) -> None:
        try:
            piece = self._store.fetch(index)
        except Problem as problem:
            self.post_message(Notice(str(problem), "error"))
            return
        if not get_current_worker().is_cancelled:
            self.app.call_from_thread(self._take, piece)

    def _take(self, piece: tuple[tuple[Side, Where], int, list[Row], int]) -> None:
        if not self._store.keep(*piece):
            return
        self._retitle()
        row, total = self._store.get(self._at), self._store.total
        if row is not None:
            self._show_row(row)
        elif 0 < total <= self._at:
            self._want(total - 1)
        elif not total:
            none = f"no {SIDE_NAMES[self._store.side].removeprefix('all ')}"
            self._head(f"{none} like this: esc shows all" if self._store.where else none)
            self._view.put(())

    def _show_row(self, row: Row) -> None:
        titles = facts.check_titles(self._summary or {})
        self._head(facts.row_head(row, self._at, self._store.total, self._store.side, titles))
        if self._as_tokens:
            self._fetch_tokens(int(row["index"]))
        else:
            self.query_one(RowView).put(row["segments"])

    def _head(self, content: Any) -> None:
        head = self.query_one("#row-head", Static)
        head.update(content)
        head.display = bool(content)

    def _retitle(self) -> None:
        """The border says what is in the data, or which rows of it are shown."""
        if self._summary is None:
            return
        where = dict(self._store.where)
        if where:
            self.say(facts.filtered(self._summary, where, self._store.side, self._store.total))
        else:
            self.say(facts.title(self._summary))

    # ------------------------------------------------------------ tokens

    @property
    def _view(self) -> RowView | TokenView:
        return self.query_one(TokenView) if self._as_tokens else self.query_one(RowView)

    def action_tokens(self) -> None:
        """Show the row as tokens, or as text again."""
        if self._summary is None:
            return
        self._as_tokens = not self._as_tokens
        tokens, text = self.query_one(TokenView), self.query_one(RowView)
        within = self.has_focus_within
        tokens.display, text.display = self._as_tokens, not self._as_tokens
        if within:
            focus(self._view)
        if row := self.row:
            self._show_row(row)

    @work(
        thread=True, exclusive=True, group="tokens", exit_on_error=False,
        description="fetching tokens",
    )  # fmt: skip
    def _fetch_tokens(self, index: int) -> None:
        try:
            found = self._desk.call("tokens", index=index).result()["tokens"]
        except Problem as problem:
            self.post_message(Notice(str(problem), "error"))
            return
        if not get_current_worker().is_cancelled:
            self.app.call_from_thread(self.query_one(TokenView).put, found)

    # ------------------------------------------------------------ finding

    def action_find(self) -> None:
        if self._summary is not None:
            field = self.query_one("#find", Field)
            field.value = ""
            field.display = True
            focus(field)

    @on(Field.Abandoned, "#find")
    def _leave_find(self, message: Field.Abandoned) -> None:
        message.stop()
        self._close_find()

    @on(Field.Submitted, "#find")
    def _begin_find(self, message: Field.Submitted) -> None:
        message.stop()
        self._close_find()
        if sought := message.value.strip():
            self._sought, self._stepping = sought, ""
            self._seek(sought, self._at, 1)

    def _close_find(self) -> None:
        focus(self._view)
        self.query_one("#find", Field).display = False

    def action_find_again(self, by: int) -> None:
        """The next row of the check that was opened last, or with the words sought last."""
        if self._stepping and (row := self.row):
            self._seek_check(self._stepping, int(row["index"]), by)
        elif self._sought:
            self._seek(self._sought, self._at, by)

    @work(
        thread=True, exclusive=True, group="seek", exit_on_error=False, description="searching rows"
    )
    def _seek(self, sought: str, after: int, by: int) -> None:
        worker = get_current_worker()
        self._searching = True
        try:
            if sought.isdigit():
                place = self._store.with_number(int(sought))
            else:
                place = self._store.with_text(
                    sought, after, lambda done, total: not worker.is_cancelled, by
                )
        except Problem as problem:
            self.post_message(Notice(str(problem), "error"))
            return
        finally:
            self._searching = False
        self._found(place, f"No row with {sought[:60]}")

    @work(
        thread=True, exclusive=True, group="seek", exit_on_error=False, description="searching rows"
    )
    def _seek_check(self, code: str, index: int, by: int) -> None:
        try:
            place = self._store.of_check(code, index, by)
        except Problem as problem:
            self.post_message(Notice(str(problem), "error"))
        else:
            self._found(place, "No row of this check is among those shown")

    @work(
        thread=True, exclusive=True, group="seek", exit_on_error=False, description="searching rows"
    )
    def _seek_place(self, key: str, value: int) -> None:
        """Go to the row with this `number` in the file, or at this `index` among all rows."""
        seek = self._store.with_number if key == "number" else self._store.with_index
        try:
            place = seek(value)
        except Problem as problem:
            self.post_message(Notice(str(problem), "error"))
        else:
            self._found(place, "This row is not among those shown")

    def _found(self, place: int | None, nothing: str) -> None:
        """The end of a search, in its own thread."""
        if get_current_worker().is_cancelled:
            return
        if place is None:
            self.post_message(Notice(nothing, "warning"))
        else:
            self.app.call_from_thread(self._want, place)

    # ------------------------------------------------------------ filtering

    def action_filter(self) -> None:
        from tui.screens.row_forms import filter_form

        def take(answer: dict[str, Any] | None) -> None:
            if answer is not None:
                self._show_only(answer["side"], answer["where"])

        if self._summary is not None:
            form = filter_form(self._summary, dict(self._store.where), self._store.side)
            self.app.push_screen(form, take)

    def action_all_rows(self) -> None:
        """Take the filter away and stay on the row."""
        row = self.row
        self._store.forget()
        self._retitle()
        if row is None:
            self._want(0)
        else:
            self._seek_place("index", int(row["index"]))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "all_rows":
            return bool(self._store.where) and not self._searching
        return True
