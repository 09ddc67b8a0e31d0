"""The held-out loss: how surprised a model is by answers it was not trained on."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from engine.data.frozen import FrozenSide
from engine.model.loss import label_losses
from engine.train.batches import micro_batches

DRAWS = 256


@dataclass(frozen=True)
class RowLosses:
    """Per row looked at: `rows` (places in the side), `sums` of losses over `counts` label tokens."""

    rows: np.ndarray
    sums: np.ndarray
    counts: np.ndarray

    @property
    def loss(self) -> float:
        """The mean over all label tokens, whatever rows they lie in; NaN when there are none."""
        total = int(self.counts.sum())
        return float(self.sums.sum() / total) if total else math.nan

    def of(self, rows: np.ndarray) -> RowLosses:
        """The same for a part of the rows."""
        keep = np.isin(self.rows, rows)
        return RowLosses(self.rows[keep], self.sums[keep], self.counts[keep])


def quiet(done: int, total: int) -> None:
    """Progress for nobody."""


def held_out_losses(
    model: Any, side: FrozenSide, rows: np.ndarray, budget: int, device: str,
    *, padded: bool, on_progress: Callable[[int, int], None] = quiet,
) -> RowLosses:  # fmt: skip
    """Look at `rows` of a side with `model` as it stands; its training mode is put back afterwards."""
    sums = np.zeros(len(side), dtype=np.float64)
    counts = np.zeros(len(side), dtype=np.int64)
    with evaluating(model):
        micros = micro_batches(side, rows, budget, device, padded=padded)
        for number, micro in enumerate(micros):
            losses = label_losses(model, micro).double().cpu().numpy()
            np.add.at(sums, micro.row_of, losses)
            np.add.at(counts, micro.row_of, 1)
            on_progress(number + 1, len(micros))
    return RowLosses(rows, sums[rows], counts[rows])


@contextlib.contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """No gradients and no dropout inside; the mode before is restored, also after an error."""
    before = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(before)


def representative_part(seen: RowLosses, count: int, seed: int) -> np.ndarray:
    """`count` of the rows looked at whose loss together is nearest to that of all: the best of many draws.

    Looks on the way use this part, so their losses start where the loss of all rows starts.
    """
    if count >= len(seen.rows):
        return seen.rows
    draw = np.random.default_rng([seed, 0xE7A1])
    parts = [np.sort(draw.permutation(seen.rows)[:count]) for _ in range(DRAWS)]
    return min(parts, key=lambda part: abs(seen.of(part).loss - seen.loss))
