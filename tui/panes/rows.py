"""Walking through the rows of the open data: one at a time, as text or as tokens; filtering."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from textual import work
from textual.widgets import Static
from textual.worker import get_current_worker

from engine.errors import Cancelled, Problem
from tui import facts
from tui.focus import focus
from tui.messages import Notice
from tui.rows import Piece, Row, RowStore, Side, Where
from tui.state import Progress
from tui.widgets.pane import Pane
from tui.widgets.row_text import RowView
from tui.widgets.token_view import TokenView

if TYPE_CHECKING:
    from engine.desk.client import Call, Desk

REPORT_EVERY = 0.25
SIDES: tuple[Side, ...] = (None, "train", "eval")
SIDE_NAMES: dict[Side, str] = {
    None: "all rows",
    "train": "rows to train on",
    "eval": "held-out rows",
}


class RowsPane(Pane):
    """Shows the row it stands on; subclasses mount `#row-head`, a RowView and a TokenView."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk
        self._store = RowStore(desk)
        self._summary: dict[str, Any] | None = None
        self._at = 0
        self._search: Call | None = None
        self._search_at: Progress | None = None
        self._search_dropped = False
        """The search for the rows of this filter was stopped before its end, and does not begin by itself."""
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
        self._drop_search()
        self._store.forget(side, where)
        self._retitle()
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

    def _take(self, piece: Piece) -> None:
        if not self._store.keep(piece):
            return
        if self._store.left and self._search is None and not self._search_dropped:
            self._begin_search()
        self._retitle()
        row, total = self._store.get(self._at), self._store.total
        if row is not None:
            self._show_row(row)
        elif 0 < total <= self._at:
            self._want(total - 1)
        elif not total:
            self._head(self._none_found())
            self._view.put(())

    def _none_found(self) -> str:
        if self._search is not None:
            return "rows are shown as they are found: esc stops the search"
        none = f"no {SIDE_NAMES[self._store.side].removeprefix('all ')}"
        return f"{none} like this: esc shows all" if self._store.where else none

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
        where, side = dict(self._store.where), self._store.side
        if not where and side is None and self._search_at is None:
            self.say(facts.title(self._summary))
            return
        total, left = self._store.total, self._store.left
        named = facts.filtered(self._summary, where, side)
        if self._search_at is not None:
            self.say(f"{total:,} found · {self._search_at.words} · {named}")
        elif left:
            self.say(f"{total:,} found, {left:,} not searched · {named}")
        else:
            self.say(facts.filtered(self._summary, where, side, total))

    # ------------------------------------------------------------ searching

    def _begin_search(self) -> None:
        """Let the desk look through all rows for the words of the filter, while rows can be looked at."""
        store = self._store

        def found(item: dict[str, Any]) -> None:
            self._in_app(self._show_found, call, int(item["total"]))

        call = self._search = self._desk.call(
            "search",
            on_progress=self._watch(self._show_search),
            on_item=found,
            side=store.side,
            where=dict(store.where),
        )
        self._search_at = Progress("searching")
        self._wait_for_search(call)

    @work(thread=True, group="search", exit_on_error=False, description="searching rows")
    def _wait_for_search(self, call: Call) -> None:
        try:
            call.result()
        except Problem as problem:
            self.post_message(Notice(str(problem), "error"))
        except Cancelled:
            pass
        self.app.call_from_thread(self._end_search, call)

    def _show_search(self, progress: Progress) -> None:
        if self._search is not None:
            self._search_at = progress
            self._retitle()

    def _show_found(self, call: Call, total: int) -> None:
        """More rows than a moment ago can be looked at; the first one is shown at once."""
        if call is not self._search:
            return
        first, self._store.total = not self._store.total, max(total, self._store.total)
        self._retitle()
        if first:
            self._want(0)
        elif row := self.row:
            self._show_row(row)

    def _end_search(self, call: Call) -> None:
        if call is not self._search:
            return
        self._search = self._search_at = None
        row = self.row
        self._store.forget(self._store.side, self._store.where)
        if row is None:
            self._want(self._at)
        else:  # rows before it may have been found since
            self._seek_number(int(row["number"]))

    def _drop_search(self) -> None:
        """A search in hand is wanted no more."""
        self._search_dropped = False
        if self._search is not None:
            self._search.cancel()
            self._search = self._search_at = None

    def _stop_search(self) -> None:
        """The person stops the search: what was found so far stays."""
        if self._search is not None:
            self._search_dropped = True
            self._search.cancel()

    def _watch(self, show: Callable[[Progress], None]) -> Callable[[str, int, int], None]:
        """Passes progress on from the desk's thread, a few times a second at most."""
        last, began = ("", 0.0), 0.0

        def report(phase: str, done: int, total: int) -> None:
            nonlocal last, began
            now = time.monotonic()
            if phase != last[0]:
                began = now
            if phase != last[0] or done == total or now - last[1] >= REPORT_EVERY:
                last = (phase, now)
                self._in_app(show, Progress(phase, done, total, now - began))

        return report

    def _in_app(self, do: Callable[..., None], *given: Any) -> None:
        """Do something in the app's thread; nothing once the app is closing."""
        with contextlib.suppress(RuntimeError):
            self.app.call_later(do, *given)

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

    # ------------------------------------------------------------ going to a row

    @work(
        thread=True, exclusive=True, group="seek", exit_on_error=False, description="seeking a row"
    )
    def _seek_number(self, number: int) -> None:
        """Go to the row with this number in the file, or to the next one there is."""
        try:
            place = self._store.with_number(number)
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
        self._drop_search()
        self._store.forget()
        self._retitle()
        if row is None:
            self._want(0)
        else:
            self._seek_number(int(row["number"]))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "all_rows":
            filtered = bool(self._store.where) or self._store.side is not None
            return filtered and self._search is None
        return True
