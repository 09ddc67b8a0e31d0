"""Opening a source of rows, whatever holds it: a file, a folder, or a name on the hub."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from engine.data.containers import hub, json_document, json_lines, parquet, sniff, table_text
from engine.data.containers.record import Progress, Record, Records
from engine.data.containers.regular_file import open_regular
from engine.data.rows import Fault
from engine.errors import Problem

DATA_SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
TRAIN_NAMES = ("train", "training", "data")


def quiet(phase: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


@dataclass
class Reading:
    """A source being read: iterate over it once; `records` counts what came, faulty ones too."""

    path: str
    container: str
    notes: list[str] = field(default_factory=list)
    records: int = 0
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
    path: str, on_progress: Callable[[int, int], None] = lambda done, total: None
) -> Reading:
    """Find out what `path` is and begin to read it. Raises Problem when it cannot be read at
    all."""
    place = Path(os.path.expanduser(path))
    notes: list[str] = []
    if _is_folder(place):
        inside = _file_inside(place, path, notes)
        if inside is None:
            dataset = hub.open_saved(place, path, notes)
            return Reading(path, "datasets", notes, _source=hub.read(dataset, on_progress))
        place, path = inside, str(inside)
    elif (
        not os.path.lexists(place) and hub.looks_like_id(path) and place.suffix not in DATA_SUFFIXES
    ):
        dataset = hub.open_hub(path, notes)
        return Reading(path, "datasets", notes, _source=hub.read(dataset, on_progress))
    return _open_file(path, place.suffix.lower(), notes, on_progress)


def check_source(path: str) -> None:
    """Refuse a file that is not there, or is none of ours by its first bytes, before anything slow is done for it."""
    place = Path(os.path.expanduser(path))
    if _is_folder(place) or (not os.path.lexists(place) and place.suffix not in DATA_SUFFIXES):
        return
    with _open_file(path, place.suffix.lower(), [], lambda done, total: None):
        pass


def _open_file(path: str, suffix: str, notes: list[str], on_progress: Progress) -> Reading:
    stack = ExitStack()
    with ExitStack() as on_error:
        file = on_error.enter_context(open_regular(path))
        head = file.read(sniff.HEAD)
        size = os.fstat(file.fileno()).st_size
        found = sniff.container_of(head, suffix, path, whole=len(head) < sniff.HEAD)
        file.seek(0)
        stack = on_error.pop_all()
    if found.delimiter and found.delimiter != {"csv": ",", "tsv": "\t"}[found.container]:
        notes.append(f"the fields are divided by a {table_text.DELIMITERS[found.delimiter]}")
    records = _watched(file, path, _records(found, file, path, size, on_progress))
    stack.callback(records.close)
    return Reading(path, found.container, notes, _source=records, _stack=stack)


def _records(
    found: sniff.Found, file: BinaryIO, path: str, size: int, on_progress: Progress
) -> Records:
    match found.container:
        case "jsonl":
            return json_lines.read(file, path, size, on_progress)
        case "json":
            return json_document.read(file, path, size, on_progress)
        case "parquet":
            return parquet.read(path, size, on_progress)
        case _:
            return table_text.read(file, path, size, on_progress, found.delimiter)


def _watched(file: BinaryIO, path: str, records: Records) -> Records:
    """The same records; a Problem when the file was changed while they were read."""
    before = _stamp(file)
    try:
        yield from records
    except OSError as error:
        raise Problem(path, f"cannot be read ({error.strerror})", "copy the file again") from error
    if _stamp(file) != before:
        raise Problem(
            path, "was changed while it was read", "open it again once nothing writes to it"
        )


def _stamp(file: BinaryIO) -> tuple[int, int]:
    found = os.fstat(file.fileno())
    return found.st_size, found.st_mtime_ns


def _is_folder(place: Path) -> bool:
    try:
        return place.is_dir()
    except (OSError, ValueError):
        return False


def _file_inside(folder: Path, path: str, notes: list[str]) -> Path | None:
    """The one data file of a folder, or its training file; None where `datasets` must look into
    it."""
    if any((folder / name).exists() for name in ("state.json", "dataset_dict.json")):
        return None
    files = sorted(f for f in folder.iterdir() if f.suffix.lower() in DATA_SUFFIXES and f.is_file())
    if not files:
        if any(f.suffix.lower() in DATA_SUFFIXES for f in folder.glob("*/*")):
            return None
        raise Problem(path, f"the folder holds no file of {sniff.ACCEPTED}", "name a file")
    chosen = files if len(files) == 1 else [f for f in files if f.stem.lower() in TRAIN_NAMES]
    if len(chosen) != 1:
        if len({f.suffix for f in files}) == 1 and files[0].suffix == ".parquet":
            return None
        names = ", ".join(f.name for f in files[:6])
        raise Problem(
            path, f"the folder holds {len(files)} data files ({names})", "name one of them"
        )
    others = [f.name for f in files if f != chosen[0]]
    if others:
        notes.append(
            f"{chosen[0].name} is read; {', '.join(others)} can be named as data.eval_path"
        )
    return chosen[0]
