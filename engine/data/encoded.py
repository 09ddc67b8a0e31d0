"""The tokens of all rows, end to end in flat arrays: in memory while they are few, else in a file of the cache."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from engine import paths
from engine.data import tool_text
from engine.data.rows import Row
from engine.data.template import Unrenderable
from engine.data.tokens import BATCH, Encoded, cut, encode_rows
from engine.runs.directory import read_json, write_json

FEW = 20_000
"""Up to so many rows are kept in memory; more are worth a file."""
KEPT_FILES = 4
ROWS_AT_ONCE = 65_536
PARTS: tuple[tuple[str, type[np.generic]], ...] = (
    ("ids", np.int32),
    ("labels", np.bool_),
    ("lengths", np.int64),
)
NOTHING = Encoded(np.zeros(0, np.int32), np.zeros(0, np.bool_), 0)


class EncodedRows(Sequence[Encoded]):
    """Row i's tokens are `ids[offsets[i]:offsets[i + 1]]`, given back cut to `max_length`.

    `refused` says why the template refuses a row, which then has no tokens. `edited` stands in for rows that
    were changed or added (positions behind the source's rows).
    """

    def __init__(
        self,
        ids: NDArray[np.int32],
        labels: NDArray[np.bool_],
        offsets: NDArray[np.int64],
        refused: Mapping[int, str],
        edited: Mapping[int, Encoded] | None = None,
        max_length: int | None = None,
    ) -> None:
        self._ids, self._labels, self._offsets = ids, labels, offsets
        self._edited = edited or {}
        self.refused, self.max_length = refused, max_length
        self._count = max(len(offsets) - 1, 1 + max(self._edited, default=-1))

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> Encoded: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Encoded]: ...
    def __getitem__(self, place: int | slice) -> Encoded | Sequence[Encoded]:
        if isinstance(place, slice):
            return [self[at] for at in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        place %= len(self)
        edited = self._edited.get(place)
        if edited is None:
            start, end = self._offsets[place], self._offsets[place + 1]
            ids = np.asarray(self._ids[start:end])
            edited = Encoded(ids, np.asarray(self._labels[start:end]), len(ids))
        return cut(edited, self.max_length)

    def __iter__(self) -> Iterator[Encoded]:
        return (self[place] for place in range(len(self)))

    @property
    def full_lengths(self) -> NDArray[np.int64]:
        """Tokens of each row before anything is cut."""
        return self._with_edits(np.diff(self._offsets), lambda encoded: encoded.full_length)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each row as it is trained."""
        full = self.full_lengths
        return full if self.max_length is None else np.minimum(full, self.max_length)

    @property
    def label_counts(self) -> NDArray[np.int64]:
        """Tokens that carry loss, of each row as it is trained."""
        counts = np.zeros(len(self._offsets) - 1, np.int64)
        for first in range(0, len(counts), ROWS_AT_ONCE):
            some = slice(first, first + ROWS_AT_ONCE)
            counts[some] = self._count_labels(self._offsets[first : first + ROWS_AT_ONCE + 1])
        limit = self.max_length
        return self._with_edits(counts, lambda encoded: int(cut(encoded, limit).labels.sum()))

    def prompt_lengths(self, window: int) -> NDArray[np.int64]:
        """Tokens before the first that carries loss, of rows longer than `window`; 0 for all others."""
        found = np.zeros(len(self), np.int64)
        whole = self.cut_to(2**31)
        for place in np.flatnonzero(self.full_lengths > window).tolist():
            labels = whole[place].labels
            found[place] = int(labels.argmax()) if labels.any() else len(labels)
        return found

    def _count_labels(self, offsets: NDArray[np.int64]) -> NDArray[np.int64]:
        """Tokens that carry loss in each of some rows that lie one after another."""
        labels = np.append(self._labels[offsets[0] : offsets[-1]], False)
        starts, ends = offsets[:-1] - offsets[0], offsets[1:] - offsets[0]
        if self.max_length is not None:
            ends = np.minimum(ends, starts + self.max_length)
        counts = np.zeros(len(starts), np.int64)
        filled = ends > starts
        if filled.any():
            # sums over each row's [start, end); every second one is the gap to the next row
            edges = np.stack([starts[filled], ends[filled]], axis=1).ravel()
            counts[filled] = np.add.reduceat(labels, edges, dtype=np.int64)[::2]
        return counts

    def cut_to(self, max_length: int) -> EncodedRows:
        """The same rows, none longer than `max_length`."""
        return EncodedRows(
            self._ids, self._labels, self._offsets, self.refused, self._edited, max_length
        )

    def with_edits(self, edited: Mapping[int, Encoded | Unrenderable]) -> EncodedRows:
        """The same rows, those at the positions of `edited` replaced or added behind."""
        refused = {place: why for place, why in self.refused.items() if place not in edited}
        tokens: dict[int, Encoded] = {}
        for place, result in edited.items():
            if isinstance(result, Unrenderable):
                refused[place], tokens[place] = str(result), NOTHING
            else:
                tokens[place] = result
        return EncodedRows(self._ids, self._labels, self._offsets, refused, tokens, self.max_length)

    def _with_edits(
        self, counts: NDArray[np.int64], count: Callable[[Encoded], int]
    ) -> NDArray[np.int64]:
        whole = np.zeros(len(self), np.int64)
        whole[: len(counts)] = counts
        for place, encoded in self._edited.items():
            whole[place] = count(encoded)
        return whole


class EncodedOnDemand(EncodedRows):
    """Rows whose tokens were not counted yet: each is tokenised when it is looked at, and no length is known."""

    def __init__(self, tokenizer: Any, rows: Sequence[Row], max_length: int) -> None:
        none = np.zeros(0, np.int32), np.zeros(0, np.bool_), np.zeros(len(rows) + 1, np.int64)
        super().__init__(*none, {}, max_length=max_length)
        self._tokenizer, self._rows = tokenizer, rows

    @overload
    def __getitem__(self, place: int) -> Encoded: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Encoded]: ...
    def __getitem__(self, place: int | slice) -> Encoded | Sequence[Encoded]:
        if isinstance(place, slice):
            return [self[at] for at in range(*place.indices(len(self)))]
        (result,) = encode_rows(self._tokenizer, [self._rows[place]], self.max_length)
        return NOTHING if isinstance(result, Unrenderable) else result


