"""What a run may use and what it will: whether it fits in memory and on the disk, its token budget, its time."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine import events
from engine.data.frozen import FrozenSide
from engine.errors import Problem
from engine.train import machine, rates
from engine.train.batches import cut, cut_padded, rows_of_step
from engine.train.estimate import GB, SHARE_OF_FREE, START_SECONDS
from engine.train.plan import CPU_BUDGET, GPU_BUDGET, LEAST_BUDGET

if TYPE_CHECKING:
    from engine.train.loop import Job

STEPS_LOOKED_AT = 64
SHARE_OF_RUN = 0.03
"""Where memory is plentiful, no more than this part of the run's work is spent on measuring it."""
PLENTY = 0.5


@dataclass(frozen=True)
class Line:
    """base + slope * tokens"""

    base: float
    slope: float

    def at(self, tokens: int) -> float:
        return self.base + self.slope * tokens


def needless(job: Job) -> str:
    """Why nothing need be measured: a short run that surely fits. Empty where the probe pays."""
    peak = int(job.plan.estimate.get("peak_bytes", 0))
    free, _ = machine.room(job.plan.device)
    if not peak or peak > PLENTY * free:
        return ""
    side = job.data.train
    trained = job.plan.total_steps / job.plan.steps_per_epoch * len(side.ids)
    share = 0.75 * largest_part(job, job.plan.token_budget) / trained
    if share <= SHARE_OF_RUN:
        return ""
    return (
        f"it would be {100 * share:.0f}% of the run's work, and the {peak / GB:.1f} GB that the run may need "
        f"are less than half of the {free / GB:.1f} GB free"
    )


def budget_by(job: Job, line: Line) -> int:
    """The token budget: what fits by the measured line, at most the usual; one asked for is kept where it fits.

    Raises Problem where not even the least fits.
    """
    asked = job.config.runtime.token_budget
    free, _ = machine.room(job.plan.device)
    most = SHARE_OF_FREE * free
    fits = int((most - line.base) / max(line.slope, 1.0)) // 64 * 64
    least = largest_part(job, min(LEAST_BUDGET, asked or LEAST_BUDGET))
    if line.at(least) > free:
        raise Problem(
            "memory",
            f"the smallest part of an update ({least:,} tokens) needs {line.at(least) / GB:.1f} GB "
            f"and there are {free / GB:.1f} GB",
            "lower data.max_length, train with method.name lora, or choose a smaller model",
        )
    wanted = asked or (GPU_BUDGET if job.plan.device.startswith("cuda") else CPU_BUDGET)
    if asked and fits < asked:
        said = (
            f"runtime.token_budget {asked:,} does not fit in {most / GB:.1f} GB: {fits:,} are used"
        )
        job.report.say(events.Warned(code="memory", message=f"{said}, the mathematics stays"))
    return min(wanted, max(fits, LEAST_BUDGET))


def saved_bytes(job: Job) -> int:
    """A checkpoint's size, counted from the tensors that will be in it."""
    model = job.model
    whole = not hasattr(model, "peft_config")
    weights = {
        p.data_ptr(): p.numel() * p.element_size()
        for p in model.parameters()
        if whole or p.requires_grad
    }
    state = sum(t.numel() * t.element_size() for t in job.optimizer.state().values())
    return int(sum(weights.values()) + state)


def refuse_full_disk(job: Job, saved: int) -> None:
    """Raise Problem where the disk cannot hold the checkpoints kept, the best and the one being written."""
    kept = min(job.config.save.keep + 2, len(job.plan.eval_steps) + 1)
    free = shutil.disk_usage(job.run).free
    if kept * saved > free:
        raise Problem(
            f"disk: {job.run}",
            f"{kept} checkpoints of {saved / GB:.2f} GB each do not fit in the {free / GB:.2f} GB free",
            "free disk space, lower save.keep, or set FINETUI_HOME to a larger disk",
        )


def run_seconds(job: Job, a_token: float) -> float:
    """The whole run at so many seconds a token; what the estimate knows of looks and saves is kept in proportion."""
    told = job.plan.estimate
    remember_rate(job, a_token)
    return (
        START_SECONDS
        + a_token * float(told.get("tokens", 0.0))
        + float(told.get("save_seconds", 0.0))
    )


def remember_rate(job: Job, a_token: float) -> None:
    """Keep how fast this machine is at such a model, for the next estimate."""
    work = float(job.plan.estimate.get("work_a_token", 0.0))
    if work and a_token:
        hidden = int(job.model.config.get_text_config().hidden_size)
        device = machine.device_name(job.plan.device)
        rates.remember(device, job.plan.dtype, job.config.method.name, hidden, work / a_token)


def largest_part(job: Job, budget: int) -> int:
    """Tokens of the largest micro-batch among the first updates, cut with this budget."""
    train, side, cutter = job.config.train, job.data.train, cut_padded if job.plan.padded else cut
    most = 0
    for step in range(min(STEPS_LOOKED_AT, job.plan.total_steps)):
        rows = rows_of_step(step, len(side), train.batch_size, train.seed, train.shuffle)
        lengths = [length(side, int(row)) for row in rows]
        for members in cutter(lengths, budget):
            held = [lengths[m] for m in members]
            most = max(most, max(held) * len(held) if job.plan.padded else sum(held))
    return most


def length(side: FrozenSide, row: int) -> int:
    """Tokens of a row."""
    return int(side.offsets[row + 1] - side.offsets[row])
