"""A JSON document: a list of records, an object that holds one such list or a table, or objects one
after another. Read piece by piece: no more of it is held than a record."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from io import BufferedReader
from typing import Any

from engine.data.containers import json_columns, json_text
from engine.data.containers.json_lines import CHUNK, TELL_EVERY, type_name
from engine.data.containers.json_text import BadJson
from engine.data.containers.json_value import Values
from engine.data.containers.json_window import Window
from engine.data.containers.record import MAX_BYTES, ROW_LISTS, Progress, Record, Records, is_turn
from engine.data.rows import Fault
from engine.errors import Problem

Walk = Generator[Record | Fault, None, bool]
"""Records, and whether what comes after them can be read."""


def read(file: BufferedReader, path: str, size: int, on_progress: Progress) -> Records:
    """The document's records; `file` stands at its start."""
    window = Window(file)
    for count, record in enumerate(_Document(path, window).records(), start=1):
        if count % TELL_EVERY == 0:
            on_progress(min(window.read, size), size)
        yield record
    on_progress(size, size)


def texts(file: BufferedReader, path: str) -> Iterator[str]:
    """The records as they are written, in their order; empty where one has no text by itself. Bytes that are no
    UTF-8 stand in it as surrogates."""
    document = _Document(path, Window(file))
    for _ in document.records():
        yield document.text


