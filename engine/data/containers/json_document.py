"""A JSON document: a list of records, an object that holds one such list, or objects one after
another."""

from __future__ import annotations

from typing import BinaryIO

from engine.data.containers import json_text
from engine.data.containers.json_lines import BOM, TELL_EVERY, as_record, bad_byte, torn
from engine.data.containers.json_text import BadJson
from engine.data.containers.record import MAX_BYTES, ROW_LISTS, Progress, Record, Records
from engine.data.rows import Fault
from engine.errors import Problem

LARGEST = 2**30
NOTHING_AFTER = "; nothing after it could be read"
"""Said of a fault that is the last of its document."""


def read(file: BinaryIO, path: str, size: int, on_progress: Progress) -> Records:
    """The document's records. It is held in memory whole, so at most 1 GB is taken."""
    raw = file.read(LARGEST + 1) if size <= LARGEST else b""
    if size > LARGEST or len(raw) > LARGEST:
        raise Problem(
            path, "a JSON document of more than 1 GB", "write it as JSON Lines, one record a line"
        )
    on_progress(size // 2, size)
    document = document_of(raw, path)
    del raw
    whole = max(1, len(document.text))
    for count, record in enumerate(document.records(), start=1):
        if count % TELL_EVERY == 0:
            on_progress(size // 2 + size // 2 * document.at // whole, size)
        yield record
    on_progress(size, size)


def document_of(raw: bytes, path: str) -> Document:
    """The document in a file's bytes; those that are no UTF-8 stand in its text as surrogates."""
    skipped = len(BOM) if raw.startswith(BOM) else 0
    text = raw[skipped:].decode("utf-8", "surrogateescape")
    return Document(path, text, skipped, lossy=not _is_utf8(raw))


class Document:
    """Walks a document from value to value. `at` is the place reached, `line` its line from 1.

    Lines are counted from place to place: a document may be one line of a gigabyte.
    """

    def __init__(self, path: str, text: str, skipped: int, *, lossy: bool) -> None:
        self.path, self.text, self.skipped, self.lossy = path, text, skipped, lossy
        self.at, self.line, self.number = 0, 1, 0
        self.line_start = 0

    def records(self) -> Records:
        start = json_text.skip_space(self.text, 0)
        if self.text[start : start + 1] == "[":
            yield from self._list(start)
        elif (found := self._inner_list(start)) is not None:
            yield from self._list(found)
        else:
            yield from self._stream(start)

    def _inner_list(self, start: int) -> int | None:
        """Where the one list of objects inside the object begins; None when the object is itself a
        record."""
        lists = {
            name: at
            for name, at in json_text.members(self.text, start)
            if self.text[at : at + 1] == "["
        }
        if any(name in ROW_LISTS for name in lists):
            return None
        of_objects = [at for at in lists.values() if self._begins_with_object(at)]
        if len(of_objects) == 1:
            return of_objects[0]
        if len(of_objects) > 1 or (len(lists) > 1 and not of_objects):
            names = ", ".join(list(lists)[:8])
            raise Problem(
                self.path,
                f"an object that holds several lists ({names})",
                "keep one list of records in the file, each record an object with its fields",
            )
        return None

    def _begins_with_object(self, start: int) -> bool:
        at = json_text.skip_space(self.text, start + 1)
        return self.text[at : at + 1] == "{"

    def _list(self, start: int) -> Records:
        """The elements of the list at `start`, each read by itself."""
        at = json_text.skip_space(self.text, start + 1)
        if self.text[at : at + 1] == "]":
            return
        while True:
            record, end = self._value(at)
            yield record
            if end is None:
                return
            at = json_text.skip_space(self.text, end)
            mark = self.text[at : at + 1]
            if mark == "]":
                return
            if mark != ",":
                yield self._break(at, "a comma or the list's end")
                return
            at = json_text.skip_space(self.text, at + 1)
            if self.text[at : at + 1] == "]":
                yield self._break(at, "a record after the comma")
                return

    def _stream(self, start: int) -> Records:
        """Objects one after another, each over as many lines as it likes."""
        at = start
        while at < len(self.text):
            record, end = self._value(at)
            yield record
            if end is None:
                return
            at = json_text.skip_space(self.text, end)

    def _value(self, at: int) -> tuple[Record | Fault, int | None]:
        """The record or fault at `at`, and where it ends; None when nothing after it can be
        read."""
        self._go_to(at)
        self.number += 1
        line, column = self.line, self._column(at)
        try:
            value, end = json_text.parse(self.text, at, raw_bytes=self.lossy)
        except BadJson as bad:
            return self._fault(bad), bad.end
        if end - at > MAX_BYTES:
            what = f"the record is larger than {MAX_BYTES // 2**20} MB"
            return Fault(line, column, "too_long", what, "split it", self.number, self.path), end
        return as_record(value, self.path, self.number, line, column, self.text, at, end), end

    def _fault(self, bad: BadJson) -> Fault:
        line = self.line + self.text.count("\n", self.at, bad.position)
        column = self._column(bad.position)
        if bad.code == "json" and bad.end is None and self._runs_out(bad):
            return torn(self.path, self.number, line, column)
        if bad.code == "encoding":
            byte = ord(self.text[bad.position]) - 0xDC00
            before = self.text[: bad.position].encode("utf-8", "surrogateescape")
            offset = self.skipped + len(before)
            return bad_byte(byte, offset, self.path, self.number, line, column)
        after = NOTHING_AFTER if bad.end is None else ""
        return Fault(line, column, bad.code, bad.what + after, bad.fix, self.number, self.path)

    def _runs_out(self, bad: BadJson) -> bool:
        """An escape or a word cut in two is noticed at its beginning, letters before the end."""
        return bad.position >= len(self.text.rstrip()) - 6 or "not closed" in bad.what

    def _break(self, at: int, wanted: str) -> Fault:
        """The list does not go on as a list: what follows is not read."""
        self._go_to(at)
        self.number += 1
        column = self._column(at)
        if at >= len(self.text):
            return torn(self.path, self.number, self.line, column)
        what = f"not valid JSON (expected {wanted}){NOTHING_AFTER}"
        return Fault(self.line, column, "json", what, "mend the JSON here", self.number, self.path)

    def _go_to(self, at: int) -> None:
        self.line += self.text.count("\n", self.at, at)
        self.line_start = max(self.line_start, self.text.rfind("\n", self.at, at) + 1)
        self.at = at

    def _column(self, at: int) -> int:
        """The column of a place at or after the one reached, from 1."""
        return at + 1 - max(self.line_start, self.text.rfind("\n", self.at, at) + 1)


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
