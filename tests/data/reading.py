"""Shared by the tests of reading: write a file, read it, sort what comes into records and
faults."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.data.containers.record import Record
from engine.data.problems import FaultLog
from engine.data.read import open_source
from engine.data.rows import Fault
from engine.data.shape import Shaped, shape_rows


@dataclass
class Read:
    container: str
    notes: list[str]
    records: list[Record]
    faults: list[Fault]

    @property
    def values(self) -> list[dict[str, Any]]:
        return [record.value for record in self.records]

    @property
    def places(self) -> list[tuple[int, int, str]]:
        return [(fault.line, fault.column, fault.code) for fault in self.faults]


def read(path: Path) -> Read:
    with open_source(str(path)) as reading:
        items = list(reading)
    assert reading.records == len(items)
    return Read(
        reading.container,
        reading.notes,
        [item for item in items if isinstance(item, Record)],
        [item for item in items if isinstance(item, Fault)],
    )


def read_bytes(folder: Path, content: bytes, name: str = "data.jsonl") -> Read:
    path = folder / name
    path.write_bytes(content)
    return read(path)


def shape(folder: Path, values: list[Any], name: str = "data.jsonl") -> tuple[Shaped, FaultLog]:
    """The rows and faults of these values, written one a line."""
    path = folder / name
    path.write_text("".join(json.dumps(value) + "\n" for value in values), "utf-8")
    return shape_file(path)


def shape_file(path: Path, **how: Any) -> tuple[Shaped, FaultLog]:
    """The rows and faults of a file; `how` is that of `shape_rows`."""
    log = FaultLog()
    with open_source(str(path)) as reading:
        return shape_rows(reading, log, **how), log


def alpaca(count: int, **more: Any) -> list[dict[str, Any]]:
    return [
        {"instruction": f"What is {n} plus {n}?", "output": f"It is {2 * n}.", **more}
        for n in range(count)
    ]
