"""Records that could not be read: looked at, mended as text or written anew as a row, or left out on purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual import work

from engine.errors import Problem
from tui.messages import Notice
from tui.panes.editing import EditingPane
from tui.widgets.turn import Written

if TYPE_CHECKING:
    from engine.desk.client import Call
    from tui.screens.record import Answer

Record = dict[str, Any]
"""A faulty record as the desk shows it: its number and place, what is wrong with it, its text."""


class MendingPane(EditingPane):
    """What is mended becomes a row at its own number; the file stays as it is."""

    def mend(self, number: int, text: str | None = None) -> None:
        """Open a faulty record, with `text` that was half mended before."""
        self._fetch_record(self._desk.call("record", number=number), text)

    @work(thread=True, group="record", exit_on_error=False, description="fetching a record")
    def _fetch_record(self, call: Call, text: str | None) -> None:
        try:
            record = call.result()
        except Problem as problem:
            self.post_message(Notice(str(problem), "error"))
        else:
            self.app.call_from_thread(self._open_record, record, text)

    def _open_record(self, record: Record, text: str | None) -> None:
        from tui.screens.record import RecordEditor

        number = int(record["number"])

        def keep_draft(half: str | None) -> None:
            self._keep_draft({"record": number, "text": half})

        def take(answer: Answer | None) -> None:
            if answer is None:
                return
            if answer.kind == "drop":
                self.drop((number,))
            elif answer.kind == "row":
                self._write_row(number)
            else:
                said = f"Record {number:,} is a row now: u takes it back, p lists the rest"
                draft = {"record": number, "text": answer.text}
                self._change("mend_record", said, draft, number, number=number, text=answer.text)

        self.app.push_screen(RecordEditor(self._desk, record, keep_draft, text), take)

    def _write_row(self, number: int) -> None:
        """A row in place of a record, from turn to turn."""
        from tui.screens.editor import Editor

        new = self._new_row()

        def keep_draft(half: Written | None) -> None:
            """Kept as a new row: the record has no text that it would be a draft of."""
            told = {"index": None, "messages": half.messages if half else None}
            self._keep_draft(told)

        def take(answer: Written | None) -> None:
            if answer is not None:
                said = f"Record {number:,} is a row now: u takes it back, p lists the rest"
                draft = {"index": None, "messages": answer.messages}
                self._change(
                    "mend_record", said, draft, number,
                    number=number, messages=answer.messages, tools=answer.tools,
                )  # fmt: skip

        title = f"a row in place of record {number:,}"
        self.app.push_screen(Editor(title, new, keep_draft, new), take)

    def drop(self, numbers: tuple[int, ...]) -> None:
        """Leave faulty records out on purpose."""
        many = f"{len(numbers):,} records are" if len(numbers) > 1 else f"Record {numbers[0]:,} is"
        said = f"{many} left out on purpose: u takes it back"
        self._change("drop_records", said, numbers=list(numbers))

    def action_draft(self) -> None:
        draft = (self._summary or {}).get("draft") or {}
        if "record" in draft:
            self.mend(int(draft["record"]), str(draft["text"]))
        else:
            super().action_draft()
