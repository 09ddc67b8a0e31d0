"""Arrays that grow batch by batch: in memory while the rows are few, else in files of the cache, by content."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine import paths
from engine.errors import Problem
from engine.runs.directory import read_json, write_json

KEPT = 4
"""So many sources keep their files."""
WHOLE = "whole.json"
Arrays = dict[str, NDArray[Any]]
Columns = Mapping[str, tuple[type[np.generic], tuple[int, ...]]]


class Growing:
    """Arrays by name (type and width as in `columns`) to which batches are added; nothing is left of them
    unless they are kept. Raises Problem where the disk is full."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._folder = paths.make_private(_room() / f".{uuid.uuid4().hex[:8]}")
        self._files = {name: (self._folder / name).open("wb") for name in columns}

    def __enter__(self) -> Growing:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def add(self, name: str, batch: NDArray[Any]) -> None:
        """Put a batch behind what is there."""
        kind, width = self._columns[name]
        try:
            np.ascontiguousarray(batch, kind).reshape(-1, *width).tofile(self._files[name])
        except OSError as error:
            what = f"what was counted of the rows cannot be kept ({error.strerror or 'disk full'})"
            raise Problem(str(self._folder.parent), what, "free some space") from error

    def in_memory(self) -> Arrays:
        """What was added."""
        self._close()
        return {
            name: np.fromfile(self._folder / name, kind).reshape(-1, *width)
            for name, (kind, width) in self._columns.items()
        }

    def kept(self, name: str, more: dict[str, Any]) -> Arrays:
        """The same as files of the cache under `name`, with `more` beside them, in place of any before."""
        self._close()
        write_json(self._folder / WHOLE, more)
        final = _room() / name
        shutil.rmtree(final, ignore_errors=True)
        self._folder.rename(final)
        _sweep(final)
        return _mapped(final, self._columns)

    def _close(self) -> None:
        for file in self._files.values():
            file.close()


def kept(name: str, columns: Columns) -> tuple[Arrays, dict[str, Any]] | None:
    """What was kept under `name`, and what lay beside it; None where there is nothing, or not all of it."""
    folder = _room() / name
    if not (folder / WHOLE).exists() or not all((folder / each).exists() for each in columns):
        return None
    os.utime(folder)
    return _mapped(folder, columns), read_json(folder / WHOLE)


def _mapped(folder: Path, columns: Columns) -> Arrays:
    found = {}
    for name, (kind, width) in columns.items():
        path = folder / name
        empty = not path.stat().st_size
        flat = np.zeros(0, kind) if empty else np.memmap(path, kind, mode="r")
        found[name] = flat.reshape(-1, *width)
    return found


def _room() -> Path:
    return paths.make_private(paths.cache() / "counted")


def _sweep(newest: Path) -> None:
    """Keep the files of the last few sources."""
    others = [p for p in newest.parent.iterdir() if p != newest and not p.name.startswith(".")]
    for path in sorted(others, key=lambda path: -path.stat().st_mtime)[KEPT - 1 :]:
        shutil.rmtree(path, ignore_errors=True)
