"""Plain text: paragraphs between blank lines, or a row a line where there are none."""

from __future__ import annotations

from collections.abc import Iterator
from io import BufferedReader

from engine.data.containers.json_lines import TELL_EVERY, decode, raw_lines
from engine.data.containers.record import MAX_BYTES, Progress, Record, Records
from engine.data.rows import Fault

Line = tuple[int, int, bytes, bool]
"""Its number from 1, byte offset, bytes with the line end, and whether it is over 16 MB."""


def by_paragraph(head: bytes) -> bool:
    """Does a blank line stand between two others in the beginning of the file?"""
    lines = [line.strip() for line in head.strip().split(b"\n")]
    return b"" in lines


def read(
    file: BufferedReader, path: str, size: int, on_progress: Progress, *, paragraphs: bool
) -> Records:
    """Every paragraph, or every line that is not blank, as {"text": ...}."""
    lines = ((line, *found) for line, found in enumerate(raw_lines(file), start=1))
    for number, block in enumerate(blocks(lines, paragraphs), start=1):
        if number % TELL_EVERY == 0:
            on_progress(block[0][1], size)
        yield _record(block, path, number)
    on_progress(size, size)


def blocks(lines: Iterator[Line], paragraphs: bool) -> Iterator[list[Line]]:
    """The lines of each row. Of a paragraph beyond 16 MB only the first line is kept."""
    block: list[Line] = []
    length = 0
    for line in lines:
        blank = not line[3] and not line[2].strip()
        if block and (blank or not paragraphs):
            yield block
            block, length = [], 0
        if blank:
            continue
        length += len(line[2])
        if length > MAX_BYTES:
            block = [(*block[0][:2], b"", True)] if block else [line]
        else:
            block.append(line)
    if block:
        yield block


def _record(block: list[Line], path: str, number: int) -> Record | Fault:
    first = block[0][0]
    texts: list[str] = []
    for line, offset, raw, too_long in block:
        if too_long:
            what = f"the {'line' if line == first else 'paragraph'} is longer than "
            what += f"{MAX_BYTES // 2**20} MB"
            fix = "divide it by blank lines, or check that its line ends are there"
            return Fault(first, 1, "too_long", what, fix, number, path)
        text = decode(raw, path, number, line, offset)
        if isinstance(text, Fault):
            return text
        if "\0" in text:
            column = text.index("\0") + 1
            what = "a zero character in the text"
            return Fault(line, column, "characters", what, "remove it", number, path)
        texts.append(text)
    return Record(number, first, 1, {"text": "\n".join(texts)})
