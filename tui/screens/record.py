"""A record that could not be read, as it is written; its text is changed here and read again."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static, TextArea

from engine.errors import Cancelled, Problem
from engine.text import clean
from tui import keys
from tui.screens.unsaved import Answer as Leaving
from tui.screens.unsaved import Unsaved
from tui.widgets.hints import Hints
from tui.widgets.turn_text import TurnText, write_in

if TYPE_CHECKING:
    from engine.desk.client import Call, Desk

DRAFT_EVERY = 1.0
_PLACE = re.compile(r"line (\d+), column (\d+)")


@dataclass(frozen=True)
class Answer:
    """Mended text, a row to be written instead, or that the record stays out."""

    kind: Literal["text", "row", "drop"]
    text: str = ""


class RecordEditor(Screen[Answer | None], inherit_bindings=False):
    """Gives back what is to become of the record, or None; text that cannot be read is not given back."""

    BINDINGS = keys.bindings("record")
    AUTO_FOCUS = None
    DEFAULT_CSS = """
    RecordEditor VerticalScroll { height: 1fr; scrollbar-size-vertical: 1; }
    RecordEditor #record-said { height: auto; margin-bottom: 1; }
    RecordEditor #record-refused { height: auto; max-height: 5; color: $error; display: none; }
    """

    def __init__(
        self,
        desk: Desk,
        record: dict[str, Any],
        keep_draft: Callable[[str | None], None],
        text: str | None = None,
    ) -> None:
        super().__init__(classes="page")
        self._desk, self._record, self._keep_draft = desk, record, keep_draft
        self._given = str(record["text"])
        self._has_draft = text is not None
        self._draft_at, self._draft_waits = -DRAFT_EVERY, False
        self._reading: Call | None = None
        self.text = TurnText(self._given if text is None else text)

    def compose(self) -> ComposeResult:
        with Vertical(classes="box -whole") as box:
            box.border_title = Content(place(self._record))
            yield Static(self._said(), id="record-said", markup=False)
            with VerticalScroll(can_focus=False):
                if self._given:
                    yield self.text
            yield Static(id="record-refused", markup=False)
        hints = Hints()
        hints.put([hint for hint in keys.hints("record") if self._given or hint[1] != "save"])
        yield hints

    def on_mount(self) -> None:
        if self._given:
            write_in(self.text)
            self._point_at(1, int(self._record["column"]))
        self.set_interval(DRAFT_EVERY / 2, self._send_draft)

    def on_unmount(self) -> None:
        self._send_draft(at_once=True)

    def _said(self) -> Content:
        record = self._record
        parts: list[Any] = [
            ("✗ ", "bold $error"), clean(record["what"], 400), ("\nfix  ", "$quiet"),
            clean(record["fix"], 400), "\n",
        ]  # fmt: skip
        if record["header"]:
            columns = ", ".join(str(name) for name in record["header"])
            parts += [("columns  ", "$quiet"), clean(columns, 400, lines=False), "\n"]
        if self._given:
            parts.append(("Mend it here: your file stays as it is.", "$quiet"))
        elif record["as_row"]:
            parts.append(
                ("Its text cannot be changed here: ctrl+n writes a row in its place.", "$quiet")
            )
        else:
            parts.append(
                ("It cannot be mended here, nor what follows it: mend it in the file.", "$quiet")
            )
        return Content.assemble(*parts)

    @property
    def changed(self) -> bool:
        return bool(self._given) and self.text.answer != self._given

    # ------------------------------------------------------------ drafts

    @on(TextArea.Changed)
    def _typed(self, message: TextArea.Changed) -> None:
        message.stop()
        self._draft_waits = True

    def _send_draft(self, at_once: bool = False) -> None:
        """What is half mended goes to the desk: once a second at most, and on leaving."""
        now = time.monotonic()
        if self._draft_waits and (at_once or now - self._draft_at >= DRAFT_EVERY):
            self._draft_at, self._draft_waits = now, False
            if self.changed:
                self._has_draft = True
                self._keep_draft(self.text.answer)

    # ------------------------------------------------------------ keys

    def action_save(self) -> None:
        """Let the reader look at the text; it becomes a row when it can be read."""
        if self._given and self._reading is None:
            text = self.text.answer
            self._reading = self._desk.call(
                "read_record", number=int(self._record["number"]), text=text
            )
            self._read(self._reading, text)

    @work(thread=True, exit_on_error=False, description="reading the record again")
    def _read(self, call: Call, text: str) -> None:
        problem = None
        try:
            call.result()
        except Problem as met:
            problem = met
        except Cancelled:
            return
        self.app.call_from_thread(self._take, text, problem)

    def _take(self, text: str, problem: Problem | None) -> None:
        self._reading = None
        if problem is None:
            self._draft_waits = False
            self.dismiss(Answer("text", text))
            return
        refused = self.query_one("#record-refused", Static)
        refused.update(Content(f"✗ {clean(str(problem), 600)}"))
        refused.display = True
        if at := _PLACE.search(problem.where):
            self._point_at(int(at[1]), int(at[2]))

    def _point_at(self, line: int, column: int) -> None:
        """Put the cursor where the mistake is; a column of a table's row is that of its first line."""
        last = self.text.document.line_count - 1
        row = min(line - 1, last)
        self.text.move_cursor((row, min(column - 1, len(self.text.document.get_line(row)))))

    def action_as_row(self) -> None:
        if self._record["as_row"]:
            self._leave(Answer("row"))

    def action_leave_out(self) -> None:
        self._leave(Answer("drop"))

    def _leave(self, answer: Answer) -> None:
        """The text is wanted no more; what was half mended is forgotten."""
        self._draft_waits = False
        if self._has_draft:
            self._keep_draft(None)
        self.dismiss(answer)

    def action_abandon(self) -> None:
        """Leave; asks first when something was changed."""
        if not self.changed:
            self._close(keep=False)
            return

        def answer(said: Leaving | None) -> None:
            if said in ("drop", "keep"):
                self._close(keep=said == "keep")

        self.app.push_screen(Unsaved("the record was changed"), answer)

    def _close(self, keep: bool) -> None:
        self._draft_waits = False
        if keep:
            self._keep_draft(self.text.answer)
        elif self._has_draft:
            self._keep_draft(None)
        self.dismiss(None)


def place(record: dict[str, Any]) -> str:
    """`record 118 · tickets.jsonl:118:42`."""
    name = clean(Path(str(record["path"])).name, 80, lines=False)
    return f"record {record['number']:,} · {name}:{record['line']}:{record['column']}"
