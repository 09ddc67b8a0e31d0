"""The person's edits as an overlay over the rows of a source: change, add, exclude, restore, undo.

A row is named by the id of its text as read and by which of several rows with that text it is, so that an
edit finds its row again when the file has grown.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from engine.data.project import Project
from engine.data.rows import Message, Row, messages_from_json, messages_to_json

FEW = 64
Operation = dict[str, Any]
Key = tuple[str, int]
"""A row's id as read, and its place (from 0) among the rows with that id."""


@dataclass
class Overlay:
    """What the journal comes to. `changed` holds new messages, `excluded` why a row is left out."""

    changed: dict[Key, tuple[Message, ...]] = field(default_factory=dict)
    added: dict[Key, tuple[Message, ...]] = field(default_factory=dict)
    excluded: dict[Key, str] = field(default_factory=dict)
    chosen: dict[str, str] = field(default_factory=dict)
    """The remedy taken for a check, by its code."""
    undoable: int = 0

    @property
    def counts(self) -> dict[str, Any]:
        return {
            "changed": len(self.changed),
            "added": len(self.added),
            "excluded": len(self.excluded),
            "undo": self.undoable > 0,
        }


class OverlaidRows(Sequence[Row]):
    """The rows of a source, which may lie on disk, with the edits over them; the added ones come last."""

    def __init__(
        self,
        source: Sequence[Row],
        changed: dict[int, tuple[Message, ...]],
        added: list[Row],
        finish: Callable[[Row], Row] = lambda row: row,
    ) -> None:
        self._source, self._changed, self._added, self._finish = source, changed, added, finish

    def __len__(self) -> int:
        return len(self._source) + len(self._added)

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Row]: ...
    def __getitem__(self, place: int | slice) -> Row | Sequence[Row]:
        if isinstance(place, slice):
            return [self[at] for at in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        place %= len(self)
        own = len(self._source)
        return self._edited(place, self._source[place] if place < own else self._added[place - own])

    def __iter__(self) -> Iterator[Row]:
        for place, row in enumerate(chain(self._source, self._added)):
            yield self._edited(place, row)

    def _edited(self, place: int, row: Row) -> Row:
        messages = self._changed.get(place)
        return self._finish(row if messages is None else replace(row, messages=messages))

    def finished(self, finish: Callable[[Row], Row]) -> OverlaidRows:
        """The same rows, each passed through `finish`."""
        return OverlaidRows(self._source, self._changed, self._added, finish)


@dataclass(frozen=True)
class Edited:
    """Rows with the edits applied. `edited` are positions of rows that are not as read, `excluded` why a
    position is left out, `ids` each row's id as read; `lost` counts edits whose row is no longer there."""

    rows: OverlaidRows
    ids: NDArray[np.uint64]
    edited: frozenset[int]
    excluded: dict[int, str]
    lost: int

    def key(self, place: int) -> Key:
        """How the edits name the row at a position."""
        name = self.ids[place]
        return f"{int(name):016x}", int(np.count_nonzero(self.ids[:place] == name))

    def keys(self, places: Sequence[int]) -> list[Key]:
        """The same for many positions."""
        if len(places) < FEW:
            return [self.key(place) for place in places]
        order = np.argsort(self.ids, kind="stable")
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        names = self.ids[list(places)]
        nth = rank[list(places)] - np.searchsorted(self.ids, names, sorter=order)
        return [(f"{name:016x}", at) for name, at in zip(names.tolist(), nth.tolist(), strict=True)]

    def place_of(self, key: Key) -> int | None:
        """The position of the row that a key names."""
        return _places(self.ids, [key]).get(key)


class Edits:
    """The edits of one project: each is on the disk before it counts."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._operations = _standing(project.journal())
        self.overlay = _fold(self._operations)

    def change(self, key: Key, messages: tuple[Message, ...]) -> None:
        self.do({"op": "change", "rows": [[*key, messages_to_json(messages)]]})

    def change_many(self, changes: Sequence[tuple[Key, tuple[Message, ...]]], check: str) -> None:
        """One edit, taken back as one: a remedy that mends many rows."""
        rows = [[*key, messages_to_json(messages)] for key, messages in changes]
        self.do({"op": "change", "rows": rows, "check": check, "remedy": "replace"})

    def add(self, messages: tuple[Message, ...]) -> None:
        self.do({"op": "add", "rows": [[uuid.uuid4().hex[:16], 0, messages_to_json(messages)]]})

    def exclude(self, keys: Iterable[Key], check: str = "", remedy: str = "") -> None:
        self.do({"op": "exclude", "rows": [[*k] for k in keys], "check": check, "remedy": remedy})

    def restore(self, keys: Iterable[Key]) -> None:
        """Take rows that are left out back in, with their changes; others back to what was read."""
        self.do({"op": "restore", "rows": [[*key] for key in keys]})

    def choose(self, check: str, remedy: str) -> None:
        """Remember what is meant with what a check found, where no row is touched for it."""
        self.do({"op": "choose", "rows": [], "check": check, "remedy": remedy})

    def undo(self) -> Operation | None:
        """Take the last edit back and return it, for `do`; None when there is none."""
        if not self._operations:
            return None
        taken_back = self._operations[-1]
        self.project.append({"op": "undo", "id": taken_back.get("id")})
        self._operations.pop()
        self.overlay = _fold(self._operations)
        return taken_back

    def apply(self, rows: Sequence[Row], ids: NDArray[np.uint64]) -> Edited:
        """The rows of the source with the edits over them; `ids` are the rows' ids as numbers."""
        overlay = self.overlay
        number = rows[len(rows) - 1].number if len(rows) else 0
        added = [
            Row(number + place, 0, messages)
            for place, messages in enumerate(overlay.added.values(), start=1)
        ]
        names = np.array([int(name, 16) for name, _ in overlay.added], np.uint64)
        whole = np.concatenate([ids, names])
        places = _places(whole, {*overlay.changed, *overlay.excluded})
        changed = {places[k]: m for k, m in overlay.changed.items() if k in places}
        excluded = {places[k]: why for k, why in overlay.excluded.items() if k in places}
        return Edited(
            OverlaidRows(rows, changed, added),
            whole,
            frozenset([*changed, *range(len(rows), len(whole))]),
            excluded,
            len(overlay.changed) + len(overlay.excluded) - len(changed) - len(excluded),
        )

    def do(self, operation: Operation) -> None:
        """Make an edit: on the disk, then here."""
        operation = {**operation, "id": uuid.uuid4().hex[:8]}  # what an undo names
        self.project.append(operation)
        self._operations.append(operation)
        _OPERATIONS[operation["op"]](self.overlay, operation)
        self.overlay.undoable = len(self._operations)


def ids_of(rows: Iterable[Row]) -> NDArray[np.uint64]:
    """The rows' ids as 64-bit numbers."""
    return np.fromiter((int(row.id, 16) for row in rows), np.uint64)


def _places(ids: NDArray[np.uint64], keys: Iterable[Key]) -> dict[Key, int]:
    """The positions that keys name; a key whose row is not there has none."""
    keys = list(keys)
    if not keys or not len(ids):
        return {}
    order = np.argsort(ids, kind="stable")
    names = np.array([int(name, 16) for name, _ in keys], np.uint64)
    first = np.searchsorted(ids, names, sorter=order)
    nth = first + np.array([nth for _, nth in keys])
    there = nth < len(ids)
    places = order[np.where(there, nth, 0)]
    there &= ids[places] == names
    return {key: int(p) for key, p, ok in zip(keys, places, there, strict=True) if ok}


def _standing(journal: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The operations that were not taken back; one that is not understood is passed over."""
    standing: list[dict[str, Any]] = []
    for entry in journal:
        if entry.get("op") == "undo":
            standing = [each for each in standing if each.get("id") != entry.get("id")]
        elif entry.get("op") in _OPERATIONS and isinstance(entry.get("rows"), list):
            standing.append(entry)
    return standing


def _fold(operations: Iterable[dict[str, Any]]) -> Overlay:
    overlay = Overlay()
    for operation in operations:
        _OPERATIONS[operation["op"]](overlay, operation)
        overlay.undoable += 1
    return overlay


def _change(overlay: Overlay, operation: dict[str, Any]) -> None:
    for name, place, tree in operation["rows"]:
        overlay.changed[name, place] = messages_from_json(tree)
    _choose(overlay, operation)


def _add(overlay: Overlay, operation: dict[str, Any]) -> None:
    for name, place, tree in operation["rows"]:
        overlay.added[name, place] = messages_from_json(tree)


def _exclude(overlay: Overlay, operation: dict[str, Any]) -> None:
    for name, place in operation["rows"]:
        overlay.excluded[name, place] = operation.get("check") or "by hand"
    _choose(overlay, operation)


def _restore(overlay: Overlay, operation: dict[str, Any]) -> None:
    for name, place in operation["rows"]:
        if overlay.excluded.pop((name, place), None) is None:
            overlay.changed.pop((name, place), None)


def _choose(overlay: Overlay, operation: dict[str, Any]) -> None:
    if operation.get("check"):
        overlay.chosen[operation["check"]] = operation.get("remedy", "")


_OPERATIONS: dict[str, Callable[[Overlay, dict[str, Any]], None]] = {
    "change": _change,
    "add": _add,
    "exclude": _exclude,
    "restore": _restore,
    "choose": _choose,
}
