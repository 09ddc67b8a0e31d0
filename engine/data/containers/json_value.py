"""The values of a JSON document, each a record or why it is none."""

from __future__ import annotations

from typing import Any

from engine.data.containers import json_text
from engine.data.containers.json_lines import CHUNK, as_record, bad_byte, torn
from engine.data.containers.json_text import BadJson
from engine.data.containers.json_window import Window
from engine.data.containers.record import MAX_BYTES, Record, Records
from engine.data.rows import Fault

NOTHING_AFTER = "; nothing after it could be read"
"""Said of a fault that is the last of its document."""


class Values:
    """Reads value after value from the window; `number` counts the records, `text` is the last one as it is
    written, empty where that cannot be told apart from what follows."""

    def __init__(self, path: str, window: Window) -> None:
        self.path, self.window, self.number, self.text = path, window, 0, ""

    def value(self) -> tuple[Record | Fault, bool]:
        """The record or fault at hand, the window behind it; and whether what comes after it can be
        read."""
        window = self.window
        self.number += 1
        self.text = ""
        while True:
            value, end, bad = self._parsed()
            length = len(window.text) - window.at
            if window.ended or (end is not None and end < len(window.text)):
                break
            if length > MAX_BYTES:
                if bad is None or not _is_certain(bad, len(window.text)):
                    fault = self.too_long(window.place(window.at))
                    return fault, window.skip_value()
                break
            window.more(max(CHUNK, length))
        at = window.at
        line, column = window.place(at)
        if bad is not None:
            fault = self.fault_of(bad)
            if end is not None or fault.code == "torn":
                self.text = window.text[at:end].rstrip()
            window.at = at if end is None else end
            return fault, end is not None
        assert end is not None
        window.at = end
        if end - at > MAX_BYTES:
            return self.too_long((line, column)), True
        self.text = window.text[at:end]
        return as_record(value, self.path, self.number, line, column, self.text, 0), True

    def _parsed(self) -> tuple[Any, int | None, BadJson | None]:
        """The value at hand, where it ends as far as that is known, and what is wrong with it."""
        window = self.window
        try:
            value, end = json_text.parse(window.text, window.at, raw_bytes=window.lossy)
        except BadJson as bad:
            bad.__traceback__ = bad.__context__ = None  # they would keep the text alive
            return None, bad.end, bad
        return value, end, None

    def fault_of(self, bad: BadJson) -> Fault:
        window = self.window
        line, column = window.place(bad.position)
        if bad.code == "json" and bad.end is None and self._runs_out(bad):
            return torn(self.path, self.number, line, column)
        if bad.code == "encoding":
            byte = ord(window.text[bad.position]) - 0xDC00
            offset = window.offset(bad.position)
            return bad_byte(byte, offset, self.path, self.number, line, column)
        after = NOTHING_AFTER if bad.end is None else ""
        return Fault(line, column, bad.code, bad.what + after, bad.fix, self.number, self.path)

    def _runs_out(self, bad: BadJson) -> bool:
        """An escape or a word cut in two is noticed at its beginning, letters before the end."""
        return self.window.ended and not _is_certain(bad, len(self.window.text.rstrip()))

    def too_long(self, place: tuple[int, int]) -> Fault:
        what = f"the record is larger than {MAX_BYTES // 2**20} MB"
        return Fault(*place, "too_long", what, "split it", max(1, self.number), self.path)

    def cut(self, wanted: str) -> Fault:
        """The document does not go on as it should: what follows is not read."""
        window = self.window
        at_end = not window.skip_space()
        self.number += 1
        self.text = ""
        line, column = window.place(window.at)
        if at_end:
            return torn(self.path, self.number, line, column)
        what = f"not valid JSON (expected {wanted}){NOTHING_AFTER}"
        return Fault(line, column, "json", what, "mend the JSON here", self.number, self.path)

    def end(self, fix: str) -> Records:
        """Nothing may come after the value that holds the records."""
        if self.window.skip_space():
            self.number += 1
            self.text = ""
            line, column = self.window.place(self.window.at)
            what = "not valid JSON (more follows after the records' end); it is not read"
            yield Fault(line, column, "json", what, fix, self.number, self.path)


def _is_certain(bad: BadJson, length: int) -> bool:
    """Is it wrong whatever may come after these `length` characters?"""
    return bad.position < length - 6 and "not closed" not in bad.what
