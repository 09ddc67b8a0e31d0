"""How many updates a run has, and the learning rate of each: pure functions, no torch."""

from __future__ import annotations

import math
from typing import Literal

from engine.config import Config

Schedule = Literal["cosine", "linear", "constant"]


def steps_per_epoch(rows: int, batch_size: int) -> int:
    """An epoch's last batch may be smaller."""
    return math.ceil(rows / batch_size)


def total_steps(config: Config, train_rows: int) -> int:
    """Updates in the whole run; a part of an epoch counts the updates that it needs."""
    train = config.train
    if train.max_steps is not None:
        return train.max_steps
    return max(1, math.ceil(train.epochs * steps_per_epoch(train_rows, train.batch_size)))


def warmup_steps(warmup: float, total_steps: int) -> int:
    """Below 1 a share of all steps, rounded up; from 1 on a count."""
    steps = math.ceil(warmup * total_steps) if warmup < 1 else int(warmup)
    return min(steps, total_steps)


def learning_rate(
    step: int, total_steps: int, peak: float, schedule: Schedule, warmup: float
) -> float:
    """The rate of update `step` (from 0): climbs linearly to `peak`, then goes down towards 0."""
    rising = warmup_steps(warmup, total_steps)
    if step < rising:
        return peak * (step + 1) / rising
    progress = (step - rising) / max(1, total_steps - rising)
    if schedule == "constant":
        return peak
    if schedule == "linear":
        return peak * (1 - progress)
    return peak * 0.5 * (1 + math.cos(math.pi * progress))
