"""What the desk does with the open data: rows by condition, edits, remedies, saving. Plain JSON in and out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.data.project import Project
from engine.data.rows import Message, Row, messages_from_json
from engine.errors import Problem

if TYPE_CHECKING:
    from engine.data.dataset import Dataset
    from engine.data.edits import Edits, Key
    from engine.desk.process import Task

MOST_ROWS = 500
Where = dict[str, Any]
"""`text`, `check`, `min_tokens`, `max_tokens`: every given condition must hold."""


class DataWork:
    """Holds the data opened last; every edit gives the summary counted anew."""

    def __init__(self) -> None:
        self.dataset: Dataset | None = None
        self._found: tuple[Dataset | None, str, list[int]] = (None, "", [])
        self.calls = {
            "rows": self.rows,
            "tokens": self.tokens,
            "edit": self.edit,
            "add": self.add,
            "exclude": self.exclude,
            "restore": self.restore,
            "undo": self.undo,
            "remedy": self.remedy,
            "draft": self.draft,
            "save_as": self.save_as,
        }

    @property
    def data(self) -> Dataset:
        """The open data. Raises Problem where there is none."""
        if self.dataset is None:
            raise Problem(
                "data",
                "the helping process was started afresh and holds no rows",
                "open the data again",
            )
        return self.dataset

    @property
    def counted(self) -> Dataset:
        """The open data, once all of it was counted. Raises Problem before."""
        if self.data.stage != "counted":
            raise Problem(
                "data", "its rows are still being counted", "wait, or open the data again"
            )
        return self.data

    def rows(
        self,
        task: Task,
        start: int,
        count: int,
        side: str | None = None,
        where: Where | None = None,
    ) -> dict[str, Any]:
        """Rows of one side (None: all) that meet the conditions, as the model will see them."""
        from engine.data.view import row_view

        dataset = self.data
        places = self._places(side, where or {})
        wanted = places[max(0, start) : max(0, start) + min(count, MOST_ROWS)]
        return {"rows": [row_view(dataset, place) for place in wanted], "total": len(places)}

    def tokens(self, task: Task, index: int) -> dict[str, Any]:
        """The row at `index` token by token: [kind, text, id]."""
        from engine.data.view import token_view

        return {"tokens": token_view(self.data, self._index(index))}

    def edit(self, task: Task, index: int, messages: list[dict[str, Any]]) -> dict[str, Any]:
        """Give the row at `index` other messages. Raises Problem for what is no conversation."""
        place = self._index(index)
        row = self.data.rows[place]
        changed = checked(messages, f"row {row.number}", raw=row.raw)
        return self._edited(task, lambda edits: edits.change(self._key(place), changed))

    def add(self, task: Task, messages: list[dict[str, Any]]) -> dict[str, Any]:
        """Add a row behind the others."""
        added = checked(messages, "the new row")
        return self._edited(task, lambda edits: edits.add(added))

    def exclude(self, task: Task, indexes: list[int]) -> dict[str, Any]:
        """Leave rows out; they stay to be seen and restored."""
        keys = self.data.edited.keys([self._index(index) for index in indexes])
        return self._edited(task, lambda edits: edits.exclude(keys))

    def restore(self, task: Task, indexes: list[int]) -> dict[str, Any]:
        """Take rows back as they were read."""
        keys = self.data.edited.keys([self._index(index) for index in indexes])
        return self._edited(task, lambda edits: edits.restore(keys))

    def undo(self, task: Task) -> dict[str, Any]:
        """Take the last edit back."""
        edits = self.counted.edits
        taken_back = edits.undo()
        if taken_back is None:
            raise Problem("undo", "there is no edit to take back", "change a row first")
        return self._anew(task, lambda: edits.do(taken_back))

    def remedy(self, task: Task, check: str, action: str) -> dict[str, Any]:
        """Do `action` to the rows that `check` found, as one edit."""
        from engine.data.remedy import apply_remedy

        return self._edited(task, lambda edits: apply_remedy(self.data, check, action))

    def draft(
        self, task: Task, index: int | None, messages: list[dict[str, Any]] | None
    ) -> dict[str, Any]:
        """Keep half-made text for a row (None: a new one); no messages forgets it."""
        key = None if index is None else self._key(self._index(index))
        project = Project(self.data.path)  # also of the first rows, which keep no edits
        if messages is not None:
            project.keep_draft({"key": key, "messages": messages})
        elif (project.draft or {}).get("key") == (list(key) if key else None):
            project.keep_draft(None)
        return {}

    def save_as(self, task: Task, path: str, shape: str, side: str | None = None) -> dict[str, Any]:
        """Write the rows in use, with their edits, into a new file."""
        from engine.data.save import save_rows

        dataset = self.counted
        places = [
            place
            for place, own in enumerate(dataset.sides)
            if place not in dataset.edited.excluded and (side is None or own == side)
        ]
        rows = (dataset.edited.rows[place] for place in places)
        written = save_rows(Path(path).expanduser(), rows, shape or dataset.format)
        return {"path": path, "rows": written}

    # ------------------------------------------------------------ places

    def _places(self, side: str | None, where: Where) -> list[int]:
        name = json.dumps([side, where], sort_keys=True)
        dataset, found = self.data, self._found
        if found[:2] != (dataset, name):
            found = self._found = dataset, name, matching(dataset, side, where)
        return found[2]

    def _index(self, index: int) -> int:
        if not 0 <= index < len(self.data.rows):
            raise Problem("row", f"there is no row {index}", "open the data again")
        return index

    def _key(self, place: int) -> Key:
        return self.data.edited.key(place)

    def _edited(self, task: Task, edit: Callable[[Edits], None]) -> dict[str, Any]:
        """Make an edit and count anew; where that is cancelled or refused, the edit is taken back."""
        edits = self.counted.edits
        edit(edits)
        return self._anew(task, edits.undo)

    def _anew(self, task: Task, back: Callable[[], object]) -> dict[str, Any]:
        from engine.data.opening import recount
        from engine.data.summary import summary

        try:
            counted = recount(self.data, task.progress)
        except BaseException:
            back()
            raise
        self.opened(counted)
        return summary(counted)

    def opened(self, dataset: Dataset) -> None:
        """Take other data, or the same after an edit."""
        self.dataset = dataset


def checked(tree: list[dict[str, Any]], where: str, *, raw: bool = False) -> tuple[Message, ...]:
    """The messages of an edited row. Raises Problem for what could not be trained on."""
    from engine.data.shapes.chat import parse_messages
    from engine.data.shapes.unfit import Unfit
    from engine.data.write import record_of

    try:
        messages = messages_from_json(tree)
        if raw:
            return messages
        record = record_of(Row(0, 0, messages), "messages")
        content = parse_messages(record)
    except Unfit as unfit:
        raise Problem(where, unfit.what, unfit.fix) from unfit
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Problem(where, "these are no messages", "give each a role and a content") from error
    return content[0] if content else messages


def matching(dataset: Dataset, side: str | None, where: Where) -> list[int]:
    """Positions of the rows that meet every condition."""
    places = [i for i, own in enumerate(dataset.sides) if side is None or own == side]
    if code := where.get("check"):
        hit = positions_of(dataset, code)
        places = [place for place in places if place in hit]
    low, high = where.get("min_tokens"), where.get("max_tokens")
    if low is not None or high is not None:
        least, most = low or 0, high if high is not None else 2**31
        places = [p for p in places if least <= dataset.encoded[p].full_length <= most]
    if text := str(where.get("text") or "").casefold():
        places = [place for place in places if text in _words(dataset.rows[place])]
    return places


def positions_of(dataset: Dataset, code: str) -> set[int]:
    """Rows that a check found, or that cannot be used for this reason."""
    found = {int(place) for f in dataset.findings if f.code == code for place in f.rows}
    if code == "template":
        found |= set(dataset.encoded.refused)
    elif code == "held_out_copy":
        found |= set(dataset.set_aside)
    elif code == "answer_lost":
        mute = set(np.flatnonzero(dataset.encoded.label_counts == 0).tolist())
        found |= mute - set(dataset.encoded.refused)
    return found


def _words(row: Row) -> str:
    return "\n".join(message.text for message in row.messages).casefold()
