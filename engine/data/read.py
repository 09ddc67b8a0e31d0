"""Opening a source of rows, whatever holds it: a file, several, a folder, or a name on the hub.

`SOURCE#SPLIT` names one split of a folder or of a data set on the hub.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from engine.data.containers import folder, hub, one_file, pattern, several, splits
from engine.data.containers.record import Progress, Record
from engine.data.rows import Fault
from engine.errors import Problem

MOST_INDEXED = 256
"""An index holds each of its files open, and a process may hold about a thousand."""


def quiet(phase: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


@dataclass
class Reading:
    """A source being read: iterate over it once; `records` counts what came, faulty ones too.

    `files` are those it is read from (none for the hub). `held_out` names the source that is to be
    held out, as `open_source` understands it, where the data comes with one. `indexable`: `files`
    are plain and `index_of_all` takes them.
    """

    path: str
    container: str
    notes: list[str] = field(default_factory=list)
    records: int = 0
    held_out: str | None = None
    files: tuple[str, ...] = ()
    indexable: bool = False
    progress: tuple[int, int] = (0, 0)
    _source: Iterable[Record | Fault] = ()
    _stack: ExitStack = field(default_factory=ExitStack)

    def __iter__(self) -> Iterator[Record | Fault]:
        for item in self._source:
            self.records += 1
            yield item

    def __enter__(self) -> Reading:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()


def open_source(
    path: str | Sequence[str], on_progress: Callable[[int, int], None] = lambda done, total: None
) -> Reading:
    """Find out what `path` is and begin to read it; several are files, read one after another.
    Raises Problem when it cannot be read at all."""
    reading = Reading(path if isinstance(path, str) else several.name_of(path), "")

    def told(done: int, total: int) -> None:
        reading.progress = (done, total)
        on_progress(done, total)

    if not isinstance(path, str):
        _open_files(reading, _listed(path), told)
        return reading
    name, split = _split_named(path)
    place = Path(os.path.expanduser(name))
    if _is_folder(place):
        _open_folder(reading, place, name, split, told)
    elif pattern.is_pattern(path):
        _open_files(reading, pattern.matching(path), told)
    elif _is_hub_name(name):
        dataset, held = hub.open_hub(name, split, reading.notes)
        reading.container, reading._source = "datasets", hub.read(dataset, told)
        reading.held_out = held and f"{name}{splits.SIGN}{held}"
    else:
        _open_files(reading, [path], told)
    return reading


def check_source(path: str | Sequence[str]) -> None:
    """Refuse a file that is not there, or is none of ours by its first bytes, before anything slow is done for it."""
    if not isinstance(path, str):
        for file in _listed(path):
            one_file.kind_of(file)
        return
    name, _ = _split_named(path)
    if _is_folder(Path(os.path.expanduser(name))) or _is_hub_name(name):
        return
    for file in pattern.matching(path) if pattern.is_pattern(path) else [path]:
        one_file.kind_of(file)


def _listed(paths: Sequence[str]) -> list[str]:
    """The files of a list of files and patterns, in its order. Raises Problem for what is none, or
    is named twice."""
    files: list[str] = []
    for path in paths:
        if _is_folder(Path(os.path.expanduser(path))) or _is_hub_name(path):
            raise Problem(path, "is no file, and a list is one of files", "name its files instead")
        files += pattern.matching(path) if pattern.is_pattern(path) else [path]
    twice = next((file for file in files if files.count(file) > 1), None)
    if twice is not None:
        raise Problem(twice, "stands twice in the list of files", "name it once")
    return files


def _split_named(path: str) -> tuple[str, str]:
    """The source and the split in `SOURCE#SPLIT`; a file of that very name comes first."""
    name, sign, split = path.rpartition(splits.SIGN)
    if not sign or not split or os.path.lexists(os.path.expanduser(path)):
        return path, ""
    known = _is_folder(Path(os.path.expanduser(name))) or hub.looks_like_id(name)
    return (name, split) if known else (path, "")


def _is_hub_name(path: str) -> bool:
    there = os.path.lexists(os.path.expanduser(path))
    return not there and hub.looks_like_id(path) and not folder.is_data_name(path)


def _is_folder(place: Path) -> bool:
    try:
        return place.is_dir()
    except (OSError, ValueError):
        return False


def _open_folder(
    reading: Reading, place: Path, path: str, split: str, on_progress: Progress
) -> None:
    found = folder.contents(place, path, split)
    reading.notes += found.notes
    files = [str(file) for file in found.files]
    _open_files(reading, files, on_progress, found.leave_out)
    reading.held_out = found.held_out
    if found.saved:
        reading.path, reading.container = path, "datasets"


def _open_files(
    reading: Reading, files: list[str], on_progress: Progress, leave_out: list[str] | None = None
) -> None:
    """One file is read as itself; several are read one after another under the name given."""
    reading.files = tuple(files)
    if len(files) > 1:
        kinds = several.kinds_of(files, reading.path)
        reading.container = kinds[0].container
        reading.notes += several.notes_of(kinds)
        few = len(kinds) <= MOST_INDEXED
        reading.indexable = few and all(kind.indexable for kind in kinds)
        records = several.read(kinds, on_progress, leave_out or [])
        reading._source = records
        reading._stack.callback(records.close)
        return
    with ExitStack() as stack:
        one = stack.enter_context(one_file.opened(files[0], on_progress, leave_out or []))
        reading._stack = stack.pop_all()
    kind, reading._source = one
    reading.path, reading.container = kind.path, kind.container
    reading.notes += kind.notes
    reading.indexable = kind.indexable
