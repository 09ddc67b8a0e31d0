"""Any source converted once to lines of JSON, so that each record of it can be had at once.

Each line is a record {"n": number, "l": line, "c": column, "p": its file where there are several,
and its value: "t", the JSON text it was read from, or "v", with "o" the kinds of values that are no
JSON and "k" the columns of its fields} or a fault {"f": {...}}. The last line tells what was read:
{"path", "container", "notes", "held_out", "records", "stamps"}.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.data.containers import json_lines, json_text, one_file
from engine.data.containers.index import Index
from engine.data.containers.one_file import Kind
from engine.data.containers.record import Odd, Progress, Record
from engine.data.rows import Fault
from engine.errors import Problem

if TYPE_CHECKING:
    from engine.data.read import Reading


@dataclass
class Cached:
    """The records of a source in its cache, by their positions from 0. `held_out`, `notes` and the
    rest are those of the reading that was converted."""

    path: str
    container: str
    notes: list[str]
    held_out: str | None
    _index: Index

    def __len__(self) -> int:
        return len(self._index) - 1

    def record(self, at: int) -> Record | Fault:
        """The record or fault at a position, as the source gave it."""
        if not 0 <= at < len(self):
            raise IndexError(at)
        return _item(self._index.line_bytes(at), self._index.path)

    def __iter__(self) -> Iterator[Record | Fault]:
        return (self.record(at) for at in range(len(self)))

    def close(self) -> None:
        self._index.close()


def as_json_lines(
    reading: Reading, out_path: str | Path, on_progress: Progress | None = None
) -> Cached:
    """Read everything there is into a cache file that appears only when it is whole. Raises Problem
    when the source cannot be read or the disk is full."""
    out = Path(out_path)
    part = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}")
    stamps = {path: _stamp(path) for path in reading.files}
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb", buffering=1024 * 1024) as file:
            for count, item in enumerate(reading, start=1):
                file.write(_line(item))
                if on_progress and count % json_lines.TELL_EVERY == 0:
                    on_progress(*reading.progress)
            if on_progress:
                on_progress(*reading.progress)
            file.write(_foot(reading, stamps))
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, out)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            fix = "free some space, or convert the data to JSON Lines elsewhere"
            raise Problem(reading.path, "there is no room for its converted rows", fix) from error
        words = f"its converted rows cannot be written to {out} ({error.strerror})"
        raise Problem(reading.path, words, "choose another folder") from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            part.unlink()
    return _opened(out)


def open_cache(path: str | Path, files: Sequence[str] | None = None) -> Cached | None:
    """The cache; None where there is none, or its source is not what it was: its files have
    changed, or are not `files`."""
    try:
        foot = json.loads(_last_line(Path(path)))
        if files is not None and list(files) != list(foot["stamps"]):
            return None
        if any(_stamp(name) != stamp for name, stamp in foot["stamps"].items()):
            return None
        cached = _opened(Path(path))
        return cached if len(cached) == foot["records"] else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, Problem):
        return None


def _opened(path: Path) -> Cached:
    index = Index(str(path), Kind(str(path), "jsonl", "", None, False, path.stat().st_size))
    try:
        index.extend()
        foot = json.loads(_last_line(path))
        return Cached(foot["path"], foot["container"], foot["notes"], foot["held_out"], index)
    except BaseException:
        index.close()
        raise


def _last_line(path: Path) -> bytes:
    length = 2**16
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        while True:
            file.seek(max(0, size - length))
            tail = file.read().rstrip(b"\n")
            if b"\n" in tail or length >= size:
                return tail[tail.rfind(b"\n") + 1 :]
            length *= 8


def _foot(reading: Reading, stamps: dict[str, list[int] | None]) -> bytes:
    tree = {
        "path": reading.path,
        "container": reading.container,
        "notes": reading.notes,
        "held_out": reading.held_out,
        "records": reading.records,
        "stamps": stamps,
    }
    return json.dumps(tree).encode("ascii") + b"\n"


def _stamp(path: str) -> list[int] | None:
    """What tells a file from its changed self, as JSON."""
    try:
        return list(one_file.stamp(os.path.expanduser(path)))
    except OSError:
        return None


def _line(item: Record | Fault) -> bytes:
    tree: dict[str, Any]
    if isinstance(item, Fault):
        tree = {"f": asdict(item)}
    else:
        tree = {"n": item.number, "l": item.line, "c": item.column}
        if item.path:
            tree["p"] = item.path
        if item.text:
            tree["t"] = item.text[item.start : item.end]
        else:
            kinds: list[Any] = []
            tree["v"] = _without_odd(item.value, [], kinds)
            if kinds:
                tree["o"] = kinds
        if item.cells:
            tree["k"] = item.cells()
    return json.dumps(tree, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"


def _without_odd(value: Any, place: list[str | int], kinds: list[Any]) -> Any:
    """The value with null where something stands that is no JSON; `kinds` gets (place, kind)."""
    if isinstance(value, Odd):
        kinds.append([place, value.kind])
        return None
    if isinstance(value, dict):
        return {name: _without_odd(v, [*place, name], kinds) for name, v in value.items()}
    if isinstance(value, list):
        return [_without_odd(v, [*place, at], kinds) for at, v in enumerate(value)]
    return value


def _item(line: bytes, path: str) -> Record | Fault:
    try:
        tree = json.loads(line)
        if "f" in tree:
            return Fault(**tree["f"])
        columns = tree.get("k")
        text = tree.get("t", "")
        value = json_text.parse(text)[0] if text else tree["v"]
        for place, kind in tree.get("o", ()):
            inner = value
            for part in place[:-1]:
                inner = inner[part]
            inner[place[-1]] = Odd(kind)
        return Record(
            tree["n"],
            tree["l"],
            tree["c"],
            value,
            text,
            cells=(lambda: columns) if columns else None,
            path=tree.get("p", ""),
        )
    except (ValueError, KeyError, TypeError, IndexError, json_text.BadJson) as error:
        raise _broken(path) from error


def _broken(path: str) -> Problem:
    return Problem(path, "the converted rows are damaged", "delete the file: it is made anew")
