"""Records as they are written in their source: the text of one, to be mended by hand."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BufferedReader
from itertools import chain
from os.path import expanduser
from typing import Any, Literal

from engine.data.containers import json_document, json_lines, one_file, plain_text, table_text
from engine.data.containers.index import Index
from engine.data.containers.index_several import Indexes
from engine.data.containers.json_cache import Cached
from engine.data.containers.one_file import Kind, Stamp
from engine.data.containers.packed import Damaged, Unpacked
from engine.data.containers.record import Odd, Record
from engine.data.containers.regular_file import open_regular
from engine.data.read import open_source
from engine.data.rows import Fault
from engine.data.shape import Shaper
from engine.errors import Problem

Language = Literal["json", "line", "text"]
"""What a record's text is: a JSON object, a line of a table, or plain text."""
WRITTEN = ("jsonl", "json", "csv", "tsv", "text")


@dataclass(frozen=True)
class Origin:
    """One source that was read. `records` gives any record at once where the source is large; the numbers of
    its records begin after `before`. `stamps` are those of its `files` when they were read."""

    path: str
    container: str
    files: tuple[str, ...]
    stamps: tuple[Stamp, ...]
    records: Index | Indexes | Cached | None
    count: int
    shaper: Shaper | None
    before: int = 0

    @property
    def language(self) -> Language:
        if isinstance(self.records, Cached):
            return "json"
        languages: dict[str, Language] = {"csv": "line", "tsv": "line", "text": "text"}
        return languages.get(self.container, "json")

    def check_unchanged(self) -> None:
        """Raise Problem when its files are not what they were: numbers would name other records."""
        if stamps_of(self.files) != self.stamps:
            raise Problem(self.path, "was changed since it was read", "open it again")


def stamps_of(files: Iterable[str]) -> tuple[Stamp, ...]:
    try:
        return tuple(one_file.stamp(expanduser(file)) for file in files)
    except OSError:
        return ()


def texts(origin: Origin, numbers: set[int]) -> dict[int, str]:
    """The text of some records, by their numbers; empty where a record has none by itself. Raises Problem
    when the source was changed."""
    origin.check_unchanged()
    wanted = {number - origin.before for number in numbers}
    if origin.records is not None:
        found = {number: _at(origin.records, number - 1) for number in wanted}
    else:
        found = {
            number: text
            for number, text in zip(
                range(1, max(wanted, default=0) + 1), _all(origin), strict=False
            )
            if number in wanted
        }
    return {number: found.get(number - origin.before, "") for number in numbers}


def _at(records: Index | Indexes | Cached, at: int) -> str:
    if isinstance(records, Cached):
        return _text_of(records.record(at))
    part, inner = records.place(at) if isinstance(records, Indexes) else (records, at)
    return _decoded(part.line_bytes(inner))


def _all(origin: Origin) -> Iterator[str]:
    """The texts of all records, in the order in which they are read."""
    if origin.container in WRITTEN and origin.files:
        yield from chain.from_iterable(map(_in_file, origin.files))
        return
    with open_source(origin.path) as reading:
        yield from map(_text_of, reading)


def _in_file(path: str) -> Iterator[str]:
    with open_regular(path) as file:
        kind = one_file.kind_in(file, path)
        file.seek(0)
        if kind.packing:
            file = BufferedReader(Unpacked(file, kind.packing, path))
        try:
            yield from _written(file, kind)
        except Damaged:  # told as a fault by who read it; there is no text behind the break
            return


def _written(file: BufferedReader, kind: Kind) -> Iterator[str]:
    match kind.container:
        case "jsonl":
            for _, raw, too_long in json_lines.raw_lines(file):
                if too_long or raw.strip():
                    yield _decoded(raw)
        case "json":
            for text in json_document.texts(file, kind.path):
                yield _decoded(text.encode("utf-8", "surrogateescape"))
        case "text":
            numbered = ((n, *line) for n, line in enumerate(json_lines.raw_lines(file), start=1))
            for block in plain_text.blocks(numbered, kind.paragraphs):
                whole = not any(too_long for *_, too_long in block)
                yield _decoded(b"".join(raw for _, _, raw, _ in block)) if whole else ""
        case _:
            rows = table_text.rows_of(file, kind.path, kind.delimiter)
            next(rows, None)
            for row in rows:
                yield "".join(line.text for line in row.lines).rstrip("\r\n")


def _text_of(item: Record | Fault) -> str:
    """The JSON that a record was read from, or that says the same; values of other kinds are left out."""
    if isinstance(item, Fault):
        return ""
    if item.text:
        return item.text[item.start : item.end]
    return json.dumps(_without_odd(item.value), ensure_ascii=False)


def _without_odd(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_odd(v) for k, v in value.items() if not isinstance(v, Odd)}
    if isinstance(value, list):
        return [_without_odd(v) for v in value if not isinstance(v, Odd)]
    return value


def _decoded(raw: bytes) -> str:
    return raw.decode("utf-8", "replace").strip("\r\n")
