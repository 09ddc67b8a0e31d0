"""Parquet and Arrow: converted in a limited child to lines of JSON, which are then read like any
other."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from engine.data.containers.json_lines import TELL_EVERY
from engine.data.containers.record import Odd, Progress, Record, Records
from engine.data.rows import Fault
from engine.errors import Problem
from engine.sandbox import limited

Kind = Literal["parquet", "arrow"]
SECONDS = 1800.0
MEMORY = 6 * 2**30
MOST_BYTES = 8 * 2**30


def read(
    path: str, kind: Kind, size: int, on_progress: Progress, leave_out: Sequence[str] = ()
) -> Records:
    """Every row; bytes, dates and other kinds that are no JSON come as Odd values."""
    with tempfile.TemporaryDirectory(prefix="finetui-") as folder:
        lines = Path(folder) / "rows.jsonl"
        done = limited.run(
            kind,
            {
                "path": _absolute(path),
                "out": str(lines),
                "most_bytes": MOST_BYTES,
                "leave_out": list(leave_out),
            },
            seconds=SECONDS,
            memory_bytes=MEMORY,
            where=path,
            on_progress=lambda _phase, done, total: on_progress(
                size * done // (2 * max(1, total)), size
            ),
        )
        whole, offset, number = max(1, lines.stat().st_size), 0, 0
        with lines.open("rb") as converted:
            for number, line in enumerate(converted, start=1):
                offset += len(line)
                if number % TELL_EVERY == 0:
                    on_progress(size // 2 + size // 2 * offset // whole, size)
                yield _record(line, path, number)
        if not done["ended"]:
            what = f"the Arrow stream ends without its end mark, after {number:,} records"
            fix = "copy the file again in full"
            yield Fault(number + 1, 1, "torn", what, fix, number + 1, path)
    on_progress(size, size)


def columns(paths: Sequence[str], kind: Kind, where: str) -> list[list[str]]:
    """The names of the columns of each file."""
    found: Any = limited.run(
        f"{kind} columns",
        {"paths": [_absolute(path) for path in paths]},
        seconds=SECONDS,
        memory_bytes=MEMORY,
        where=where,
    )
    return [[str(name) for name in names] for names in found]


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().resolve())


def _record(line: bytes, path: str, number: int) -> Record | Fault:
    """A line as the child wrote it: {"row": {...}, "odd": {column: kind}} or {"fault": [code,
    what]}."""
    try:
        tree = json.loads(line)
        if "fault" in tree:
            code, what = tree["fault"]
            return Fault(number, 1, code, what, "correct the value in the table", number, path)
        value = tree["row"]
        value.update({name: Odd(kind) for name, kind in tree.get("odd", {}).items()})
        return Record(number, number, 1, value)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Problem(path, "its rows could not be converted", "write it as JSON Lines") from error
