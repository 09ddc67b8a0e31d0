"""One file: what holds its records, told by its first bytes, and the records."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from engine.data.containers import (
    columnar,
    json_document,
    json_lines,
    packed,
    plain_text,
    sniff,
    table_text,
)
from engine.data.containers.packed import Damaged, Packing, Unpacked
from engine.data.containers.record import Progress, Records
from engine.data.containers.regular_file import open_regular
from engine.data.rows import Fault
from engine.errors import Problem

BUFFER = 1024 * 1024


@dataclass(frozen=True)
class Kind:
    """What a file was found to be. `paragraphs` tells how plain text is divided, `size` counts
    bytes on disk."""

    path: str
    container: sniff.Container
    delimiter: str
    packing: Packing | None
    paragraphs: bool
    size: int

    @property
    def indexable(self) -> bool:
        """Can any record be had at once from the file as it lies on the disk?"""
        return not self.packing and self.container in ("jsonl", "csv", "tsv")

    @property
    def notes(self) -> list[str]:
        """What a person should know of how the file is read."""
        said: list[str] = []
        if self.packing:
            said.append(f"unpacked from {self.packing}")
        if self.delimiter and self.delimiter != {"csv": ",", "tsv": "\t"}[self.container]:
            said.append(f"the fields are divided by a {table_text.DELIMITERS[self.delimiter]}")
        if self.container == "text":
            how = "a paragraph, divided by blank lines" if self.paragraphs else "a line"
            said.append(f"plain text: each row is {how}")
        return said


def hint(path: str) -> str:
    """The ending that says what a file holds, in small letters; that of data.jsonl.gz is
    .jsonl."""
    name = Path(path.lower())
    return Path(name.stem).suffix if name.suffix in packed.SUFFIXES else name.suffix


def kind_of(path: str) -> Kind:
    """Look at the first bytes. Raises Problem for what is missing, unreadable or no data."""
    with open_regular(path) as file:
        return kind_in(file, path)


@contextmanager
def opened(
    path: str, on_progress: Progress, leave_out: list[str]
) -> Iterator[tuple[Kind, Records]]:
    """The file's kind and its records, to be read inside the `with`."""
    with open_regular(path) as file:
        kind = kind_in(file, path)
        file.seek(0)
        records = _watched(file, kind, _records(file, kind, on_progress, leave_out))
        try:
            yield kind, records
        finally:
            records.close()


def kind_in(file: BufferedReader, path: str) -> Kind:
    """What the open file is; it is read from its start, and left anywhere."""
    head = file.read(sniff.HEAD)
    size = os.fstat(file.fileno()).st_size
    packing = packed.packing_of(head)
    if packing:
        head = _inner_head(file, path, packing)
    found = sniff.container_of(head, hint(path), path, whole=len(head) < sniff.HEAD)
    if packing and found.container in ("parquet", "arrow"):
        what = f"this is {found.container.capitalize()} inside {packing}"
        raise Problem(path, what, f"unpack it first: {_COMMANDS[packing]}")
    paragraphs = found.container == "text" and plain_text.by_paragraph(head)
    return Kind(path, found.container, found.delimiter, packing, paragraphs, size)


_COMMANDS = {"gzip": "gunzip", "zstd": "unzstd"}


def _inner_head(file: BufferedReader, path: str, packing: Packing) -> bytes:
    file.seek(0)
    head = bytearray(sniff.HEAD)
    try:
        return bytes(head[: Unpacked(file, packing, path).readinto(head)])
    except Damaged as damaged:
        raise _damaged(path, packing, damaged) from damaged


def _damaged(path: str, packing: Packing, damaged: Damaged) -> Problem:
    what = f"the {packing} archive {damaged}, before its first record"
    return Problem(path, what, "copy the file again in full")


def _records(
    file: BufferedReader, kind: Kind, on_progress: Progress, leave_out: list[str]
) -> Records:
    path, size = kind.path, kind.size
    if kind.packing:
        unpacked = Unpacked(file, kind.packing, path)
        file = io.BufferedReader(unpacked, BUFFER)
        on_progress = _of_packed(unpacked, on_progress)
    match kind.container:
        case "jsonl":
            return json_lines.read(file, path, size, on_progress)
        case "json":
            return json_document.read(file, path, size, on_progress)
        case "parquet" | "arrow":
            return columnar.read(path, kind.container, size, on_progress, leave_out)
        case "text":
            return plain_text.read(file, path, size, on_progress, paragraphs=kind.paragraphs)
        case _:
            return table_text.read(file, path, size, on_progress, kind.delimiter)


def _of_packed(unpacked: Unpacked, on_progress: Progress) -> Progress:
    """Progress in packed bytes: how many there are inside is known at the end only."""

    def told(done: int, total: int) -> None:
        on_progress(unpacked.size if done == total else unpacked.done, unpacked.size)

    return told


def _watched(file: BufferedReader, kind: Kind, records: Records) -> Records:
    """The same records; a Problem when the file was changed while they were read, and a fault where
    the archive around them breaks."""
    path, before = kind.path, stamp(file.fileno())
    count, line = 0, 1
    try:
        for item in records:
            count, line = count + 1, item.line
            yield item
    except OSError as error:
        raise Problem(path, f"cannot be read ({error.strerror})", "copy the file again") from error
    except Damaged as damaged:
        assert kind.packing
        if not count:
            raise _damaged(path, kind.packing, damaged) from damaged
        what = f"the {kind.packing} archive {damaged}, after {count:,} records"
        yield Fault(line, 1, "torn", what, "copy the file again in full", count + 1, path)
    finally:
        records.close()
    check_unchanged(path, file.fileno(), before)


Stamp = tuple[int, int, int, int]


def stamp(file: int | str) -> Stamp:
    """Size, time of the last change, device and inode of a descriptor or path."""
    found = os.stat(file)
    return found.st_size, found.st_mtime_ns, found.st_dev, found.st_ino


def check_unchanged(path: str, descriptor: int, before: Stamp) -> None:
    """Raise Problem when the open file, or what its name leads to, is not what it was."""
    fix = "open it again once nothing writes to it"
    if stamp(descriptor) != before:
        raise Problem(path, "was changed while it was read", fix)
    try:
        now = stamp(os.path.expanduser(path) if path.startswith("~") else path)
    except OSError as error:
        raise Problem(path, "was deleted while it was read", "put it back") from error
    if now[2:] != before[2:]:
        raise Problem(path, "was replaced by another file while it was read", fix)