def encode_all(
    tokenizer: Any, rows: Sequence[Row], name: str, on_progress: Callable[[int, int], None]
) -> EncodedRows:
    """Tokens of all rows in one pass, or as a pass before left them in the cache under `name`."""
    kept = _kept(name) if len(rows) > FEW else None
    if kept is not None:
        return kept
    folder = paths.make_private(paths.cache() / "tokens" / f".{uuid.uuid4().hex[:8]}")
    try:
        refused = _write(folder, tokenizer, rows, on_progress)
        if len(rows) <= FEW:
            return _read(folder, refused, in_memory=True)
        write_json(folder / "refused.json", {str(place): why for place, why in refused.items()})
        final = folder.with_name(name)
        shutil.rmtree(final, ignore_errors=True)
        folder.rename(final)
        _sweep(final.parent, final)
        return _read(final, refused, in_memory=False)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def cache_name(tokenizer: Any, template: str, system: str | None, ids: NDArray[np.uint64]) -> str:
    """What decides the tokens: the tokenizer, the template, the system prompt put in, the rows' ids."""
    digest = hashlib.sha256(ids.tobytes())
    backend = getattr(tokenizer, "backend_tokenizer", None)
    digest.update(backend.to_str().encode() if backend is not None else repr(tokenizer).encode())
    words = [tool_text.INTRODUCTION, tool_text.INSTRUCTION]
    digest.update(json.dumps([template, system, words]).encode())
    return digest.hexdigest()[:32]


def _write(
    folder: Path, tokenizer: Any, rows: Sequence[Row], on_progress: Callable[[int, int], None]
) -> dict[int, str]:
    refused: dict[int, str] = {}
    files = [(folder / name).open("wb") for name, _ in PARTS]
    try:
        for start in range(0, len(rows), BATCH):
            on_progress(start, len(rows))
            batch = encode_rows(tokenizer, rows[start : start + BATCH], None)
            good = [NOTHING if isinstance(each, Unrenderable) else each for each in batch]
            refused.update(
                (start + at, str(each))
                for at, each in enumerate(batch)
                if isinstance(each, Unrenderable)
            )
            np.concatenate([each.ids for each in good]).tofile(files[0])
            np.concatenate([each.labels for each in good]).tofile(files[1])
            np.array([len(each.ids) for each in good], np.int64).tofile(files[2])
    finally:
        for file in files:
            file.close()
    on_progress(len(rows), len(rows))
    return refused


def _kept(name: str) -> EncodedRows | None:
    folder = paths.cache() / "tokens" / name
    if not (folder / "lengths").exists():
        return None
    os.utime(folder)
    tree = read_json(folder / "refused.json")
    return _read(folder, {int(place): why for place, why in tree.items()}, in_memory=False)


def _read(folder: Path, refused: Mapping[int, str], *, in_memory: bool) -> EncodedRows:
    ids, labels, lengths = (
        np.fromfile(folder / name, dtype)
        if in_memory or not (folder / name).stat().st_size
        else np.memmap(folder / name, dtype, mode="r")
        for name, dtype in PARTS
    )
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    return EncodedRows(ids, labels, offsets, refused)


def _sweep(folder: Path, newest: Path) -> None:
    """Keep the files of the last few sources."""
    others = [path for path in folder.iterdir() if path != newest and not path.name.startswith(".")]
    for path in sorted(others, key=lambda path: -path.stat().st_mtime)[KEPT_FILES - 1 :]:
        shutil.rmtree(path, ignore_errors=True)