class _Document(Values):
    """Walks a document from value to value."""

    def records(self) -> Records:
        mark = self.window.skip_space()
        if mark == "[":
            if (yield from self._list()):
                yield from self.end("put all records into one list, or each on a line of its own")
        elif mark == "{":
            yield from self._object()
        elif mark:
            yield from self._stream()

    def _object(self) -> Records:
        """An object that may be a record, the first of several, or hold the records."""
        window = self.window
        end = window.end_of_value(MAX_BYTES)
        if end is None and not window.ended:
            yield from self._of_layout(json_columns.layout_of(window.text, window.at))
        elif end is not None and self._is_followed(end):
            yield from self._stream()
        elif (found := self._inner_list()) is not None:
            window.at = found
            if (yield from self._list()):
                yield from self._members(found=True)
        else:
            yield from self._stream()

    def _of_layout(self, layout: json_columns.Layout) -> Records:
        """An object that is too large for a record."""
        if layout == "columns":
            yield from self._columns()
        else:
            yield from self._members(rows=layout == "rows")

    def _is_followed(self, end: int) -> bool:
        """Does anything come after the object at hand?"""
        window = self.window
        end -= window.at
        while not window.text[window.at + end :].strip(" \t\r\n"):
            if not window.more():
                return False
        return True

    def _inner_list(self) -> int | None:
        """Where the one list of objects inside the object at hand begins; None when the object is
        itself a record, or a table."""
        text = self.window.text
        members = dict(json_text.members(text, self.window.at))
        lists = {name: at for name, at in members.items() if text[at : at + 1] == "["}
        if any(name in ROW_LISTS for name in lists):
            return None
        of_objects = [at for at in lists.values() if self._begins_with_object(at)]
        if any(self._begins_with_turn(at) for at in of_objects):
            return None
        if len(of_objects) > 1:
            raise self._several(list(lists))
        return of_objects[0] if of_objects else None

    def _several(self, names: list[str]) -> Problem:
        what = f"an object that holds several lists ({', '.join(names[:8])})"
        fix = "keep one list of records in the file, each record an object with its fields"
        return Problem(self.path, what, fix)

    def _begins_with_object(self, start: int) -> bool:
        at = json_text.skip_space(self.window.text, start + 1)
        return self.window.text[at : at + 1] == "{"

    def _begins_with_turn(self, start: int) -> bool:
        """Is the list's first object a turn of a conversation, so that the list belongs to a
        record?"""
        at = json_text.skip_space(self.window.text, start + 1)
        return is_turn([name for name, _ in json_text.members(self.window.text, at)])

    def _list(self) -> Walk:
        """The elements of the list at hand, each read by itself."""
        window = self.window
        window.at += 1
        if window.skip_space() == "]":
            window.at += 1
            return True
        while True:
            record, goes_on = self.value()
            yield record
            if not goes_on:
                return False
            mark = window.skip_space()
            if mark == "]":
                window.at += 1
                return True
            if mark != ",":
                yield self.cut("a comma or the list's end")
                return False
            window.at += 1
            if window.skip_space() == "]":
                yield self.cut("a record after the comma")
                return False

    def _stream(self) -> Records:
        """Objects one after another, each over as many lines as it likes; a table is one alone."""
        window = self.window
        if window.text[window.at] == "{" and (layout := self._whole_layout()):
            yield from self._of_layout(layout)
            return
        while window.skip_space():
            record, goes_on = self.value()
            yield record
            if not goes_on:
                return

    def _whole_layout(self) -> json_columns.Layout:
        """The layout of the only object of a document that is wholly in hand."""
        text, at = self.window.text, self.window.at
        end = json_text.skip_value(text, at) if self.window.ended else None
        if end is None or text[end:].strip(" \t\r\n"):
            return ""
        return json_columns.layout_of(text, at)

    def _members(self, *, found: bool = False, rows: bool = False) -> Records:
        """What is left of the object at hand: the one list of records in it, or (`rows`) records
        alone. `found`: a list was read already, and the window stands behind it."""
        window = self.window
        behind, names = found, list[str]()
        start = window.place(window.at)
        while True:
            mark = window.skip_space() if behind else "{"
            if mark == "}":
                window.at += 1
                break
            if mark != ("," if behind else "{"):
                yield self.cut("a comma or the object's end")
                return
            window.at += 1
            if not behind and window.skip_space() == "}":
                window.at += 1
                break
            name = self._name()
            if name is None:
                yield self.cut("a name, a colon and a value")
                return
            behind = True
            if rows:
                record, goes_on = self.value()
                yield record
            elif self._is_list_of_objects():
                names.append(name)
                if found:
                    raise self._several(names)
                found = True
                goes_on = yield from self._list()
            elif not (goes_on := window.skip_value()):
                yield self.cut("the object's end")
            if not goes_on:
                return
        if not found and not rows:
            yield self.too_long(start)
        yield from self.end("keep one object in the file, or each record on a line of its own")

    def _name(self) -> str | None:
        """The name of the next member, the window at its value; None where one is missing."""
        window = self.window
        if window.skip_space() != '"':
            return None
        while (named := json_text.name_at(window.text, window.at)) is None:
            if len(window.text) - window.at > MAX_BYTES or not window.more(CHUNK):
                return None
        name, window.at = named
        if window.skip_space() != ":":
            return None
        window.at += 1
        return name if window.skip_space() not in ("", ",", "}", "]") else None

    def _is_list_of_objects(self) -> bool:
        window = self.window
        if window.text[window.at] != "[":
            return False
        while json_text.skip_space(window.text, window.at + 1) >= len(window.text):
            if not window.more():
                return False
        return self._begins_with_object(window.at)

    def _columns(self) -> Records:
        """The rows of the table at hand."""
        window = self.window
        while window.more(CHUNK):
            if len(window.text) > json_columns.LARGEST:
                what = f"a table of columns of more than {json_columns.LARGEST // 2**20} MB"
                fix = 'write its rows: pandas\' to_json(orient="records", lines=True)'
                raise Problem(self.path, what, fix)
        at = window.at
        line, column = window.place(at)
        self.number += 1
        try:
            value, window.at = json_text.parse(window.text, at, raw_bytes=window.lossy)
        except BadJson as bad:
            yield self.fault_of(bad)
            return
        rows = json_columns.rows_of(value)
        if rows is None:
            raise self._several([f"{name}: {_count(value[name])}" for name in value])
        window.at, places = at, json_columns.places_of(window.text, at)
        self.text = ""
        for number, row in enumerate(rows, start=1):
            window.at = next(places, window.at)
            line, column = window.place(window.at)
            yield Record(number, line, column, row)


def _count(column: Any) -> str:
    return f"{len(column):,}" if isinstance(column, (list, dict)) else type_name(column)
