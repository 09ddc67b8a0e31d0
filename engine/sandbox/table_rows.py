"""The rows of a columnar file as lines of JSON, slice by slice, under caps: a few bytes on disk can
unfold to gigabytes."""

from __future__ import annotations

import errno
import json
import math
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from engine.errors import Problem

SLICE = 256
MOST_CELL_BYTES = 16 * 2**20
MOST_COLUMNS = 10_000
MOST_UNFOLDING = 1000
LEAST_CAP = 2**27
FIX = "write the file again, or write the rows as JSON Lines"
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Table:
    """An opened file: record batches of any length; `reached(rows)` is (done, total) for the
    progress; `ended()` tells, once all is read, whether the end was marked as such."""

    schema: Any
    batches: Iterator[Any]
    reached: Callable[[int], tuple[int, int]]
    ended: Callable[[], bool] = lambda: True


def convert(
    kind: str, opened: Callable[[str], Table], arguments: dict[str, Any], progress: Progress
) -> dict[str, Any]:
    """Write every row of `path` to `out`: {"row": {...}, "odd": {column: kind}} or {"fault":
    [code, what]}. Columns named in `leave_out` are passed over."""
    path, out = arguments["path"], arguments["out"]
    most = min(int(arguments["most_bytes"]), max(LEAST_CAP, MOST_UNFOLDING * os.path.getsize(path)))
    with _spoken(kind):
        table = opened(path)
        _check_columns(table.schema)
        with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as lines:
            keep = [n for n in table.schema.names if n not in arguments.get("leave_out", ())]
            rows = _write_all(table, keep, lines, most, progress)
        return {"rows": rows, "ended": table.ended()}


def columns(kind: str, opened: Callable[[str], Table], arguments: dict[str, Any]) -> list[Any]:
    """The column names of each of `paths`."""
    found: list[Any] = []
    for path in arguments["paths"]:
        with _spoken(kind):
            schema = opened(path).schema
            _check_columns(schema)
            found.append(list(schema.names))
    return found


class _spoken:  # noqa: N801 - used as a word: with _spoken("Parquet")
    """Turns what the library and the disk say into Problems."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: Any, error: BaseException | None, _trace: Any) -> None:
        import pyarrow as arrow

        full = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        if isinstance(error, OSError) and error.errno in full:
            fix = "free some space, or point TMPDIR at a larger disk"
            raise Problem("", "there is no room for the converted rows", fix) from error
        refused = (arrow.ArrowInvalid, arrow.ArrowNotImplementedError, arrow.ArrowTypeError)
        if isinstance(error, (OSError, *refused)):
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> Problem:
        words = str(error).split("\n")[0][:300]
        if "crypt" in words.lower():
            what = f"the {self.kind} file is encrypted ({words})"
            return Problem("", what, "write it without encryption")
        return Problem(
            "", f"the {self.kind} file is damaged or of a kind that is not read ({words})", FIX
        )


def _check_columns(schema: Any) -> None:
    if len(schema.names) > MOST_COLUMNS:
        raise Problem("", f"it has {len(schema.names):,} columns", FIX)
    double = next((name for name, count in Counter(schema.names).items() if count > 1), None)
    if double is not None:
        what = f'two columns are named "{double[:60]}"'
        raise Problem("", what, "give each column a name of its own")


def _write_all(
    table: Table, keep: list[str], lines: BinaryIO, most: int, progress: Progress
) -> int:
    done = written = 0
    parsers = {name: parser_of(table.schema.field(name).type) for name in keep}
    for batch in _slices(table.batches):
        for row in _rows(batch, keep, parsers):
            line = json.dumps(row, ensure_ascii=True, allow_nan=False).encode("ascii") + b"\n"
            written += len(line)
            if written > most:
                raise Problem(
                    "", f"its rows unfold to more than {most / 2**30:.3g} GB", "split the file"
                )
            lines.write(line)
        done += batch.num_rows
        progress("reading", *table.reached(done))
    return done


def _slices(batches: Iterator[Any]) -> Iterator[Any]:
    """Every batch in pieces of at most SLICE rows, after its offsets were held against its
    buffers."""
    for batch in batches:
        batch.validate(full=False)
        for start in range(0, batch.num_rows, SLICE):
            yield batch.slice(start, SLICE)


def _rows(
    batch: Any, keep: list[str], parsers: dict[str, Callable[[Any], Any] | None]
) -> list[dict[str, Any]]:
    """One slice's rows. A column that cannot be turned into values is odd in every row."""
    values: dict[str, list[Any] | str] = {}
    faults: dict[int, list[str]] = {}
    for name in keep:
        column = batch.column(name)
        try:
            values[name] = column.to_pylist()
        except UnicodeDecodeError:
            values[name] = [_text_or_none(column, at, name, faults) for at in range(len(column))]
        except (ValueError, OverflowError, NotImplementedError):
            values[name] = str(column.type)
        parser, found = parsers[name], values[name]
        if parser and isinstance(found, list):
            values[name] = [parser(value) for value in found]
    return [
        {"fault": faults[at]} if at in faults else _row(values, at) for at in range(batch.num_rows)
    ]


def parser_of(kind: Any) -> Callable[[Any], Any] | None:
    """What reads the JSON text that stands in columns of that extension type; None for others."""
    import pyarrow as arrow

    if getattr(kind, "extension_name", "") == "arrow.json":
        return _parsed
    if arrow.types.is_list(kind) or arrow.types.is_large_list(kind):
        inner = parser_of(kind.value_type)
        return inner and (lambda items: items and [inner(item) for item in items])
    if arrow.types.is_struct(kind):
        fields = {field.name: parser_of(field.type) for field in kind}
        told = {name: parser for name, parser in fields.items() if parser}
        if told:
            return lambda tree: (
                tree
                and {
                    name: told[name](value) if name in told else value
                    for name, value in tree.items()
                }
            )
    return None


def _parsed(text: Any) -> Any:
    try:
        return json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        return text


def _text_or_none(column: Any, at: int, name: str, faults: dict[int, list[str]]) -> Any:
    try:
        return column[at].as_py()
    except UnicodeDecodeError as error:
        faults[at] = ["encoding", f"'{name[:60]}' is not UTF-8 (byte {error.start})"]
        return None


def _row(columns: dict[str, list[Any] | str], at: int) -> dict[str, Any]:
    row: dict[str, Any] = {}
    odd: dict[str, str] = {}
    for name, values in columns.items():
        try:
            row[name] = _plain(values[at] if isinstance(values, list) else _Odd.of(values))
        except _Odd as kind:
            odd[name] = str(kind)
        except _TooLong:
            return {"fault": ["too_long", f"'{name[:60]}' is larger than 16 MB"]}
        except _Zero:
            return {"fault": ["characters", f"a zero character in '{name[:60]}'"]}
    return {"row": row, "odd": odd} if odd else {"row": row}


class _Odd(Exception):
    """A value that JSON has no form for; the message names its kind."""

    @staticmethod
    def of(kind: str) -> Any:
        raise _Odd(kind)


class _TooLong(Exception):
    pass


class _Zero(Exception):
    pass


def _plain(value: Any, depth: int = 0) -> Any:
    """The value as JSON knows it; a number that is none becomes null."""
    if isinstance(value, str):
        if len(value) > MOST_CELL_BYTES:
            raise _TooLong
        if "\0" in value:
            raise _Zero
        return value
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if depth > 60:
        raise _Odd("nested too deeply")
    if isinstance(value, dict):
        return {str(name): _plain(inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner, depth + 1) for inner in value]
    raise _Odd("binary" if isinstance(value, bytes) else type(value).__name__)
