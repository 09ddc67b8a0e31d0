"""Which rows each update sees, and how they are cut into micro-batches.

Order is a pure function of (seed, epoch): nothing is carried from step to step, so resuming needs
only the step's number. Cutting changes memory and speed, never the mathematics.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from engine.data.frozen import FrozenSide
from engine.model.documents import Documents
from engine.train.schedule import steps_per_epoch


@dataclass(frozen=True)
class MicroBatch:
    """Rows for one forward pass, either end to end or padded.

    End to end: `input_ids` and `position_ids` are (1, T), `documents` says where rows lie.
    Padded: `input_ids` and `attention_mask` are (rows, longest), `documents` is None.
    The label tokens are `targets` (labels,), predicted at `column` of `line`; `row_of` names the row
    of the side that each belongs to. `tokens` counts real tokens.
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor | None
    attention_mask: torch.Tensor | None
    documents: Documents | None
    line: torch.Tensor
    column: torch.Tensor
    targets: torch.Tensor
    row_of: np.ndarray
    tokens: int

    @property
    def label_tokens(self) -> int:
        return len(self.row_of)


def rows_of_step(step: int, rows: int, batch_size: int, seed: int, shuffle: bool) -> np.ndarray:
    """The rows of update `step` (counted from 0); an epoch's last batch may be smaller."""
    epoch, place = divmod(step, steps_per_epoch(rows, batch_size))
    order = np.random.default_rng([seed, epoch]).permutation(rows) if shuffle else np.arange(rows)
    return order[place * batch_size : (place + 1) * batch_size]


def cut(lengths: list[int], budget: int) -> list[list[int]]:
    """Bins of places whose lengths sum to at most `budget` (a longer row has a bin of its own).

    First fit, longest first: few bins, and rows of like length together.
    """
    bins: list[list[int]] = []
    room: list[int] = []
    for place in sorted(range(len(lengths)), key=lambda p: (-lengths[p], p)):
        need = lengths[place]
        fits = next((b for b, left in enumerate(room) if need <= left), None)
        if fits is None:
            bins.append([place])
            room.append(budget - need)
        else:
            bins[fits].append(place)
            room[fits] -= need
    return bins


def cut_padded(lengths: list[int], budget: int) -> list[list[int]]:
    """The same for padded rows: rows times the longest is at most `budget`."""
    bins: list[list[int]] = []
    for place in sorted(range(len(lengths)), key=lambda p: (-lengths[p], p)):
        if bins and (len(bins[-1]) + 1) * lengths[bins[-1][0]] <= budget:
            bins[-1].append(place)
        else:
            bins.append([place])
    return bins


def micro_batches(
    side: FrozenSide, rows: np.ndarray, budget: int, device: str, *, padded: bool = False
) -> list[MicroBatch]:
    """Cut `rows` of a side into micro-batches of at most `budget` tokens, on `device`."""
    lengths = [int(side.offsets[r + 1] - side.offsets[r]) for r in rows]
    bins = cut_padded(lengths, budget) if padded else cut(lengths, budget)
    make = _padded if padded else _end_to_end
    return [make(side, [int(rows[place]) for place in members], device) for members in bins]


def _end_to_end(side: FrozenSide, rows: list[int], device: str) -> MicroBatch:
    pieces = [slice(int(side.offsets[r]), int(side.offsets[r + 1])) for r in rows]
    lengths = [piece.stop - piece.start for piece in pieces]
    ids = np.concatenate([side.ids[piece] for piece in pieces]).astype(np.int64)
    column, row_of = _predicting(side, rows, pieces)
    column += np.repeat(np.cumsum([0, *lengths[:-1]]), [_labels(side, p) for p in pieces])
    return MicroBatch(
        input_ids=torch.from_numpy(ids).unsqueeze(0).to(device),
        position_ids=torch.cat([torch.arange(n) for n in lengths]).unsqueeze(0).to(device),
        attention_mask=None,
        documents=Documents(tuple(lengths), device),
        line=torch.zeros(len(column), dtype=torch.long, device=device),
        column=torch.from_numpy(column).to(device),
        targets=torch.from_numpy(ids[column + 1]).to(device),
        row_of=row_of,
        tokens=len(ids),
    )


def _padded(side: FrozenSide, rows: list[int], device: str) -> MicroBatch:
    pieces = [slice(int(side.offsets[r]), int(side.offsets[r + 1])) for r in rows]
    lengths = [piece.stop - piece.start for piece in pieces]
    ids = np.zeros((len(rows), max(lengths)), dtype=np.int64)
    mask = np.zeros_like(ids)
    for line, piece in enumerate(pieces):
        ids[line, : lengths[line]] = side.ids[piece]
        mask[line, : lengths[line]] = 1
    column, row_of = _predicting(side, rows, pieces)
    line_of = np.repeat(np.arange(len(rows)), [_labels(side, p) for p in pieces])
    return MicroBatch(
        input_ids=torch.from_numpy(ids).to(device),
        position_ids=None,
        attention_mask=torch.from_numpy(mask).to(device),
        documents=None,
        line=torch.from_numpy(line_of).to(device),
        column=torch.from_numpy(column).to(device),
        targets=torch.from_numpy(ids[line_of, column + 1]).to(device),
        row_of=row_of,
        tokens=sum(lengths),
    )


def _labels(side: FrozenSide, piece: slice) -> int:
    """Label tokens of a row; its first token has nothing before it to predict it from."""
    return int(side.labels[piece][1:].sum())


def _predicting(
    side: FrozenSide, rows: list[int], pieces: list[slice]
) -> tuple[np.ndarray, np.ndarray]:
    """Within each row, the places that predict a label token, and the row of each."""
    columns = [np.flatnonzero(side.labels[piece][1:]).astype(np.int64) for piece in pieces]
    return np.concatenate(columns), np.repeat(rows, [len(c) for c in columns])
