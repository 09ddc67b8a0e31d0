"""What a file is, told from its first bytes and not from its name."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Literal

from engine.data.containers.json_columns import layout_of
from engine.data.containers.record import ROW_LISTS
from engine.data.containers.table_text import DELIMITERS, SAMPLE, evenness, find_delimiter
from engine.errors import Problem

Container = Literal["jsonl", "json", "csv", "tsv", "parquet", "arrow", "text"]
HEAD = 1024 * 1024
EVEN = 0.8
ACCEPTED = "JSON Lines, JSON, CSV, TSV, Parquet, Arrow or plain text"
_BEGINNINGS = {".parquet": "PAR1", ".arrow": "ARROW1"}
TEXT_SUFFIXES = (".txt", ".md", ".text")

_KINDS = (
    (b"\x1f\x8b", "gzip", "gunzip it first"),
    (b"PK\x03\x04", "a zip archive (Excel files are, too)", "unpack it, or save the sheet as CSV"),
    (b"BZh", "bzip2", "bunzip2 it first"),
    (b"\xfd7zXZ\x00", "xz", "unxz it first"),
    (b"\x28\xb5\x2f\xfd", "zstd", "unzstd it first"),
    (b"7z\xbc\xaf", "a 7z archive", "unpack it first"),
    (b"FEA1", "a Feather file of the first version", "write it as Parquet"),
    (b"%PDF", "a PDF", f"write the rows as {ACCEPTED}"),
    (b"\xd0\xcf\x11\xe0", "an old Office file", "save the sheet as CSV"),
    (b"SQLite format 3", "an SQLite database", "export the table as CSV"),
    (b"GGUF", "a GGUF model, not data", "name it as model.name"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself", "run git lfs pull"),
    (b"<!DOCTYPE", "a web page", "download the file itself, not the page about it"),
    (b"<html", "a web page", "download the file itself, not the page about it"),
    (b"MZ\x90\x00", "a program", f"write the rows as {ACCEPTED}"),
    (b"\x80\x04", "a Python pickle, which is never opened", f"write the rows as {ACCEPTED}"),
    (b"\x89PNG", "a picture", f"write the rows as {ACCEPTED}"),
    (b"\xff\xd8\xff", "a picture", f"write the rows as {ACCEPTED}"),
    (b"\x7fELF", "a program", f"write the rows as {ACCEPTED}"),
)

_LIST_GOES_ON = re.compile(r"(\[|,)\s*$")
_NAME = re.compile(r"[^\W\d][\w.-]*( [\w.-]+){0,2}|")


@dataclass(frozen=True)
class Found:
    container: Container
    delimiter: str = ""


def container_of(head: bytes, suffix: str, path: str, *, whole: bool) -> Found:
    """The container of a file that begins with `head` (all of it when `whole`). Raises Problem."""
    if head[:4] in (b"PAR1", b"PARE"):
        return Found("parquet")
    if head[:6] == b"ARROW1" or (head[:4] == b"\xff\xff\xff\xff" and _length(head) < 2**28):
        return Found("arrow")
    _refuse_foreign(head, path)
    text = head.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    if not text.strip():
        if not whole:
            raise Problem(path, "begins with a megabyte of blank lines", "check the file")
        raise Problem(path, "no records: the file is empty", "put at least one row into it")
    first = text.lstrip()[0]
    if suffix in TEXT_SUFFIXES and not _is_data(text.lstrip(), suffix):
        return Found("text")
    table = suffix in (".csv", ".tsv")
    if first == "[" and not table:
        return Found("json")
    if first == "{" and not (table and not _is_json(text.lstrip().split("\n")[0])):
        return Found(_lines_or_document(text.lstrip(), whole))
    if suffix in (".json", ".jsonl", ".ndjson"):
        return Found("jsonl")
    if suffix in _BEGINNINGS:
        what = f"is named {suffix}, but does not begin with {_BEGINNINGS[suffix]}, as such files do"
        raise Problem(path, what, "copy the file again, or name it after what it holds")
    return _table(text, suffix, path, whole)


def _length(head: bytes) -> int:
    """What an Arrow stream says of its first message."""
    return int.from_bytes(head[4:8], "little") if len(head) >= 8 else 2**32


def _is_data(text: str, suffix: str) -> bool:
    """Does a file that is named as text hold JSON, or a table with a line of names at its head?

    Prose may begin with a bracket, and have a comma in every line."""
    if re.match(r'\{\s*["}]|\[\s*(\{|\]|$)', text):
        return True
    if suffix == ".md":
        return False
    lines = text.split("\n")[: SAMPLE * 4]
    delimiter = find_delimiter("\n".join(lines), ",")
    names = [name.strip('"') for name in lines[0].rstrip("\r").split(delimiter)]
    named = len(names) > 1 and all(_NAME.fullmatch(name) for name in names)
    return named and evenness("\n".join(lines), delimiter) > EVEN


def _refuse_foreign(head: bytes, path: str) -> None:
    for magic, kind, fix in _KINDS:
        if head[: len(magic)].lower() == magic.lower():
            raise Problem(path, f"this is {kind}, not {ACCEPTED}", fix)
    if head[:4] in (b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff"):
        raise _other_unicode(path, "UTF-32", 0)
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise _other_unicode(path, "UTF-16", 0)
    if head[257:262] == b"ustar":
        what = f"this is a tar archive, not {ACCEPTED}"
        raise Problem(path, what, "unpack it, and name the file inside")
    sample = head[:4096]
    at, zeros = sample.find(b"\0"), sample.count(0)
    if at < 0:
        return
    # in UTF-16, the zero bytes of plain letters are all first or all second of their pairs
    uneven = max(sample[0::2].count(0), sample[1::2].count(0)) >= 0.95 * zeros
    if zeros * 20 > len(sample) and uneven and len(sample) > 8:
        raise _other_unicode(path, "UTF-16", at)
    if sum(byte < 32 and byte not in (9, 10, 13) for byte in sample) * 12 > len(sample):
        what = f"this is not text (a zero byte at offset {at:,})"
        raise Problem(path, what, f"name a file of {ACCEPTED}")


def _other_unicode(path: str, name: str, at: int) -> Problem:
    return Problem(
        f"{path}:1:1",
        f"this is {name} (told at byte {at}), expected UTF-8",
        f"save it as UTF-8: iconv -f {name} -t UTF-8 OLD > NEW",
    )


def _lines_or_document(text: str, whole: bool) -> Literal["json", "jsonl"]:
    """Objects line by line, or one object over many lines?"""
    lines = text.split("\n")
    if not whole:
        lines = lines[:-1] or lines
    filled = [line for line in lines if line.strip()]
    first = filled[0]
    if len(filled) == 1 and (whole or not text.rstrip().endswith("}")):
        holds = _wraps_a_list(first) or layout_of(first, 0)
        return "json" if holds else "jsonl"
    if _is_json(first):
        return "jsonl"
    if _LIST_GOES_ON.search(first) and _wraps_a_list(first + "{"):
        return "json"
    opens_only = _runs_out(first)
    return "json" if opens_only and len(filled) > 1 and not filled[1].startswith("{") else "jsonl"


def _wraps_a_list(line: str) -> bool:
    """Does a single line hold `{"name": [{...` where the name is no field of a row?"""
    return any(
        name not in ROW_LISTS
        for name in re.findall(r'"([^"\\]{1,64})"\s*:\s*\[\s*\{', line[:2000])[:1]
    )


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _runs_out(line: str) -> bool:
    """Is the line the beginning of a JSON value that goes on?"""
    try:
        json.loads(line)
    except json.JSONDecodeError as error:
        return error.pos >= len(line.rstrip())
    except (ValueError, RecursionError):
        return False
    return False


def _table(text: str, suffix: str, path: str, whole: bool) -> Found:
    lines = text.split("\n")[: SAMPLE * 4]
    default = "\t" if suffix == ".tsv" else ","
    delimiter = find_delimiter("\n".join(lines), default)
    named = suffix in (".csv", ".tsv")
    if delimiter in lines[0] and (named or evenness("\n".join(lines), delimiter) > EVEN):
        return Found("tsv" if delimiter == "\t" else "csv", delimiter)
    if named:
        return Found("tsv" if suffix == ".tsv" else "csv", default)
    raise Problem(
        f"{path}:1:1",
        f"this is neither JSON nor a table divided by {', '.join(DELIMITERS.values())}",
        f"write the rows as {ACCEPTED}",
    )
