"""The part of a JSON document that is in hand: text read on as it is needed, and forgotten once it
is done with."""

from __future__ import annotations

import codecs
import re
from io import BufferedReader

from engine.data.containers import json_text
from engine.data.containers.json_lines import BOM, CHUNK

_OUTSIDE = re.compile(r'["{}\[\]]')
_INSIDE = re.compile(r'["\\]')
_SCALAR_END = re.compile(r"[,\]}\s]")


class Window:
    """`text[at:]` is what comes next. Reading on drops what lies before `at`, which moves to 0:
    no place in `text` outlives a call of `more`.

    Bytes that are not UTF-8 come as surrogateescape decodes them; `lossy` tells that there was
    one.
    """

    def __init__(self, file: BufferedReader) -> None:
        self.text, self.at = "", 0
        self.read, self.lossy, self.ended = 0, False, False
        self._file = file
        self._decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
        self._dropped, self._line, self._line_start, self._counted = 0, 1, 0, 0
        if file.peek(len(BOM)).startswith(BOM):
            self._dropped = self.read = len(file.read(len(BOM)))

    def more(self, least: int = 1) -> bool:
        """Read on by at least so many characters where there are any; False at the file's end."""
        self._forget()
        pieces = [self.text]
        gained = 0
        try:
            while gained < least and not self.ended:
                raw = self._file.read1(CHUNK)
                self.ended = not raw
                self.read += len(raw)
                piece = self._decode(raw, self.ended)
                pieces.append(piece)
                gained += len(piece)
                self.lossy = self.lossy or not _is_storable(piece)
        finally:
            self.text = "".join(pieces)
        return gained > 0

    def skip_space(self) -> str:
        """Go to the next character that is no space, and look at it; empty at the file's end."""
        while True:
            self.at = json_text.skip_space(self.text, self.at)
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.more():
                return ""

    def end_of_value(self, most: int) -> int | None:
        """Where the object or list at `at` ends, by its quotes and brackets alone; None where that
        is more than `most` characters away, or the file ends before it. All of it is held."""
        at, depth, inside = self.at, 0, False
        while True:
            at, depth, inside, closed = _scan(self.text, at, depth, inside)
            if closed:
                return at
            before = self.at
            if at - before > most or not self.more(CHUNK):
                return None
            at -= before

    def skip_value(self) -> bool:
        """Go behind the value at `at`, however large it is; False where the file ends before it."""
        if self.text[self.at] not in '"{[':
            return self._skip_scalar()
        depth, inside = 0, False
        while True:
            self.at, depth, inside, closed = _scan(self.text, self.at, depth, inside)
            if closed or not self.more(CHUNK):
                return closed

    def place(self, at: int) -> tuple[int, int]:
        """Line and column, from 1, of a place that is at `at` or after it."""
        self._count()
        line = self._line + self.text.count("\n", self._counted, at)
        last = self.text.rfind("\n", self._counted, at)
        return line, at + 1 - (last + 1 if last >= 0 else self._line_start)

    def offset(self, at: int) -> int:
        """The byte of the file at which a place in `text` stands."""
        return self._dropped + _bytes(self.text[:at])

    def _skip_scalar(self) -> bool:
        while True:
            found = _SCALAR_END.search(self.text, self.at)
            self.at = found.start() if found else len(self.text)
            if found or not self.more(CHUNK):
                return found is not None

    def _forget(self) -> None:
        self._count()
        self._dropped += _bytes(self.text[: self.at])
        self._line_start -= self.at
        self.text = self.text[self.at :]
        self.at = self._counted = 0

    def _count(self) -> None:
        """Lines are counted from place to place: a document may be one line of gigabytes."""
        if self.at <= self._counted:
            return
        self._line += self.text.count("\n", self._counted, self.at)
        last = self.text.rfind("\n", self._counted, self.at)
        self._line_start = last + 1 if last >= 0 else self._line_start
        self._counted = self.at


def _scan(text: str, at: int, depth: int, inside: bool) -> tuple[int, int, bool, bool]:
    """Go on behind `at`, so many brackets deep, `inside` a string or not, until the value is closed
    or the text ends; the same again, and whether it is closed."""
    while True:
        found = (_INSIDE if inside else _OUTSIDE).search(text, at)
        if found is None:
            return len(text), depth, inside, False
        at = found.end()
        mark = found.group()
        if mark == "\\":
            if at == len(text):
                return at - 1, depth, inside, False
            at += 1
            continue
        if mark == '"':
            inside = not inside
        else:
            depth += 1 if mark in "{[" else -1
        if depth <= 0 and not inside:
            return at, depth, inside, True


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogateescape"))


def _is_storable(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
