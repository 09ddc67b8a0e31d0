"""What the desk does with the open data: rows by condition, edits, remedies, saving. Plain JSON in and out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.data.project import Project
from engine.data.rows import Message, Row, messages_from_json
from engine.desk.look_up import LookUp, Places, Where, WordsFound
from engine.desk.record_work import RecordWork
from engine.desk.searches import Searches
from engine.errors import Problem

if TYPE_CHECKING:
    from engine.data.dataset import Dataset
    from engine.data.edits import Edits, Key
    from engine.desk.process import Task

MOST_ROWS = 500
LOOKED_AT_ONCE = 200
"""So many rows are searched for words while somebody waits for other rows; more are a search of its own."""
MOST_WORDS = 4


class DataWork:
    """Holds the data opened last; every edit gives the summary counted anew."""

    def __init__(self) -> None:
        self.dataset: Dataset | None = None
        self._look_up: LookUp | None = None
        self._words: dict[str, WordsFound] = {}
        self._lock = threading.Lock()
        self.searches = Searches(self)
        self.records = RecordWork(self)
        self.calls = {
            **self.searches.calls,
            **self.records.calls,
            "rows": self.rows,
            "place": self.place,
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
        """Rows of one side (None: all) that meet the conditions, as the model will see them. `left` counts the
        rows that were not searched for the words yet: `search` does it."""
        from engine.data.view import row_view

        dataset = self.data
        places, left = self.places(side, where or {})
        wanted = places[max(0, start) : max(0, start) + min(count, MOST_ROWS)].tolist()
        return {
            "rows": [row_view(dataset, place) for place in wanted],
            "total": len(places),
            "left": left,
        }

    def place(
        self, task: Task, number: int, side: str | None = None, where: Where | None = None
    ) -> dict[str, Any]:
        """Where among those rows the record of this number stands, or the next one there is; None behind them."""
        places, _ = self.places(side, where or {})
        at = self.look_up.first_from(places, number)
        return {"place": at if at < len(places) else None}

    def tokens(self, task: Task, index: int) -> dict[str, Any]:
        """The row at `index` token by token: [kind, text, id]."""
        from engine.data.view import token_view

        return {"tokens": token_view(self.data, self._index(index))}

    def edit(
        self, task: Task, index: int, messages: list[dict[str, Any]], tools: str | None = None
    ) -> dict[str, Any]:
        """Give the row at `index` other messages, and other tools unless None. Raises Problem for what is no
        conversation."""
        place = self._index(index)
        row = self.data.rows[place]
        changed = checked(messages, f"row {row.number}", tools or "", raw=row.raw)
        return self.edited(task, lambda edits: edits.change(self.key(place), changed, tools))

    def add(
        self, task: Task, messages: list[dict[str, Any]], tools: str | None = None
    ) -> dict[str, Any]:
        """Add a row behind the others."""
        added = checked(messages, "the new row", tools or "")
        return self.edited(task, lambda edits: edits.add(added, tools))

    def exclude(self, task: Task, indexes: list[int]) -> dict[str, Any]:
        """Leave rows out; they stay to be seen and restored."""
        keys = self.data.edited.keys([self._index(index) for index in indexes])
        return self.edited(task, lambda edits: edits.exclude(keys))

    def restore(self, task: Task, indexes: list[int]) -> dict[str, Any]:
        """Take rows back as they were read."""
        keys = self.data.edited.keys([self._index(index) for index in indexes])
        return self.edited(task, lambda edits: edits.restore(keys))

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

        return self.edited(task, lambda edits: apply_remedy(self.data, check, action))

    def draft(
        self,
        task: Task,
        index: int | None,
        messages: list[dict[str, Any]] | None,
        tools: str | None = None,
    ) -> dict[str, Any]:
        """Keep half-made text for a row (None: a new one); no messages forgets it."""
        key = None if index is None else self.key(self._index(index))
        project = Project(self.data.path)  # also of the first rows, which keep no edits
        if messages is not None:
            project.keep_draft({"key": key, "messages": messages, "tools": tools})
        elif _is_of(project.draft or {}, key):
            project.keep_draft(None)
        return {}

    def save_as(self, task: Task, path: str, shape: str, side: str | None = None) -> dict[str, Any]:
        """Write the rows in use, with their edits, into a new file."""
        from engine.data.save import save_rows

        dataset = self.counted
        places = [
            place
            for place in self.look_up.order.tolist()
            if place not in dataset.edited.excluded
            and (side is None or dataset.sides[place] == side)
        ]
        rows = (dataset.edited.rows[place] for place in places)
        written = save_rows(Path(path).expanduser(), rows, shape or dataset.format)
        return {"path": path, "rows": written}

    # ------------------------------------------------------------ places

    @property
    def look_up(self) -> LookUp:
        """Where the rows of the open data stand."""
        with self._lock:
            if self._look_up is None or self._look_up.dataset is not self.data:
                self._look_up = LookUp(self.data)
            return self._look_up

    def words(self, words: str) -> WordsFound:
        """What is known of the rows that hold these words; of the last few words it is kept."""
        with self._lock:
            found = self._words.pop(words, None) or WordsFound(words, self.data)
            if found.dataset is not self.data:
                found = found.carried_to(self.data)
            self._words[words] = found  # the last one used stands last
            for oldest in list(self._words)[:-MOST_WORDS]:
                del self._words[oldest]
            return found

    def places(self, side: str | None, where: Where) -> tuple[Places, int]:
        """Positions of the rows that meet the conditions as far as is known, and how many are not searched."""
        places = self.look_up.places(side, where)
        text = str(where.get("text") or "")
        if not text:
            return places, 0
        found = self.words(text)
        left = found.left(places)
        if len(left) <= LOOKED_AT_ONCE:
            found.look(left)
            left = left[:0]
        return found.among(places), len(left)

    def _index(self, index: int) -> int:
        if not 0 <= index < len(self.data.rows):
            raise Problem("row", f"there is no row {index}", "open the data again")
        return index

    def key(self, place: int) -> Key:
        return self.data.edited.key(place)

    def edited(self, task: Task, edit: Callable[[Edits], None]) -> dict[str, Any]:
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


def checked(
    tree: list[dict[str, Any]], where: str, tools: str = "", *, raw: bool = False
) -> tuple[Message, ...]:
    """The messages of an edited row. Raises Problem for what could not be trained on."""
    from engine.data.shapes.chat import parse_messages
    from engine.data.shapes.unfit import Unfit
    from engine.data.write import record_of

    try:
        messages = messages_from_json(tree)
        if raw:
            return messages
        record = record_of(Row(0, 0, messages, tools), "messages")
        content = parse_messages(record)
    except Unfit as unfit:
        raise Problem(where, unfit.what, unfit.fix) from unfit
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Problem(where, "these are no messages", "give each a role and a content") from error
    return content[0] if content else messages


def _is_of(draft: dict[str, Any], key: Key | None) -> bool:
    return "record" not in draft and draft.get("key") == (list(key) if key else None)
