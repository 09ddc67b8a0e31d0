"""Finding a row of the open data: by its number, by words, by the check that was opened last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on, work

from engine.errors import Cancelled, Problem
from tui.focus import focus
from tui.messages import Notice
from tui.panes.rows import RowsPane
from tui.state import Progress
from tui.widgets.field import Field

if TYPE_CHECKING:
    from engine.desk.client import Call, Desk


class FindingPane(RowsPane):
    """Goes to rows; subclasses mount the Field `#find`."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._sought = ""
        self._stepping = ""
        """The code of the check whose rows `n` goes through; empty when it seeks words."""
        self._find_call: Call | None = None

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
        sought = message.value.strip()
        if sought.isascii() and sought.isdigit():
            self._seek_number(int(sought[:15]))
        elif sought:
            self._sought, self._stepping = sought, ""
            self._find(1)

    def _close_find(self) -> None:
        focus(self._view)
        self.query_one("#find", Field).display = False

    def action_find_again(self, by: int) -> None:
        """The next row of the check that was opened last, or with the words sought last."""
        if self._stepping and (row := self.row):
            self._seek_check(self._stepping, int(row["number"]), by)
        elif self._sought:
            self._find(by)

    def _find(self, by: int) -> None:
        """Let the desk look for the words from this row on; another search for words is dropped."""
        self._drop_find()
        store = self._store
        self._find_call = self._desk.call(
            "find", on_progress=self._watch(self._show_find), text=self._sought, after=self._at, by=by,
            side=store.side, where=dict(store.where),
        )  # fmt: skip
        self._wait_for_find(self._find_call)

    @work(thread=True, group="find", exit_on_error=False, description="finding words")
    def _wait_for_find(self, call: Call) -> None:
        place, problem = None, None
        try:
            place = call.result()["place"]
        except Problem as met:
            problem = met
        except Cancelled:
            return
        self.app.call_from_thread(self._end_find, call, place, problem)

    def _show_find(self, progress: Progress) -> None:
        if self._find_call is not None and progress.seconds >= SLOW:
            self.say(f"{progress.words} · esc stops")

    def _end_find(self, call: Call, place: int | None, problem: Problem | None) -> None:
        if call is not self._find_call:
            return
        self._find_call = None
        self._retitle()
        if problem is not None:
            self.post_message(Notice(str(problem), "error"))
        elif place is None:
            self.post_message(Notice(f"No row with {self._sought[:60]}", "warning"))
        else:
            self._want(place)

    def _drop_find(self) -> bool:
        """Stop looking for words; False when nothing was looked for."""
        call, self._find_call = self._find_call, None
        if call is not None:
            call.cancel()
            self._retitle()
        return call is not None

    @work(
        thread=True, exclusive=True, group="seek", exit_on_error=False, description="seeking a row"
    )
    def _seek_check(self, code: str, number: int, by: int) -> None:
        try:
            place = self._store.of_check(code, number, by)
        except Problem as problem:
            self.post_message(Notice(str(problem), "error"))
        else:
            self._found(place, "No row of this check is among those shown")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "all_rows" and self._find_call is not None:
            return False
        return super().check_action(action, parameters)


SLOW = 0.5
"""Seconds from which on a search says how far it is."""
