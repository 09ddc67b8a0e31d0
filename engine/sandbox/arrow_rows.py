"""Arrow files: the file format with its footer, and the stream format without one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from engine.errors import Problem
from engine.sandbox import table_rows
from engine.sandbox.table_rows import Progress, Table

MAGIC = b"ARROW1"
CONTINUES = b"\xff\xff\xff\xff"
END = CONTINUES + b"\0\0\0\0"


def load() -> None:
    import pyarrow.ipc  # noqa: F401


def convert(arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    return table_rows.convert("Arrow", _open, arguments, progress)


def columns(arguments: dict[str, Any], _progress: Progress) -> list[Any]:
    return table_rows.columns("Arrow", _open, arguments)


def _open(path: str) -> Table:
    import pyarrow as arrow

    begin, end, size = _frame(path)
    file = arrow.OSFile(path, "rb")
    if begin.startswith(MAGIC):
        if not end.endswith(MAGIC):
            what = "the Arrow file is cut off (no ARROW1 at its end)"
            raise Problem("", what, "copy the file again in full")
        reader = arrow.ipc.open_file(file)
        count = reader.num_record_batches
        batches = (reader.get_batch(at) for at in range(count))
        return Table(reader.schema, batches, lambda _done: (min(file.tell(), size), size))
    if not begin.startswith(CONTINUES):
        raise Problem("", "this is not Arrow (no ARROW1 at its start)", table_rows.FIX)
    stream = arrow.ipc.open_stream(file)
    return Table(
        stream.schema,
        _batches(stream),
        lambda _done: (min(file.tell(), size), size),
        lambda: end == END,
    )


def _batches(stream: Any) -> Iterator[Any]:
    while True:
        try:
            yield stream.read_next_batch()
        except StopIteration:
            return


def _frame(path: str) -> tuple[bytes, bytes, int]:
    """The first and the last 8 bytes, and the size."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        begin = file.read(8)
        file.seek(max(0, size - 8))
        return begin, file.read(8), size
