"""Any record of a large file at once: where each begins is found once, then it is read alone."""

from __future__ import annotations

import io
import os
from contextlib import ExitStack
from io import BufferedReader
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.data.containers import json_lines, one_file, scan, table_text
from engine.data.containers.json_lines import BOM
from engine.data.containers.one_file import Kind
from engine.data.containers.record import MAX_BYTES, Progress, Record
from engine.data.containers.regular_file import open_regular
from engine.data.rows import Fault
from engine.errors import Problem

CHUNK = 4 * 2**20
READ_AHEAD = 2**16
MOST_BY_HAND = 4096
ROOM = 4096


class Index:
    """The records of one plain JSON Lines, CSV or TSV file, in the order of the file.

    `offsets` (int64) and `lines` (int64, from 1) hold a number per record; `scanned` of `size`
    bytes have been looked at. Every call raises Problem once the file is not what it was.
    """

    def __init__(self, path: str, kind: Kind | None = None) -> None:
        self.path = path
        with ExitStack() as on_error:
            self._file = on_error.enter_context(open_regular(path))
            self._stamp = one_file.stamp(self._file.fileno())
            kind = kind or one_file.kind_in(self._file, path)
            if not kind.indexable:
                what = f"{kind.packing or kind.container} has no index"
                raise Problem(path, what, "convert it to JSON Lines")
            self.container, self.delimiter, self.notes = kind.container, kind.delimiter, kind.notes
            self.size = self._stamp[0]
            self.scanned, self._line, self._count = 0, 0, 0
            self._offsets, self._lines = np.empty((2, ROOM), np.int64)
            self._by_hand = 1
            self._header: list[str] = []
            if self.container != "jsonl":
                self._read_header()
            elif self._pread(len(BOM), 0) == BOM:
                self.scanned = len(BOM)
            on_error.pop_all()

    def __enter__(self) -> Index:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._count

    @property
    def complete(self) -> bool:
        """Has the whole file been looked at?"""
        return self.scanned >= self.size

    @property
    def offsets(self) -> NDArray[np.int64]:
        count = self._count
        return self._offsets[:count]

    @property
    def lines(self) -> NDArray[np.int64]:
        count = self._count
        return self._lines[:count]

    def extend(self, limit_bytes: int | None = None, on_progress: Progress | None = None) -> None:
        """Look at the next `limit_bytes` bytes, or at all that are left. What was found so far
        stays in force; `on_progress` may raise, and the index goes on from there later."""
        end = self.size if limit_bytes is None else min(self.size, self.scanned + limit_bytes)
        want = CHUNK
        while self.scanned < end:
            content = self._pread(want, self.scanned)
            at_end = self.scanned + len(content) >= self.size
            before = self.scanned
            self._take(self._scan(content, at_end))
            # a record longer than the piece: try again with more of it
            want = CHUNK if self.scanned > before else want * 2
            if on_progress:
                on_progress(self.scanned, self.size)
        self._check()
        if on_progress:
            on_progress(self.scanned, self.size)

    def record(self, at: int) -> Record | Fault:
        """The record at a position from 0, exactly as reading the whole file gives it."""
        self._check()
        if not 0 <= at < self._count:
            raise IndexError(at)
        offset, line = int(self._offsets[at]), int(self._lines[at])
        known = at + 1 < self._count
        length = int(self._offsets[at + 1]) - offset if known else READ_AHEAD
        if self.container == "jsonl":
            return self._json_line(at + 1, offset, line, length)
        reader = self._reader(offset, length)
        rows = table_text.rows_of(reader, self.path, self.delimiter, offset, line)
        return table_text.record_of(next(rows), self._header, self.path, at + 1)

    def line_bytes(self, at: int) -> bytes:
        """The bytes of the lines that hold a record, and of blank lines after it."""
        self._check()
        end = int(self._offsets[at + 1]) if at + 1 < self._count else self.scanned
        return self._pread(end - int(self._offsets[at]), int(self._offsets[at]))

    def _json_line(self, number: int, offset: int, line: int, length: int) -> Record | Fault:
        """The line at `offset`, of about `length` bytes."""
        while True:
            length = min(length, MAX_BYTES + 1)
            raw = self._pread(length, offset)
            end = raw.find(b"\n") + 1
            if end or len(raw) < length or length > MAX_BYTES:
                break
            length *= 8
        raw = raw[:end] if end else raw
        too_long = len(raw) > MAX_BYTES
        return json_lines.record_of(raw, self.path, number, line, offset, too_long)

    def _scan(self, content: bytes, at_end: bool) -> scan.Scanned:
        if self.container == "jsonl":
            return scan.json_lines(content, at_end=at_end)
        return scan.table(content, self.delimiter, at_end=at_end)

    def _take(self, found: scan.Scanned) -> None:
        self._add(found.starts + self.scanned, found.lines + (self._line + 1))
        self.scanned += found.used
        self._line += found.used_lines
        if found.used:
            self._by_hand = max(1, self._by_hand // 2)
        if found.stuck and self.container == "jsonl":
            self._pass_over_line()
        elif found.stuck:
            self._take_by_hand()

    def _add(self, offsets: NDArray[np.int64], lines: NDArray[np.int64]) -> None:
        """Append. Other threads may read meanwhile: the count is raised last."""
        need = self._count + len(offsets)
        if need > len(self._offsets):
            room = np.empty((2, 2 * need), np.int64)
            room[0, : self._count], room[1, : self._count] = self.offsets, self.lines
            self._offsets, self._lines = room
        self._offsets[self._count : need], self._lines[self._count : need] = offsets, lines
        self._count = need

    def _pass_over_line(self) -> None:
        """A line that is too long is a record by itself, and never in memory as a whole."""
        self._add(np.array([self.scanned]), np.array([self._line + 1]))
        self._line += 1
        while piece := self._pread(CHUNK, self.scanned):
            end = piece.find(b"\n") + 1
            self.scanned += end or len(piece)
            if end:
                return

    def _take_by_hand(self) -> None:
        """Let the parser itself find the next rows: a few, and more each time that the scan is
        stuck again soon."""
        self._by_hand = min(MOST_BY_HAND, self._by_hand * 4)
        offsets: list[int] = []
        lines: list[int] = []
        reader = self._reader(self.scanned)
        rows = table_text.rows_of(reader, self.path, self.delimiter, self.scanned, self._line + 1)
        for row in rows:
            if len(offsets) == self._by_hand:
                self.scanned, self._line = row.offset, row.line - 1
                break
            offsets.append(row.offset)
            lines.append(row.line)
        else:
            self.scanned = self.size
        self._add(np.array(offsets, np.int64), np.array(lines, np.int64))

    def _read_header(self) -> None:
        rows = table_text.rows_of(self._reader(0), self.path, self.delimiter)
        first = next(rows, None)
        self._header = table_text.header_of(first, self.path)
        second = next(rows, None)
        self.scanned = second.offset if second else self.size
        self._line = second.line - 1 if second else 0

    def _reader(self, offset: int, ahead: int = READ_AHEAD) -> BufferedReader:
        return BufferedReader(_From(self, offset), max(512, min(ahead, READ_AHEAD)))

    def _pread(self, count: int, offset: int) -> bytes:
        """As many bytes as the file still has; one call may give fewer than asked for."""
        pieces: list[bytes] = []
        while count > 0:
            try:
                piece = os.pread(self._file.fileno(), count, offset)
            except OSError as error:
                words = f"cannot be read ({error.strerror})"
                raise Problem(self.path, words, "copy the file again") from error
            if not piece:
                break
            pieces.append(piece)
            count, offset = count - len(piece), offset + len(piece)
        if not pieces and count > 0:
            self._check()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _check(self) -> None:
        one_file.check_unchanged(self.path, self._file.fileno(), self._stamp)


def index_of(
    path: str, on_progress: Progress | None = None, limit_bytes: int | None = None
) -> Index:
    """The index of a file, of its first `limit_bytes` bytes where that is given. Raises Problem for
    what cannot be read, or is neither JSON Lines, CSV nor TSV as it lies on the disk."""
    index = Index(path)
    try:
        index.extend(limit_bytes, on_progress)
    except BaseException:
        index.close()
        raise
    return index


class _From(io.RawIOBase):
    """The bytes of an index's file from an offset on, read without moving anything shared."""

    def __init__(self, index: Index, offset: int) -> None:
        super().__init__()
        self._index, self._offset = index, offset

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        view = memoryview(target).cast("B")
        content = self._index._pread(len(view), self._offset)
        view[: len(content)] = content
        self._offset += len(content)
        return len(content)
