"""Parquet, opened after its frame was looked at by ourselves."""

from __future__ import annotations

import os
from typing import Any

from engine.errors import Problem
from engine.sandbox import table_rows
from engine.sandbox.table_rows import FIX, SLICE, Progress, Table


def load() -> None:
    import pyarrow.parquet  # noqa: F401


def convert(arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    return table_rows.convert("Parquet", _open, arguments, progress)


def columns(arguments: dict[str, Any], _progress: Progress) -> list[Any]:
    return table_rows.columns("Parquet", _open, arguments)


def _open(path: str) -> Table:
    import pyarrow.parquet as parquet

    _check_frame(path)
    file = parquet.ParquetFile(path, memory_map=False, pre_buffer=False)
    total = file.metadata.num_rows
    batches = file.iter_batches(batch_size=SLICE, use_threads=False)
    return Table(file.schema_arrow, batches, lambda done: (done, total))


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
