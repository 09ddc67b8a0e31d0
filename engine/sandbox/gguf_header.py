"""A GGUF header checked by reading it ourselves, before any library that trusts it opens the file.

Layout (versions 2 and 3, little-endian): "GGUF", version, tensor count, count of key-values; the
key-values; then name, dimensions, type and offset of each tensor; then, aligned, the tensors.
Every count is held against the bytes that are left, so a header cannot ask for more than the file
has.
"""

from __future__ import annotations

import math
import mmap
import os
import struct
from collections import Counter
from collections.abc import Callable
from typing import Any

from engine.errors import Problem

MOST = 1_000_000
MOST_STRING = 64 * 2**20
MOST_KEY = 65_535
MOST_DIMENSIONS = 4
MOST_ALIGNMENT = 2**20
DEEPEST = 3
FIX = "get the file again; if it stays so, the file is not to be trusted"

# value types: struct format of each, by number; 8 is a string, 9 an array
_SCALARS = {
    0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "B", 10: "Q", 11: "q", 12: "d",
}  # fmt: skip
_STRING, _ARRAY, _U32 = 8, 9, 4

# tensor types: (name, elements in a block, bytes of a block), from the GGUF specification
_TYPES = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22), 7: ("Q5_1", 32, 24), 8: ("Q8_0", 32, 34), 9: ("Q8_1", 32, 36),
    10: ("Q2_K", 256, 84), 11: ("Q3_K", 256, 110), 12: ("Q4_K", 256, 144), 13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210), 15: ("Q8_K", 256, 292), 16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74), 18: ("IQ3_XXS", 256, 98), 19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110), 22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136), 24: ("I8", 1, 1), 25: ("I16", 1, 2), 26: ("I32", 1, 4),
    27: ("I64", 1, 8), 28: ("F64", 1, 8), 29: ("IQ1_M", 256, 56), 30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54), 35: ("TQ2_0", 256, 66), 39: ("MXFP4", 32, 17),
}  # fmt: skip


def load() -> None:
    """Nothing but the standard library is used."""


