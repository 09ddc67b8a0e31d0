"""What a run will do, decided once before its first step from the config, the rows and the machine."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from engine.config import Config
from engine.train.schedule import steps_per_epoch, total_steps, warmup_steps

LOOKS = 12
LEAST_LOOK_ROWS = 8
CPU_BUDGET = 2048
GPU_BUDGET = 16384
LEAST_BUDGET = 256


@dataclass(frozen=True)
class Plan:
    """`eval_steps` are the updates after which held-out rows are looked at (where there are any) and the
    weights are saved, the last one included.

    `eval_rows` rows (a fixed seeded part) are looked at on the way; step 0 and the end use all.
    `estimate` was told before the start, `measured` by the probe; a resume takes both as they are.
    """

    total_steps: int
    steps_per_epoch: int
    warmup_steps: int
    learning_rate: float
    eval_steps: tuple[int, ...]
    eval_rows: int
    token_budget: int
    padded: bool
    device: str
    dtype: str
    threads: int
    checkpointing: bool = False
    attention: str = ""
    estimate: dict[str, Any] = field(default_factory=dict)
    measured: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, tree: dict[str, Any]) -> Plan:
        return cls(**{**tree, "eval_steps": tuple(tree["eval_steps"])})


def eval_steps(every: str | int, total: int, per_epoch: int) -> tuple[int, ...]:
    """The updates after which held-out rows are looked at; the end is always one of them."""
    if every == "off":
        return (total,)
    gap = {"auto": max(1, round(total / LOOKS)), "epoch": per_epoch}.get(str(every)) or int(every)
    return tuple(sorted({*range(gap, total + 1, gap), total}))


def eval_rows(held_out: int, looks: int, trained_rows: int, max_fraction: float) -> int:
    """How many held-out rows a look on the way may use, so that looks take `max_fraction` of the run.

    A row looked at costs a forward pass, a row trained on two to three; two is taken. It is a count
    and not a clock, so that a resumed run looks at the same rows.
    """
    if not held_out or not looks:
        return 0
    allowed = int(max_fraction * 2 * trained_rows / looks)
    return min(held_out, max(LEAST_LOOK_ROWS, allowed))


def make(
    config: Config,
    *,
    train_rows: int,
    held_out: int,
    budget: int,
    checkpointing: bool = False,
    padded: bool,
    device: str,
    dtype: str,
    threads: int,
    attention: str = "",
) -> Plan:
    total = total_steps(config, train_rows)
    per_epoch = steps_per_epoch(train_rows, config.train.batch_size)
    looks = eval_steps(config.eval.every, total, per_epoch)
    trained = min(total * config.train.batch_size, math.ceil(total / per_epoch) * train_rows)
    return Plan(
        total_steps=total,
        steps_per_epoch=per_epoch,
        warmup_steps=warmup_steps(config.train.warmup, total),
        learning_rate=config.learning_rate,
        eval_steps=looks,
        eval_rows=eval_rows(held_out, len(looks), trained, config.eval.max_fraction),
        token_budget=config.runtime.token_budget or budget,
        padded=padded,
        device=device,
        dtype=dtype,
        threads=threads,
        checkpointing=checkpointing,
        attention=attention,
    )
