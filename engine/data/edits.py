"""The person's edits as an overlay over the rows of a source: change, mend, add, exclude, restore, undo.

A row is named by the id of its text as read and by which of several rows with that text it is, so that an
edit finds its row again when the file has grown. A record that could not be read is known by its own text
in the same way; the row that it became lies behind those of the source and bears the record's number.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import overload

import numpy as np
from numpy.typing import NDArray

from engine.data.overlay import Held, Key, Operation, Overlay, folded, standing
from engine.data.project import Project
from engine.data.rows import Fault, Message, Row

__all__ = ["Edited", "Edits", "Held", "Key", "OverlaidRows", "Overlay", "ids_of"]

FEW = 64


class OverlaidRows(Sequence[Row]):
    """The rows of a source, which may lie on disk, with the edits over them; those that are mended or added
    come last."""

    def __init__(
        self,
        source: Sequence[Row],
        changed: Mapping[int, Held],
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
        held = self._changed.get(place)
        return self._finish(row if held is None else held.put_into(row))

    def finished(self, finish: Callable[[Row], Row]) -> OverlaidRows:
        """The same rows, each passed through `finish`."""
        return OverlaidRows(self._source, self._changed, self._added, finish)


@dataclass(frozen=True)
class Edited:
    """Rows with the edits applied. `edited` are positions of rows that are not as read, `excluded` why a
    position is left out, `ids` each row's id as read; `lost` counts edits whose row or record is no longer
    there. `mended` are the faulty records that became rows, by position, `dropped` those given up."""

    rows: OverlaidRows
    ids: NDArray[np.uint64]
    edited: frozenset[int]
    excluded: dict[int, str]
    lost: int
    mended: dict[int, Fault] = field(default_factory=dict)
    dropped: list[Fault] = field(default_factory=list)

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
        self._operations = standing(project.journal())
        self.overlay = folded(self._operations)

    def change(self, key: Key, messages: tuple[Message, ...], tools: str | None = None) -> None:
        self.do({"op": "change", "rows": [[*key, *Held(messages, tools).to_json()]]})

    def change_many(self, changes: Sequence[tuple[Key, tuple[Message, ...]]], check: str) -> None:
        """One edit, taken back as one: a remedy that mends many rows."""
        rows = [[*key, *Held(messages).to_json()] for key, messages in changes]
        self.do({"op": "change", "rows": rows, "check": check, "remedy": "replace"})

    def mend(self, record: Key, held: Held) -> None:
        """Let a record that could not be read be this row."""
        self.do({"op": "mend", "rows": [[*_new_key(), [*record], held.raw, *held.to_json()]]})

    def drop(self, records: Iterable[Key]) -> None:
        """Records that could not be read stay out, and are no problem any more."""
        self.do({"op": "drop", "rows": [[*record] for record in records]})

    def add(self, messages: tuple[Message, ...], tools: str | None = None) -> None:
        self.do({"op": "add", "rows": [[*_new_key(), *Held(messages, tools).to_json()]]})

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
        self.overlay = folded(self._operations)
        return taken_back

    def apply(
        self,
        rows: Sequence[Row],
        ids: NDArray[np.uint64],
        faults: Mapping[Key, Fault] | None = None,
        records: int | None = None,
    ) -> Edited:
        """The rows of the source with the edits over them. `ids` are the rows' ids as numbers, `faults` the
        records that could not be read, `records` how many were read, so that added rows are numbered on."""
        overlay, faults = self.overlay, faults or {}
        there = {k: m for k, m in overlay.mended.items() if m.record in faults}
        mended = [_as_row(m.held, faults[m.record]) for m in there.values()]
        number = records if records is not None else rows[len(rows) - 1].number if len(rows) else 0
        added = [
            Held(held.messages, held.tools).put_into(Row(number + place, 0, ()))
            for place, held in enumerate(overlay.added.values(), start=1)
        ]
        names = np.array([int(name, 16) for name, _ in chain(there, overlay.added)], np.uint64)
        whole = np.concatenate([ids, names])
        places = _places(whole, {*overlay.changed, *overlay.excluded})
        changed = {places[k]: held for k, held in overlay.changed.items() if k in places}
        excluded = {places[k]: why for k, why in overlay.excluded.items() if k in places}
        dropped = [faults[key] for key in overlay.dropped if key in faults]
        wanted = len(overlay.changed) + len(overlay.excluded)
        wanted += len(overlay.mended) + len(overlay.dropped)
        found = len(changed) + len(excluded) + len(there) + len(dropped)
        return Edited(
            OverlaidRows(rows, changed, mended + added),
            whole,
            frozenset([*changed, *range(len(rows), len(whole))]),
            excluded,
            wanted - found,
            {len(rows) + at: faults[m.record] for at, m in enumerate(there.values())},
            dropped,
        )

    def do(self, operation: Operation) -> None:
        """Make an edit: on the disk, then here."""
        operation = {**operation, "id": uuid.uuid4().hex[:8]}  # what an undo names
        self.project.append(operation)
        self._operations.append(operation)
        self.overlay.do(operation)


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


def _new_key() -> Key:
    """A name for a row that no source holds."""
    return uuid.uuid4().hex[:16], 0


def _as_row(held: Held, fault: Fault) -> Row:
    """The row in place of a faulty record, which it keeps the number and line of."""
    return Row(
        fault.number, fault.line, held.messages, held.tools or "", raw=held.raw, path=fault.path
    )
