"""The data pane: what is in the file, what was found in it, its rows as the model sees them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from textual import on, work
from textual.app import ComposeResult
from textual.message import Message
from textual.widgets import Static
from textual.worker import get_current_worker

from engine.config import Config
from engine.errors import Cancelled, Problem
from tui import facts, keys
from tui.focus import focus
from tui.messages import Notice
from tui.rows import RowStore, Side
from tui.state import Progress
from tui.widgets.field import Field
from tui.widgets.pane import Pane
from tui.widgets.row_text import RowView

if TYPE_CHECKING:
    from engine.desk.client import Call, Desk

SIDES: tuple[Side, ...] = (None, "train", "eval")
SIDE_NAMES: dict[Side, str] = {
    None: "all rows",
    "train": "rows to train on",
    "eval": "held-out rows",
}
REPORT_EVERY = 0.25


class DataPane(Pane):
    """Opens data through the desk, shows what is in it, and walks through its rows."""

    NUMBER, TITLE, KEYS = 1, "data", "data"
    BINDINGS = keys.bindings("data")

    DEFAULT_CSS = """
    DataPane #data-facts { height: auto; max-height: 60%; }
    DataPane #row-head { height: 1; text-style: bold; background: $panel; }
    DataPane Field { display: none; dock: bottom; }
    """

    class Moved(Message):
        """The opening went on."""

        def __init__(self, progress: Progress) -> None:
            super().__init__()
            self.progress = progress

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, DataPane.Moved)

    class Opened(Message):
        """The data can be used."""

        def __init__(self, summary: dict[str, Any]) -> None:
            super().__init__()
            self.summary = summary

    class Refused(Message):
        """The data cannot be used; None when the person cancelled."""

        def __init__(self, problem: Problem | None) -> None:
            super().__init__()
            self.problem = problem

    class Wanted(Message):
        """The person wants to open another file, or to see the list of problems."""

        def __init__(self, what: str) -> None:
            super().__init__()
            self.what = what

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk
        self._store = RowStore(desk)
        self._call: Call | None = None
        self._summary: dict[str, Any] | None = None
        self._at = 0
        self._sought = ""
        self._searching = False

    def compose(self) -> ComposeResult:
        yield Static(id="data-facts", markup=False)
        yield Static(id="row-head", markup=False)
        yield RowView()
        yield Field(placeholder="row number, or words to find", id="find")

    # ------------------------------------------------------------ opening

    def open(self, config: Config) -> None:
        """Open the config's data; an opening in hand is dropped."""
        self._cancel_call()
        self._summary = None
        self._store.forget()
        self._blank()
        self._call = self._desk.call(
            "open_data", on_progress=self._reporter(), config=config.to_dict()
        )
        self._wait(self._call)

    def _reporter(self) -> Callable[[str, int, int], None]:
        """Passes progress on from the desk's thread, a few times a second at most."""
        last = ("", 0.0)

        def report(phase: str, done: int, total: int) -> None:
            nonlocal last
            now = time.monotonic()
            if phase != last[0] or done == total or now - last[1] >= REPORT_EVERY:
                last = (phase, now)
                self.post_message(self.Moved(Progress(phase, done, total)))

        return report

    @work(thread=True, group="open", exit_on_error=False, description="opening data")
    def _wait(self, call: Call) -> None:
        try:
            summary = call.result()
        except Cancelled:
            self._tell(call, self.Refused(None))
        except Problem as problem:
            self._tell(call, self.Refused(problem))
        else:
            self._tell(call, self.Opened(summary))

    def _tell(self, call: Call, message: Message) -> None:
        """Pass the end of a call on, unless another one has taken its place."""
        if call is self._call:
            self.post_message(message)

    def _cancel_call(self) -> None:
        call, self._call = self._call, None
        if call is not None and self._summary is None:
            call.cancel()

    @on(Moved)
    def _show_progress(self, message: Moved) -> None:
        if self._summary is None and self._call is not None:
            self.say(message.progress.phase)
            self._facts(facts.opening(message.progress, self._width))

    @on(Opened)
    def _show_summary(self, message: Opened) -> None:
        summary = self._summary = message.summary
        self.remove_class("-problem")
        self.say(facts.title(summary))
        self._facts(facts.lines(summary, self._width))
        self._at = 0
        self._want(0)

    @on(Refused)
    def _show_problem(self, message: Refused) -> None:
        self._call = None
        if message.problem is None:
            self.say("cancelled")
            self._facts(facts.cancelled())
        else:
            self.say("cannot be used")
            self._facts(facts.problem(message.problem))

    def _facts(self, content: Any) -> None:
        self.query_one("#data-facts", Static).update(content)

    @property
    def _width(self) -> int:
        return self.content_size.width or 76

    def _head(self, content: Any) -> None:
        head = self.query_one("#row-head", Static)
        head.update(content)
        head.display = bool(content)

    def _blank(self) -> None:
        self._head("")
        self.query_one(RowView).put(())

    def on_resize(self) -> None:
        if self._summary is not None:
            self._facts(facts.lines(self._summary, self._width))

    # ------------------------------------------------------------ walking

    def action_move(self, by: int) -> None:
        if self._store.total:
            self._want(min(max(self._at + by, 0), self._store.total - 1))

    def action_page(self, pages: int) -> None:
        """Read on in a long row; at its end go to the next one."""
        if not self.query_one(RowView).read_on(pages):
            self.action_move(pages)

    def action_end(self, end: str) -> None:
        if self._store.total:
            self._want(0 if end == "first" else self._store.total - 1)

    def action_side(self) -> None:
        """Show all rows, then those to train on, then the held-out ones."""
        if self._summary is None:
            return
        side = SIDES[(SIDES.index(self._store.side) + 1) % len(SIDES)]
        self._store.forget(side)
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

    def _take(self, piece: tuple[Side, int, list[dict[str, Any]], int]) -> None:
        if not self._store.keep(*piece):
            return
        row = self._store.get(self._at)
        if row is not None:
            self._show_row(row)
        elif not self._store.total:
            self._head(f"no {SIDE_NAMES[self._store.side]}")
            self.query_one(RowView).put(())

    def _show_row(self, row: dict[str, Any]) -> None:
        head = facts.row_head(row, self._at, self._store.total, self._store.side)
        self._head(head)
        self.query_one(RowView).put(row["segments"])

    # ------------------------------------------------------------ finding

    def action_find(self) -> None:
        if self._summary is not None:
            field = self.query_one(Field)
            field.value = ""
            field.display = True
            focus(field)

    @on(Field.Abandoned)
    def _leave_find(self, message: Field.Abandoned) -> None:
        message.stop()
        self._close_find()

    @on(Field.Submitted)
    def _begin_find(self, message: Field.Submitted) -> None:
        message.stop()
        self._close_find()
        if sought := message.value.strip():
            self._sought = sought
            self._seek(sought, self._at)

    def _close_find(self) -> None:
        focus(self.query_one(RowView))
        self.query_one(Field).display = False

    def action_find_again(self) -> None:
        if self._sought:
            self._seek(self._sought, self._at)

    @work(
        thread=True, exclusive=True, group="seek", exit_on_error=False, description="searching rows"
    )
    def _seek(self, sought: str, after: int) -> None:
        worker = get_current_worker()
        self._searching = True
        try:
            if sought.isdigit():
                place = self._store.with_number(int(sought))
            else:
                place = self._store.with_text(
                    sought, after, lambda done, total: not worker.is_cancelled
                )
        except Problem as problem:
            self.post_message(Notice(str(problem), "error"))
            return
        finally:
            self._searching = False
        if worker.is_cancelled:
            return
        if place is None:
            self.post_message(Notice(f"No row with {sought[:60]}", "warning"))
        else:
            self.app.call_from_thread(self._want, place)

    # ------------------------------------------------------------ the rest

    def action_cancel(self) -> None:
        """Drop the opening or the search in hand."""
        if self._searching:
            self.workers.cancel_group(self, "seek")
            self.post_message(Notice("The search was dropped"))
        elif self._call is not None and self._summary is None:
            self._call.cancel()

    def action_reopen(self) -> None:
        self.post_message(self.Wanted("again"))

    def action_open(self) -> None:
        self.post_message(self.Wanted("file"))

    def action_problems(self) -> None:
        if self._summary and self._summary["problems"]:
            self.post_message(self.Wanted("problems"))
        else:
            self.post_message(Notice("No problem was found in this data"))
