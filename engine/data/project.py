"""What is kept for a data source beside it: edits, frozen sides, half-made text. The source itself is never written."""

from __future__ import annotations

import hashlib
import json
import os
import re
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from engine import paths
from engine.data.split import FrozenSides
from engine.errors import Problem
from engine.runs.directory import read_json, write_json

EDITS, DRAFT, SOURCE = "edits.jsonl", "draft.json", "source.json"


class Project:
    """The folder (0700) of one source, named after it; made when something is first kept."""

    def __init__(self, source: str) -> None:
        place = Path(source).expanduser()
        self.source = str(place.resolve()) if os.path.lexists(place) else source
        digest = hashlib.sha256(self.source.encode("utf-8", "surrogateescape")).hexdigest()[:10]
        stem = re.sub(r"[^a-z0-9]+", "-", place.stem.lower()).strip("-")[:40] or "data"
        self.folder = paths.projects() / f"{stem}-{digest}"

    def journal(self) -> Iterator[dict[str, Any]]:
        """The edits, in the order made; a torn last line, left by a killed process, is passed over."""
        try:
            lines = (self.folder / EDITS).read_bytes().split(b"\n")
        except OSError:
            return
        for line in lines[:-1]:
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict):
                yield entry

    def append(self, entry: dict[str, Any]) -> None:
        """Keep an edit: on the disk before it counts."""
        self._make()
        path = self.folder / EDITS
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                end = os.fstat(descriptor).st_size
                torn = end and os.pread(descriptor, 1, end - 1) != b"\n"
                data = (b"\n" if torn else b"") + json.dumps(entry).encode("ascii") + b"\n"
                if os.write(descriptor, data) != len(data):
                    os.ftruncate(descriptor, end)
                    raise OSError(28, "no space left on the disk")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise Problem(
                str(path), f"the edit could not be kept ({error.strerror})", "free some space"
            ) from error

    @property
    def draft(self) -> dict[str, Any] | None:
        """Text that was being written when the editor was left or the app killed."""
        return read_json(self.folder / DRAFT) or None

    def keep_draft(self, draft: dict[str, Any] | None) -> None:
        if draft is not None:
            write_json(self._make() / DRAFT, draft)
        else:
            (self.folder / DRAFT).unlink(missing_ok=True)

    def sides(self, seed: int, fraction: float) -> tuple[FrozenSides, list[str]]:
        """Which texts were put on which side before, under this seed and share; a note where what was kept
        is damaged."""
        path = self.folder / _sides_name(seed, fraction)
        try:
            with np.load(path, allow_pickle=False) as kept:
                known, held = kept["known"], kept["held"]
            if known.dtype != np.uint64 or held.dtype != np.bool_ or known.shape != held.shape:
                raise ValueError
        except FileNotFoundError:
            return FrozenSides.none(), []
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
            note = f"the kept sides ({path}) are damaged: the rows were divided anew"
            return FrozenSides.none(), [note]
        return FrozenSides(known, held), []

    def keep_sides(self, seed: int, fraction: float, sides: FrozenSides) -> None:
        path = self._make() / _sides_name(seed, fraction)
        partial = path.with_name(f".{uuid.uuid4().hex[:8]}.npz")
        try:
            np.savez(partial, known=sides.known, held=sides.held)
            partial.chmod(0o600)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    def _make(self) -> Path:
        paths.make_private(self.folder)
        if not (self.folder / SOURCE).exists():
            write_json(self.folder / SOURCE, {"source": self.source})
        return self.folder


class Unkept(Project):
    """The same, but nothing that is done is kept: for work on a copy."""

    def append(self, entry: dict[str, Any]) -> None:
        pass

    def keep_draft(self, draft: dict[str, Any] | None) -> None:
        pass

    def keep_sides(self, seed: int, fraction: float, sides: FrozenSides) -> None:
        pass


def _sides_name(seed: int, fraction: float) -> str:
    return f"sides-{seed}-{fraction:g}.npz"
