"""The records that could not be read: each known by its own text, looked at, and read again once it is mended."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BufferedReader, BytesIO
from typing import Any

from engine.data.containers import json_text, one_file, table_text
from engine.data.containers.json_lines import type_name
from engine.data.containers.json_text import BadJson
from engine.data.containers.json_value import NOTHING_AFTER
from engine.data.containers.packed import Unpacked
from engine.data.containers.record import Record
from engine.data.containers.regular_file import open_regular
from engine.data.overlay import Held, Key
from engine.data.problems import FaultLog
from engine.data.raw_text import Origin, texts
from engine.data.rows import Fault
from engine.data.shape import Shaper
from engine.errors import Problem

MOST_CHARACTERS = 200_000


@dataclass(frozen=True)
class Faulty:
    """A record that could not be read. `text` is empty where it has none that could be changed; `header`
    are the columns of its table; `as_row`: a row can be written in its place."""

    fault: Fault
    text: str
    header: tuple[str, ...]
    as_row: bool


class FaultyRecords:
    """The faulty records of the sources that were read, as far as `log` lists them."""

    def __init__(self, origins: Sequence[Origin], log: FaultLog) -> None:
        self._origins, self._log = origins, log

    @cached_property
    def keys(self) -> dict[Key, Fault]:
        """What each is known by, whatever its number: its text, else what is wrong with it, and which of
        several such it is."""
        seen: Counter[str] = Counter()
        found: dict[Key, Fault] = {}
        faults = sorted(self._log.faults, key=lambda fault: fault.number)
        written = self._texts([fault.number for fault in faults])
        for fault in faults:
            known_by = written[fault.number] or f"{fault.code}\n{fault.what}"
            name = hashlib.sha256(known_by.encode("utf-8", "surrogatepass")).hexdigest()[:16]
            found[name, seen[name]] = fault
            seen[name] += 1
        return found

    def key(self, number: int) -> Key:
        """What the faulty record of this number is known by. Raises Problem when it is not listed."""
        return next(key for key, fault in self.keys.items() if fault == self.fault(number))

    def fault(self, number: int) -> Fault:
        found = next((fault for fault in self._log.faults if fault.number == number), None)
        if found is None:
            what = "is not among the faulty records that are listed"
            raise Problem(f"record {number}", what, "choose one from the list of problems")
        return found

    def look(self, number: int) -> Faulty:
        """The record as it is written."""
        fault = self.fault(number)
        text = self._texts([number])[number]
        header = self._header(fault) if self._origin(number).language == "line" else []
        last = fault.code == "torn" or NOTHING_AFTER in fault.what
        return Faulty(
            fault,
            text if len(text) <= MOST_CHARACTERS else "",
            tuple(header),
            as_row=bool(text) or not last,
        )

    def read(self, number: int, text: str) -> Held:
        """What the mended text holds. Raises Problem with the words of whoever would refuse it in a file."""
        origin = self._origin(number)
        assert origin.shaper is not None
        shaper = origin.shaper
        log = FaultLog()
        record = self._record(number, text)
        if isinstance(record, Fault):
            raise _refused(record)
        fresh = Shaper(
            shaper.path, "csv" if shaper.table else "", shaper.shape, shaper.shapes, strict=True
        )
        row = fresh.take(record, log)
        if log.faults:
            raise _refused(log.faults[0])
        if row is None:
            what = "this record is left out, as its own fields ask"
            raise Problem(f"record {number}", what, "change its label, or leave it out")
        return Held(row.messages, row.tools, row.raw)

    def _record(self, number: int, text: str) -> Record | Fault:
        language = self._origin(number).language
        if language == "json":
            return _json_record(number, text)
        if language == "text":
            return Record(number, 1, 1, {"text": text})
        fault = self.fault(number)
        raw: Any = BytesIO(f"{text}\n".encode("utf-8", "surrogatepass"))
        content = BufferedReader(raw)
        delimiter = one_file.kind_of(fault.path).delimiter
        rows = list(table_text.rows_of(content, fault.path, delimiter))
        if len(rows) != 1:
            what = "there is no row" if not rows else f"these are {len(rows)} rows"
            fix = "write one row, and put text that holds a line end in quotes"
            return Fault(1 if not rows else rows[1].line, 1, "csv", what, fix, number)
        return table_text.record_of(rows[0], self._header(fault), fault.path, number)

    def _header(self, fault: Fault) -> list[str]:
        """The columns of the table that the record stands in."""
        with open_regular(fault.path) as file:
            kind = one_file.kind_in(file, fault.path)
            file.seek(0)
            if kind.packing:
                file = BufferedReader(Unpacked(file, kind.packing, fault.path))
            first = next(table_text.rows_of(file, fault.path, kind.delimiter), None)
            return table_text.header_of(first, fault.path)

    def _texts(self, numbers: Sequence[int]) -> dict[int, str]:
        found: dict[int, str] = {}
        for origin in self._origins:
            own = {n for n in numbers if origin.before < n <= origin.before + origin.count}
            found.update(texts(origin, own) if own else {})
        return {number: found.get(number, "") for number in numbers}

    def _origin(self, number: int) -> Origin:
        return next(o for o in reversed(self._origins) if number > o.before or not o.before)


def _json_record(number: int, text: str) -> Record | Fault:
    start = json_text.skip_space(text, 0)
    try:
        value, end = json_text.parse(text, start)
        end = json_text.skip_space(text, end)
        if end != len(text):
            what = "not valid JSON (more follows after the record)"
            raise BadJson(end, "json", what, "write one record")
    except BadJson as bad:
        line = text.count("\n", 0, bad.position) + 1
        column = bad.position - text.rfind("\n", 0, bad.position)
        return Fault(line, column, bad.code, bad.what, bad.fix, number)
    if not isinstance(value, dict):
        what = f"the record is {type_name(value)}, expected an object with named fields"
        return Fault(1, start + 1, "shape", what, "write {...}", number)
    return Record(number, 1, start + 1, value, text, start)


def _refused(fault: Fault) -> Problem:
    where = f"record {fault.number}, line {fault.line}, column {fault.column}"
    return Problem(where, fault.what, fault.fix)