def check(arguments: dict[str, Any], _progress: Callable[[str, int, int], None]) -> dict[str, Any]:
    """Check the header of `path`: {"architecture", "name", "pre", "tensor_count", "types"}.

    `types` counts the tensors of each type. Raises Problem with the field and its byte offset.
    """
    size = os.path.getsize(arguments["path"])
    if size < 24:
        raise Problem("offset 0", f"the file has {size} bytes, too few for a GGUF header", FIX)
    with (
        open(arguments["path"], "rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        return _check(_Header(content, size))


class _Header:
    """Reads forward through the bytes; `at` is the offset reached."""

    def __init__(self, content: Any, size: int) -> None:
        self.content, self.size, self.at = content, size, 0

    def refuse(self, field: str, what: str, at: int | None = None) -> Problem:
        return Problem(f"{field} at byte {self.at if at is None else at:,}", what, FIX)

    def number(self, form: str, field: str) -> Any:
        width = struct.calcsize("<" + form)
        if self.at + width > self.size:
            raise self.refuse(field, "the file ends here")
        (value,) = struct.unpack_from("<" + form, self.content, self.at)
        self.at += width
        return value

    def text(self, field: str, most: int = MOST_STRING) -> str:
        start = self.at
        length = self.number("Q", field)
        if length > most:
            raise self.refuse(field, f"a text of {length:,} bytes, more than {most:,}", start)
        if length > self.size - self.at:
            raise self.refuse(
                field, f"a text of {length:,} bytes, {self.size - self.at:,} are left", start
            )
        raw = self.content[self.at : self.at + length]
        self.at += length
        try:
            return bytes(raw).decode("utf-8")
        except UnicodeDecodeError as error:
            if most == MOST_KEY:
                raise self.refuse(field, "the name is not UTF-8", start) from error
            return bytes(raw).decode("utf-8", "replace")

    def count(self, field: str) -> int:
        start = self.at
        value = self.number("Q", field)
        if value > MOST:
            raise self.refuse(field, f"{value:,} is more than any model has ({MOST:,})", start)
        return int(value)

    def value(self, field: str) -> tuple[int, Any]:
        """A typed value; arrays are walked through and come back as their length."""
        kind = self.number("I", field)
        return kind, self._of_kind(kind, field, 1)

    def _of_kind(self, kind: int, field: str, depth: int) -> Any:
        if kind in _SCALARS:
            return self.number(_SCALARS[kind], field)
        if kind == _STRING:
            return self.text(field)
        if kind == _ARRAY:
            return self._array(field, depth)
        raise self.refuse(field, f"the value type {kind} is not known", self.at - 4)

    def _array(self, field: str, depth: int) -> int:
        start = self.at
        if depth > DEEPEST:
            raise self.refuse(field, "arrays inside arrays inside arrays", start)
        kind = self.number("I", field)
        length = self.number("Q", field)
        least = (
            struct.calcsize("<" + _SCALARS[kind])
            if kind in _SCALARS
            else 8
            if kind == _STRING
            else 12
        )
        if kind not in _SCALARS and kind not in (_STRING, _ARRAY):
            raise self.refuse(field, f"the value type {kind} is not known", start)
        if length * least > self.size - self.at:
            what = f"an array of {length:,} values, {self.size - self.at:,} bytes are left"
            raise self.refuse(field, what, start)
        if kind in _SCALARS:
            self.at += length * least
        else:
            for _ in range(length):
                self._of_kind(kind, field, depth + 1)
        return int(length)


def _check(header: _Header) -> dict[str, Any]:
    tensors, pairs = _counts(header)
    known = _key_values(header, pairs)
    alignment = _alignment(known)
    types = _tensors(header, tensors, alignment)
    return {
        "architecture": _said(known, "general.architecture"),
        "name": _said(known, "general.name"),
        "pre": _said(known, "tokenizer.ggml.pre"),
        "tensor_count": tensors,
        "types": types,
    }


def _counts(header: _Header) -> tuple[int, int]:
    if bytes(header.content[:4]) != b"GGUF":
        raise header.refuse("magic", 'the file does not begin with "GGUF"')
    header.at = 4
    version = header.number("I", "version")
    if version not in (2, 3):
        big_endian = int.from_bytes(version.to_bytes(4, "little"), "big") in (2, 3)
        more = ": the file is big-endian" if big_endian else ""
        raise header.refuse("version", f"version {version:,}, expected 2 or 3{more}", 4)
    return header.count("tensor count"), header.count("key-value count")


def _key_values(header: _Header, pairs: int) -> dict[str, tuple[int, Any, int]]:
    """Key -> (type, value, offset)."""
    known: dict[str, tuple[int, Any, int]] = {}
    for number in range(pairs):
        start = header.at
        key = header.text(f"key {number}", MOST_KEY)
        if not key:
            raise header.refuse(f"key {number}", "the key is empty", start)
        if key in known:
            raise header.refuse(f"key {number}", f'"{key[:80]}" stands twice', start)
        kind, value = header.value(f'"{key[:80]}"')
        known[key] = (kind, value, start)
    return known


def _alignment(known: dict[str, tuple[int, Any, int]]) -> int:
    kind, value, at = known.get("general.alignment", (_U32, 32, 0))
    if kind != _U32 or not 1 <= value <= MOST_ALIGNMENT or value & (value - 1):
        raise Problem(
            f"general.alignment at byte {at:,}", f"{str(value)[:40]} is no alignment", FIX
        )
    return int(value)


def _tensors(header: _Header, count: int, alignment: int) -> dict[str, int]:
    """Walk the tensor table, then hold every tensor against the size of the file."""
    spans: list[tuple[str, int, int, int]] = []
    names: set[str] = set()
    types: Counter[str] = Counter()
    for number in range(count):
        start = header.at
        name = header.text(f"tensor {number}", MOST_KEY)
        if not name or name in names:
            raise header.refuse(
                f"tensor {number}",
                "its name is empty" if not name else "its name stands twice",
                start,
            )
        names.add(name)
        label = f'tensor "{name[:80]}"'
        kind, size = _tensor_size(header, label)
        at = header.at
        offset = header.number("Q", label)
        if offset % alignment:
            raise header.refuse(label, f"its offset {offset:,} is not aligned to {alignment}", at)
        types[kind] += 1
        spans.append((label, offset, size, at))
    begin = -(-header.at // alignment) * alignment
    for label, offset, size, at in spans:
        if begin + offset + size > header.size:
            what = f"it ends at byte {begin + offset + size:,}, the file has {header.size:,}"
            raise header.refuse(label, what, at)
    return dict(types)


def _tensor_size(header: _Header, label: str) -> tuple[str, int]:
    """The tensor's type and its bytes, from its dimensions."""
    start = header.at
    dimensions = header.number("I", label)
    if not 1 <= dimensions <= MOST_DIMENSIONS:
        raise header.refuse(
            label, f"{dimensions:,} dimensions, expected 1 to {MOST_DIMENSIONS}", start
        )
    shape = [header.number("Q", label) for _ in range(dimensions)]
    elements = math.prod(shape)
    if not 0 < elements < 2**63:
        raise header.refuse(label, f"its shape {shape} has no size", start + 4)
    at = header.at
    kind = header.number("I", label)
    if kind not in _TYPES:
        raise header.refuse(label, f"the tensor type {kind:,} is not known", at)
    name, block, width = _TYPES[kind]
    if shape[0] % block:
        raise header.refuse(
            label, f"rows of {shape[0]:,} do not divide into blocks of {block} ({name})", at
        )
    return name, elements // block * width


def _said(known: dict[str, tuple[int, Any, int]], key: str) -> str | None:
    """A text among the key-values; None where it is not there."""
    kind, value, at = known.get(key, (_STRING, None, 0))
    if kind != _STRING:
        raise Problem(f"{key} at byte {at:,}", "it is not text", FIX)
    return value if value is None else str(value)[:1000]
