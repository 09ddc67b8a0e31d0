"""The rows of a run, kept with it: text and tokens of both sides. A run never needs its source
again."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.data.rows import Row
from engine.errors import Problem
from engine.paths import make_private

if TYPE_CHECKING:
    from engine.data.dataset import Dataset

ROWS, TOKENS, SPLIT = "rows.jsonl", "tokens.safetensors", "split.json"
SIDES = ("train", "eval")
LONGEST_HEAD = 48
"""The id and the side of a row stand within so many letters of its line."""


@dataclass(frozen=True)
class FrozenSide:
    """One side's tokens end to end: row i is `ids[offsets[i]:offsets[i + 1]]`.

    `labels` is True where a token carries loss; `rows` are the record numbers in the source.
    """

    ids: NDArray[np.int32]
    labels: NDArray[np.bool_]
    offsets: NDArray[np.int64]
    rows: list[int]

    def __len__(self) -> int:
        return len(self.offsets) - 1


@dataclass(frozen=True)
class Frozen:
    """Both sides and `split.json`: the summary of the data they came from."""

    train: FrozenSide
    eval: FrozenSide
    info: dict[str, Any]


def freeze(folder: Path, dataset: Dataset) -> None:
    """Write the rows in use into `folder` (0700, files 0600). The tokens come last: with them it
    is whole."""
    from safetensors.numpy import save

    from engine.data.summary import summary

    make_private(folder)
    lines = (
        _line(row, side) for row, side in zip(dataset.rows, dataset.sides, strict=True) if side
    )
    _write(folder / ROWS, "".join(lines).encode("ascii"))
    _write(folder / SPLIT, json.dumps(summary(dataset), indent=1).encode("ascii"))
    arrays = {
        f"{side}.{name}": array for side in SIDES for name, array in _arrays(dataset, side).items()
    }
    _write(folder / TOKENS, save(arrays))


def load_frozen(folder: Path) -> Frozen:
    """Read a run's tokens back. Raises Problem where they are missing or damaged."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays = load((folder / TOKENS).read_bytes())
        info = json.loads((folder / SPLIT).read_text("utf-8"))
        train, held_out = (_side(arrays, side) for side in SIDES)
    except (OSError, ValueError, KeyError, IndexError, SafetensorError) as error:
        raise _damaged(folder, error) from error
    return Frozen(train, held_out, info)


def frozen_rows(folder: Path, side: str, start: int = 0, count: int | None = None) -> list[Row]:
    """The text of one side's rows, in the order of its tokens: `count` of them (None: all) from `start` on."""
    stop = None if count is None else start + count
    try:
        with (folder / ROWS).open(encoding="utf-8") as lines:
            own = (line for line in lines if _is_of(side, line))
            return [Row.from_json(json.loads(line)) for line in islice(own, start, stop)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(folder, error) from error


def frozen_count(folder: Path, side: str) -> int:
    """How many rows a side has."""
    try:
        with (folder / ROWS).open(encoding="utf-8") as lines:
            return sum(_is_of(side, line) for line in lines)
    except (OSError, ValueError) as error:
        raise _damaged(folder, error) from error


def _is_of(side: str, line: str) -> bool:
    """Told by how the line begins: a row's text is not looked at for it. Raises ValueError for a line cut off."""
    if not line.endswith("\n"):
        raise ValueError("its last line is cut off")
    return f'"side": "{side}"' in line[:LONGEST_HEAD]


def _line(row: Row, side: str) -> str:
    return json.dumps({"id": row.id, "side": side, **row.to_json()}) + "\n"


def _arrays(dataset: Dataset, side: str) -> dict[str, NDArray[Any]]:
    at = [i for i, each in enumerate(dataset.sides) if each == side]
    encoded = dataset.encoded
    lengths = encoded.lengths[at] if at else np.zeros(0, np.int64)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    ids, labels = np.empty(offsets[-1], np.int32), np.empty(offsets[-1], np.bool_)
    for place, start, end in zip(at, offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        row = encoded[place]
        ids[start:end], labels[start:end] = row.ids, row.labels
    return {
        "ids": ids,
        "labels": labels,
        "offsets": offsets,
        "rows": np.array([dataset.rows[i].number for i in at], dtype=np.int64),
    }


def _side(arrays: dict[str, NDArray[Any]], side: str) -> FrozenSide:
    ids, labels = arrays[f"{side}.ids"], arrays[f"{side}.labels"]
    offsets, rows = arrays[f"{side}.offsets"], arrays[f"{side}.rows"]
    whole = (
        len(ids) == len(labels) == offsets[-1]
        and offsets[0] == 0
        and bool(np.all(np.diff(offsets) > 0))
        and len(rows) == len(offsets) - 1
    )
    if not whole:
        raise ValueError(f"the arrays of {side} do not fit together")
    return FrozenSide(ids, labels, offsets, [int(n) for n in rows])


def _write(path: Path, content: bytes) -> None:
    """Write beside, then rename: a reader sees the whole file or none."""
    beside = path.with_name(path.name + ".part")
    beside.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise Problem(
            str(path),
            f"cannot be written ({error.strerror})",
            "free some space, or check the permissions",
        ) from error


def _damaged(folder: Path, error: Exception) -> Problem:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return Problem(
        str(folder),
        f"the rows kept with this run cannot be read ({reason})",
        "start a new run from the data",
    )


def iterate(side: FrozenSide) -> Iterator[tuple[NDArray[np.int32], NDArray[np.bool_]]]:
    """The rows of a side as (ids, labels), views into the flat arrays."""
    for start, end in zip(side.offsets[:-1], side.offsets[1:], strict=True):
        yield side.ids[start:end], side.labels[start:end]
