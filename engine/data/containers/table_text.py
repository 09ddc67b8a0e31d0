"""CSV and TSV: a header line, then rows of text. Every value stays the text it is."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from io import BufferedReader

from engine.data.containers.json_lines import TELL_EVERY, decode, raw_lines
from engine.data.containers.record import MAX_BYTES, Progress, Record, Records
from engine.data.rows import Fault
from engine.errors import Problem

DELIMITERS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "bar"}
SAMPLE = 20


def read(
    file: BufferedReader, path: str, size: int, on_progress: Progress, delimiter: str
) -> Records:
    """Every row as a record named by the header; blank lines are passed over."""
    rows = rows_of(file, path, delimiter)
    header = header_of(next(rows, None), path)
    for number, row in enumerate(rows, start=1):
        if number % TELL_EVERY == 0:
            on_progress(row.offset, size)
        yield record_of(row, header, path, number)
    on_progress(size, size)


def find_delimiter(sample: str, default: str) -> str:
    """The delimiter under which the first rows have the most even number of fields, and more than
    one."""
    return max(DELIMITERS, key=lambda d: (evenness(sample, d), d == default))


def evenness(sample: str, delimiter: str) -> float:
    """The share of the sample's rows that have as many fields as its first; 0 for a single
    column."""
    lines = sample.splitlines(keepends=True)
    rows = csv.reader(iter(lines), delimiter=delimiter)
    widths: list[int] = []
    try:
        for fields in rows:
            if fields:
                widths.append(len(fields))
            if len(widths) >= SAMPLE:
                break
    except csv.Error:
        pass
    if not widths or widths[0] < 2:
        return 0.0
    whole = widths[:-1] if len(widths) > 2 and len(widths) < SAMPLE else widths
    return sum(width == widths[0] for width in whole) / len(whole)


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    number: int
    offset: int
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Fields:
    """One row: its fields, the lines it was read from, and what was wrong with them."""

    fields: list[str]
    lines: list[_Line]
    error: str = ""

    @property
    def line(self) -> int:
        return self.lines[0].number

    @property
    def offset(self) -> int:
        return self.lines[0].offset


class _Lines:
    """Feeds physical lines to the csv module and remembers those of the row in hand.

    After an error, the row's first line alone is given up: the lines behind it are fed again.
    """

    def __init__(self, file: BufferedReader, path: str, offset: int, line: int) -> None:
        self._source = enumerate(raw_lines(file, offset), start=line)
        self._again: deque[_Line] = deque()
        self._path = path
        self.taken: list[_Line] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._fresh()
        self.taken.append(line)
        return line.text

    def give_back(self) -> None:
        self._again.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]

    def _fresh(self) -> _Line:
        number, (offset, raw, too_long) = next(self._source)
        if too_long:
            what = f"the line is longer than {MAX_BYTES // 2**20} MB"
            fault = Fault(
                number, 1, "too_long", what, "check that its line ends are there", 0, self._path
            )
            return _Line("\n", number, offset, fault)
        text = decode(raw, self._path, 0, number, offset)
        if isinstance(text, Fault):
            return _Line(raw.decode("utf-8", "replace"), number, offset, text)
        return _Line(text + "\n", number, offset)


def rows_of(
    file: BufferedReader, path: str, delimiter: str, offset: int = 0, line: int = 1
) -> Iterator[Fields]:
    """Every row that is not blank, the header too. The file stands at `offset`, where `line` begins
    and no row is open."""
    lines = _Lines(file, path, offset, line)
    csv.field_size_limit(MAX_BYTES)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.taken = []
        error = ""
        fields: list[str] = []
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as problem:
            if not lines.taken:
                return
            error = str(problem)
            lines.give_back()
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
        if fields or error or lines.taken[0].fault:
            yield Fields(fields, lines.taken, error)


def header_of(row: Fields | None, path: str) -> list[str]:
    if row is None:
        raise Problem(path, "no records", "put a header line and at least one row into it")
    fault = _line_fault(row)
    if fault or row.error:
        what = fault.what if fault else _said(row.error)
        raise Problem(
            f"{path}:{row.line}:1", f"the header line cannot be read: {what}", "mend the first line"
        )
    names = [name.strip() for name in row.fields]
    double = next((name for name in names if name and names.count(name) > 1), None)
    if double is not None:
        column = _columns(row)[len(names) - 1 - names[::-1].index(double)]
        raise Problem(
            f"{path}:{row.line}:{column}",
            f'two columns are named "{double}"',
            "give each column a name of its own",
        )
    return names


def record_of(row: Fields, header: list[str], path: str, number: int) -> Record | Fault:
    """What a row is under this header: a record, or why it is none."""
    fault = _line_fault(row)
    if fault:
        return Fault(fault.line, fault.column, fault.code, fault.what, fault.fix, number, path)
    if row.error:
        fix = 'close the quote, and write a quote inside a field as ""'
        return Fault(row.line, _quote_column(row), "csv", _said(row.error), fix, number, path)
    if len(row.fields) != len(header):
        what = f"the row has {_count(len(row.fields))}, the header {len(header)}"
        fix = "quote fields that hold the delimiter, and leave none out"
        return Fault(row.line, 1, "csv", what, fix, number, path)
    zero = next((at for at, text in enumerate(row.fields) if "\0" in text), None)
    if zero is not None:
        what = f'a zero character in "{header[zero]}"'
        return Fault(row.line, _columns(row)[zero], "characters", what, "remove it", number, path)
    value = dict(zip(header, row.fields, strict=True))
    value.pop("", None)
    return Record(number, row.line, 1, value, cells=partial(_cells, row, header))


def _cells(row: Fields, header: list[str]) -> dict[str, int]:
    return dict(zip(header, _columns(row), strict=True))


def _line_fault(row: Fields) -> Fault | None:
    """What was wrong with the first bad one of the lines that the row was read from."""
    for line in row.lines:
        if line.fault:
            return line.fault
    return None


def _columns(row: Fields) -> list[int]:
    """Where each field begins on the row's first line; fields on later lines count as its start."""
    columns, at = [], 0
    first = row.lines[0].text
    for field in row.fields:
        columns.append(at + 1 if at < len(first) else 1)
        quoted = first[at : at + 1] == '"'
        at += len(field) + (field.count('"') + 2 if quoted else 0) + 1
    return columns


def _quote_column(row: Fields) -> int:
    """The last quote of the line that the error was found in begins what is not closed."""
    return row.lines[0].text.rfind('"') + 1 or 1


def _count(fields: int) -> str:
    return "1 field" if fields == 1 else f"{fields} fields"


def _said(error: str) -> str:
    if "unexpected end" in error or "field larger" in error:
        return "a quote is opened and never closed"
    if "expected after" in error:
        return "text follows the closing quote of a field"
    return f"not a row of a table ({error})"
