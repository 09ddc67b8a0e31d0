"""gzip and zstd unpacked as they are read, under a limit: a few bytes can unfold to gigabytes."""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO, Literal

from engine.errors import Problem

Packing = Literal["gzip", "zstd"]
SUFFIXES = {".gz": "gzip", ".gzip": "gzip", ".zst": "zstd", ".zstd": "zstd"}
LEAST = 64 * 2**20
MOST_UNFOLDING = 200
MOST = 64 * 2**30
LARGEST_WINDOW = 2**27
PIECE = 2**16
ZSTD_PIECE = 2**10
"""Four bytes of zstd can stand for 128 KB: so much of it gives 32 MB at most in one step."""


class Damaged(Exception):
    """The archive ends or breaks here; the message says how."""


def packing_of(head: bytes) -> Packing | None:
    """The packing of a file that begins with `head`."""
    if head[:2] == b"\x1f\x8b":
        return "gzip"
    skippable = 0x50 <= (head[0] if head else 0) <= 0x5F and head[1:4] == b"\x2a\x4d\x18"
    return "zstd" if head[:4] == b"\x28\xb5\x2f\xfd" or skippable else None


class Unpacked(io.RawIOBase):
    """The bytes inside `file`, which stands at its start. Reading raises Damaged where the archive
    breaks, and Problem where it unfolds beyond the limit. `done` counts packed bytes."""

    def __init__(self, file: BinaryIO, packing: Packing, path: str) -> None:
        super().__init__()
        self._file, self._packing, self._path = file, packing, path
        self.size, self.done, self.total = os.fstat(file.fileno()).st_size, 0, 0
        self._most = min(MOST, max(LEAST, MOST_UNFOLDING * self.size))
        self._member: Any = None
        self._packed, self._ready = b"", memoryview(b"")
        self._failed: Damaged | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        view, at = memoryview(target).cast("B"), 0
        while at < len(view) and self._more(at):
            count = min(len(view) - at, len(self._ready))
            view[at : at + count] = self._ready[:count]
            self._ready = self._ready[count:]
            at += count
        return at

    def _more(self, filled: int) -> bool:
        """Is there a byte more? What was read before the damage is handed out before it is told."""
        try:
            while not self._ready and not self._failed and self._step():
                pass
        except Damaged as damaged:
            self._failed = damaged
        if self._failed and not self._ready and not filled:
            raise self._failed
        return bool(self._ready)

    def _step(self) -> bool:
        """Unpack the next piece; False at the end of the archive."""
        if not self._packed:
            self._packed = self._file.read(PIECE if self._packing == "gzip" else ZSTD_PIECE)
            self.done += len(self._packed)
        if not self._packed:
            if self._member is not None:
                raise Damaged("is cut off: its end is missing")
            return False
        if self._member is None:
            self._begin()
        out = self._unpack()
        self.total += len(out)
        if self.total > self._most:
            raise self._unfolds()
        self._ready = memoryview(out)
        return True

    def _begin(self) -> None:
        """Open the next member, or pass over the zero bytes that pad the last one."""
        if self.total and not self._packed.strip(b"\0"):
            self._packed = b""
            return
        if self.total and self._packing == "gzip" and self._packed[:1] != b"\x1f":
            raise Damaged("is followed by bytes that are no archive")
        self._member = _MEMBERS[self._packing]()

    def _unpack(self) -> bytes:
        if self._member is None:
            return b""
        try:
            if self._packing == "gzip":
                out = self._member.decompress(self._packed, PIECE * 16)
                self._packed = self._member.unconsumed_tail
            else:
                out = self._member.decompress(self._packed)
                self._packed = b""
        except Exception as error:
            raise Damaged(f"is damaged ({str(error).splitlines()[0][:120]})") from error
        if self._member.eof:
            self._packed = self._member.unused_data
            self._member = None
        return bytes(out)

    def _unfolds(self) -> Problem:
        ratio = self.total / max(1, self.size)
        what = (
            f"the {self._packing} archive unfolds to more than {self._most / 2**20:,.0f} MB, over "
            f"{ratio:,.0f} times its {self.size:,} bytes"
        )
        return Problem(self._path, what, "unpack it yourself if you trust it, and name that file")


def _gzip_member() -> Any:
    return zlib.decompressobj(wbits=31)


def _zstd_member() -> Any:
    import zstandard

    return zstandard.ZstdDecompressor(max_window_size=LARGEST_WINDOW).decompressobj()


_MEMBERS: dict[str, Callable[[], Any]] = {"gzip": _gzip_member, "zstd": _zstd_member}
