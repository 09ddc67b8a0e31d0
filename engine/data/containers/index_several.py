"""The index of several plain files that are read as one."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType

from engine.data.containers.index import Index
from engine.data.containers.record import Progress, Record
from engine.data.rows import Fault


class Indexes:
    """The records of several files, numbered through, each knowing its own; to be used as `Index`
    is. A file is looked at only when all before it are done with."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._parts: list[Index] = []
        with ExitStack() as on_error:
            for path in paths:
                self._parts.append(on_error.enter_context(Index(path)))
            on_error.pop_all()
        self.size = sum(part.size for part in self._parts)

    def __enter__(self) -> Indexes:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        for part in self._parts:
            part.close()

    def __len__(self) -> int:
        return sum(len(part) for part in self._known())

    @property
    def complete(self) -> bool:
        """Have all files been looked at?"""
        return all(part.complete for part in self._parts)

    @property
    def scanned(self) -> int:
        """How many bytes of `size` have been looked at."""
        return sum(part.scanned for part in self._known())

    def place(self, at: int) -> tuple[Index, int]:
        """The file that holds the record at a position, and the record's position in it."""
        for part in self._known():
            if 0 <= at < len(part):
                return part, at
            at -= len(part)
        raise IndexError(at)

    def extend(self, limit_bytes: int | None = None, on_progress: Progress | None = None) -> None:
        """Look at the next `limit_bytes` bytes, or at all that are left."""
        end = self.size if limit_bytes is None else self.scanned + limit_bytes
        before = 0
        for part in self._parts:
            if not part.complete and before + part.scanned < end:
                told = on_progress and _shifted(on_progress, before, self.size)
                part.extend(None if limit_bytes is None else end - before - part.scanned, told)
            if not part.complete:
                return
            before += part.size

    def record(self, at: int) -> Record | Fault:
        """The record at a position from 0, exactly as reading the files one after another gives
        it."""
        part, inner = self.place(at)
        return replace(part.record(inner), number=at + 1, path=part.path)

    def _known(self) -> list[Index]:
        """The files that are done with, and the one in hand."""
        done = next(
            (n for n, part in enumerate(self._parts) if not part.complete), len(self._parts)
        )
        return self._parts[: done + 1]


def _shifted(on_progress: Progress, before: int, whole: int) -> Progress:
    def told(done: int, _total: int) -> None:
        on_progress(before + done, whole)

    return told


def index_of_all(
    paths: Sequence[str], on_progress: Progress | None = None, limit_bytes: int | None = None
) -> Index | Indexes:
    """The index of one file, or of several as one; of their first `limit_bytes` bytes where that is
    given. Raises Problem as `index_of` does."""
    index = Index(paths[0]) if len(paths) == 1 else Indexes(paths)
    try:
        index.extend(limit_bytes, on_progress)
    except BaseException:
        index.close()
        raise
    return index
