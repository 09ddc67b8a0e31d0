"""Parquet to lines of JSON, slice by slice, under caps: a few bytes on disk can unfold to
gigabytes."""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Callable
from typing import Any, BinaryIO

from engine.errors import Problem

SLICE = 256
MOST_CELL_BYTES = 16 * 2**20
MOST_COLUMNS = 10_000
MOST_UNFOLDING = 1000
LEAST_CAP = 2**27
FIX = "write the file again, or write the rows as JSON Lines"


def load() -> None:
    import pyarrow.parquet  # noqa: F401


def convert(arguments: dict[str, Any], progress: Callable[[str, int, int], None]) -> dict[str, int]:
    """Write every row of `path` to `out`: {"row": {...}, "odd": {column: kind}} or {"fault":
    [code, what]}."""
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    path, out = arguments["path"], arguments["out"]
    most = min(int(arguments["most_bytes"]), max(LEAST_CAP, MOST_UNFOLDING * os.path.getsize(path)))
    _check_frame(path)
    try:
        file = parquet.ParquetFile(path, memory_map=False, pre_buffer=False)
        total = file.metadata.num_rows
        if file.metadata.num_columns > MOST_COLUMNS:
            raise Problem("", f"it has {file.metadata.num_columns:,} columns", FIX)
        with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as lines:
            rows = _write_all(file, lines, most, lambda done: progress("reading", done, total))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise _damaged(error) from error
        fix = "free some space, or point TMPDIR at a larger disk"
        raise Problem("", "there is no room for the converted rows", fix) from error
    except (arrow.ArrowInvalid, arrow.ArrowNotImplementedError, arrow.ArrowTypeError) as error:
        raise _damaged(error) from error
    return {"rows": rows}


def _damaged(error: Exception) -> Problem:
    words = str(error).split("\n")[0][:300]
    return Problem("", f"the Parquet file is damaged or of a kind that is not read ({words})", FIX)


def _check_frame(path: str) -> None:
    """Magic at both ends, and a footer that lies inside the file."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        begin = file.read(4)
        file.seek(max(0, size - 8))
        end = file.read(8)
    if begin == b"PARE" or end[4:] == b"PARE":
        raise Problem("", "the Parquet file is encrypted", "write it without encryption")
    if begin != b"PAR1":
        raise Problem("", "this is not Parquet (no PAR1 at its start)", FIX)
    if size < 12 or end[4:] != b"PAR1":
        raise Problem(
            "", "the Parquet file is cut off (no PAR1 at its end)", "copy the file again in full"
        )
    footer = int.from_bytes(end[:4], "little")
    if footer == 0 or footer > size - 12:
        raise Problem(
            "",
            f"the footer says {footer:,} bytes, the file has {size:,}",
            "copy the file again in full",
        )


def _write_all(file: Any, lines: BinaryIO, most: int, told: Callable[[int], None]) -> int:
    done = written = 0
    for batch in file.iter_batches(batch_size=SLICE, use_threads=False):
        for row in _rows(batch):
            line = json.dumps(row, ensure_ascii=True, allow_nan=False).encode("ascii") + b"\n"
            written += len(line)
            if written > most:
                raise Problem(
                    "", f"its rows unfold to more than {most / 2**30:.3g} GB", "split the file"
                )
            lines.write(line)
        done += batch.num_rows
        told(done)
    return done


def _rows(batch: Any) -> list[dict[str, Any]]:
    """One slice's rows. A column that cannot be turned into values is odd in every row."""
    columns: dict[str, list[Any] | str] = {}
    faults: dict[int, list[str]] = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if name in columns:
            raise Problem(
                "", f'two columns are named "{name[:60]}"', "give each column a name of its own"
            )
        try:
            columns[name] = column.to_pylist()
        except UnicodeDecodeError:
            columns[name] = [_text_or_none(column, at, name, faults) for at in range(len(column))]
        except (ValueError, OverflowError, NotImplementedError):
            columns[name] = str(column.type)
    return [
        {"fault": faults[at]} if at in faults else _row(columns, at) for at in range(batch.num_rows)
    ]


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
