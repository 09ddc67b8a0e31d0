"""What the desk does with records that could not be read: shows them, reads them again once mended, gives them up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.data.overlay import Held, Key
from engine.data.project import Project
from engine.errors import Problem

if TYPE_CHECKING:
    from engine.data.faulty import FaultyRecords
    from engine.desk.data_work import DataWork
    from engine.desk.process import Task


class RecordWork:
    """Faulty records of the open data, by their numbers; every edit gives the summary counted anew."""

    def __init__(self, work: DataWork) -> None:
        self._work = work
        self.calls = {
            "record": self.record,
            "read_record": self.read_record,
            "mend_record": self.mend_record,
            "drop_records": self.drop_records,
            "draft_record": self.draft_record,
        }

    @property
    def _faulty(self) -> FaultyRecords:
        return self._work.data.source.faulty

    def record(self, task: Task, number: int) -> dict[str, Any]:
        """The record as it is written, and what is wrong with it. `text` is empty where none can be changed;
        `as_row` tells whether a row can be written in its place."""
        found = self._faulty.look(number)
        fault = found.fault
        return {
            "number": number,
            "path": fault.path,
            "line": fault.line,
            "column": fault.column,
            "what": fault.what,
            "fix": fault.fix,
            "text": found.text,
            "header": list(found.header),
            "as_row": found.as_row,
        }

    def read_record(self, task: Task, number: int, text: str) -> dict[str, Any]:
        """Whether the mended text can be read. Raises Problem with the reader's own words."""
        self._faulty.read(number, text)
        return {}

    def mend_record(
        self,
        task: Task,
        number: int,
        text: str = "",
        messages: list[dict[str, Any]] | None = None,
        tools: str = "",
    ) -> dict[str, Any]:
        """Let the record be the row that its mended text holds, or the row given."""
        from engine.desk.data_work import checked

        key = self._open_key(number)
        if messages is None:
            held = self._faulty.read(number, text)
        else:
            held = Held(checked(messages, f"record {number}", tools), tools)
        return self._work.edited(task, lambda edits: edits.mend(key, held))

    def drop_records(self, task: Task, numbers: list[int]) -> dict[str, Any]:
        """Leave records out on purpose: they are no problem any more."""
        keys = [self._open_key(number) for number in numbers]
        return self._work.edited(task, lambda edits: edits.drop(keys))

    def draft_record(self, task: Task, number: int, text: str | None) -> dict[str, Any]:
        """Keep half-mended text of a record; None forgets it."""
        key = self._faulty.key(number)
        project = Project(self._work.data.path)
        if text is not None:
            project.keep_draft({"record": key, "text": text})
        elif (project.draft or {}).get("record") == list(key):
            project.keep_draft(None)
        return {}

    def _open_key(self, number: int) -> Key:
        """What the record is known by. Raises Problem once it is mended or given up."""
        key = self._faulty.key(number)
        overlay = self._work.data.edits.overlay
        if key in overlay.dropped or any(m.record == key for m in overlay.mended.values()):
            what = "is mended or left out already"
            raise Problem(f"record {number}", what, "take that change back first")
        return key
