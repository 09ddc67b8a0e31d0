"""JSON Lines: one object a line."""

from __future__ import annotations

from collections.abc import Iterator
from io import BufferedReader

from engine.data.containers import json_text
from engine.data.containers.json_text import BadJson
from engine.data.containers.record import MAX_BYTES, Progress, Record, Records
from engine.data.rows import Fault

TELL_EVERY = 512
CHUNK = 1024 * 1024
BOM = b"\xef\xbb\xbf"


def read(file: BufferedReader, path: str, size: int, on_progress: Progress) -> Records:
    """Every line that is not blank: a record, or the fault that keeps it from being one."""
    number = 0
    for line, (offset, raw, too_long) in enumerate(raw_lines(file), start=1):
        if line % TELL_EVERY == 0:
            on_progress(offset, size)
        if not too_long and not raw.strip():
            continue
        number += 1
        yield record_of(raw, path, number, line, offset, too_long)
    on_progress(size, size)


def raw_lines(file: BufferedReader, offset: int = 0) -> Iterator[tuple[int, bytes, bool]]:
    """Byte offset, bytes with the line end, and whether the line is over 16 MB (then its bytes are
    dropped). The file stands at `offset`."""
    if offset == 0 and file.peek(len(BOM)).startswith(BOM):
        file.read(len(BOM))
        offset = len(BOM)
    while raw := file.readline(MAX_BYTES + 1):
        start = offset
        offset += len(raw)
        if len(raw) <= MAX_BYTES:
            yield start, raw, False
            continue
        while not raw.endswith(b"\n") and (raw := file.readline(CHUNK)):
            offset += len(raw)
        yield start, b"", True


def decode(raw: bytes, path: str, number: int, line: int, offset: int) -> str | Fault:
    """A line's text without its line end; a fault names the byte that is not UTF-8."""
    try:
        return raw.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        column = len(raw[: error.start].decode("utf-8")) + 1
        return bad_byte(raw[error.start], offset + error.start, path, number, line, column)


def bad_byte(byte: int, offset: int, path: str, number: int, line: int, column: int) -> Fault:
    letter = bytes([byte]).decode("cp1252", "replace")
    guess = f'; in Windows-1252 (Latin-1) it would be "{letter}"' if letter.isprintable() else ""
    return Fault(
        line,
        column,
        "encoding",
        f"byte {byte:02X} at offset {offset:,} is not UTF-8{guess}",
        "save the file as UTF-8: iconv -f WINDOWS-1252 -t UTF-8 OLD > NEW",
        number,
        path,
    )


def record_of(
    raw: bytes, path: str, number: int, line: int, offset: int, too_long: bool
) -> Record | Fault:
    """What a line of bytes (with its line end) is: a record, or why it is none."""
    if too_long:
        return Fault(
            line,
            1,
            "too_long",
            f"the line is longer than {MAX_BYTES // 2**20} MB",
            "split the record, or check that its line ends are there",
            number,
            path,
        )
    text = decode(raw, path, number, line, offset)
    if isinstance(text, Fault):
        return text
    start = json_text.skip_space(text, 0)
    try:
        value, end = json_text.parse(text, start)
        end = json_text.skip_space(text, end)
        if end != len(text):
            raise BadJson(
                end,
                "json",
                "not valid JSON (more follows after the record)",
                "put each record on a line of its own",
            )
    except BadJson as bad:
        if bad.code == "json" and not raw.endswith(b"\n") and _is_torn(text, bad):
            return torn(path, number, line, bad.position + 1)
        return Fault(line, bad.position + 1, bad.code, bad.what, bad.fix, number, path)
    return as_record(value, path, number, line, start + 1, text, start)


def as_record(
    value: object,
    path: str,
    number: int,
    line: int,
    column: int,
    text: str,
    start: int,
    end: int | None = None,
) -> Record | Fault:
    """A record, when the value is an object."""
    if isinstance(value, dict):
        return Record(number, line, column, value, text, start, end=end)
    what = f"the record is {type_name(value)}, expected an object with named fields"
    return Fault(line, column, "shape", what, "write {...} for each record", number, path)


def torn(path: str, number: int, line: int, column: int) -> Fault:
    what = f"the file ends inside a record (line {line:,}); was the copy complete?"
    return Fault(
        line, column, "torn", what, "copy the file again, or delete its last line", number, path
    )


def _is_torn(text: str, bad: BadJson) -> bool:
    """Did the text run out, rather than go wrong?"""
    return text.lstrip()[:1] in ("{", "[") and (bad.end is None or bad.position >= len(text))


def type_name(value: object) -> str:
    """A JSON value's kind as a person says it."""
    if isinstance(value, bool):
        return "true or false"
    names = {str: "text", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), "null" if value is None else str(getattr(value, "kind", "odd")))
