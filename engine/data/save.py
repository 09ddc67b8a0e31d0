"""Rows written into a new file, in a shape and container of the person's choice; never over an existing one."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from engine.data.rows import Row
from engine.data.shapes.known import LIST_FIELDS
from engine.data.write import SHAPES_WRITTEN, record_of
from engine.errors import Problem

TEXT_LISTS = ("tools", "functions")
SUFFIXES = (".jsonl", ".json", ".csv", ".tsv")


def save_rows(path: Path, rows: Iterable[Row], shape: str) -> int:
    """Write `rows` as records of `shape` into the container that the name's ending says; returns how many.

    Raises Problem when the file exists, when the shape cannot hold a row, or when the disk is full: then no
    file is left.
    """
    if shape not in SHAPES_WRITTEN:
        raise Problem(
            "shape", f'"{shape}" cannot be written', f"choose one of {', '.join(SHAPES_WRITTEN)}"
        )
    lines = _container(path)(record_of(row, shape) for row in rows)
    written = 0
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise Problem(str(path), "there is a file of this name", "choose another name") from error
    except OSError as error:
        raise Problem(
            str(path), f"cannot be made ({error.strerror})", "choose another place"
        ) from error
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as out:
            for count, line in lines:
                out.write(line)
                written += count
            out.flush()
            os.fsync(out.fileno())
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise Problem(
                str(path), f"cannot be written ({error.strerror})", "free some space"
            ) from error
        if isinstance(error, UnicodeEncodeError):
            raise Problem(
                str(path),
                "a row holds characters that cannot be stored as text",
                "mend that row first",
            ) from error
        raise
    return written


def check_free(path: Path) -> None:
    """Refuse a name that is taken or has an unknown ending, before anything slow is done for it."""
    _container(path)
    if path.exists():
        raise Problem(str(path), "there is a file of this name", "choose another name")


Lines = Iterator[tuple[int, str]]
"""Text to write, and how many rows it holds."""


def _container(path: Path) -> Callable[[Iterable[dict[str, Any]]], Lines]:
    match path.suffix.lower():
        case ".jsonl" | ".ndjson":
            return _json_lines
        case ".json":
            return _json_list
        case ".csv":
            return lambda records: _table(records, ",")
        case ".tsv":
            return lambda records: _table(records, "\t")
    raise Problem(
        str(path),
        f'the ending "{path.suffix}" is not known',
        f"end the name in {', '.join(SUFFIXES)}",
    )


def _json_lines(records: Iterable[dict[str, Any]]) -> Lines:
    for record in records:
        yield 1, json.dumps(record, ensure_ascii=False) + "\n"


def _json_list(records: Iterable[dict[str, Any]]) -> Lines:
    opening = "[\n"
    for record in records:
        yield 1, opening + json.dumps(record, ensure_ascii=False)
        opening = ",\n"
    yield 0, "\n]\n" if opening != "[\n" else "[]\n"


def _table(records: Iterable[dict[str, Any]], delimiter: str) -> Lines:
    """The columns of the first record; lists and objects as JSON text in their cell."""
    columns: list[str] = []
    for record in records:
        if not columns:
            columns = list(record)
            yield 0, _row(columns, delimiter)
        extra = [name for name in record if name not in columns]
        if extra:
            raise Problem(
                "table",
                f'a row has the column "{extra[0]}", which the first row has not',
                "save it as .jsonl",
            )
        lists = [n for n, value in record.items() if isinstance(value, (list, dict))]
        if unread := [name for name in lists if name not in LIST_FIELDS + TEXT_LISTS]:
            what = f'a table cannot hold the list in "{unread[0]}", it would be read as text'
            raise Problem("table", what, "save it as .jsonl, or in the shape messages")
        cells = [record.get(name, "") for name in columns]
        yield (
            1,
            _row(
                [c if isinstance(c, str) else json.dumps(c, ensure_ascii=False) for c in cells],
                delimiter,
            ),
        )


def _row(cells: list[str], delimiter: str) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\n").writerow(cells)
    return out.getvalue()
