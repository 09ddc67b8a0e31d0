"""The plan measured before step 0, on this machine, with the run's own rows and weights.

Two micro-batches (about a quarter and a half of the budget) give memory and time as lines over tokens; a batch of
held-out rows and a save are tried too. Gradients are thrown away and no random number is drawn from the run's
generators, so the run is the same to the bit with and without it.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from engine import events
from engine.data.frozen import FrozenSide
from engine.errors import Problem
from engine.judge.held_out import held_out_losses
from engine.model.loss import label_loss
from engine.runs import directory
from engine.train import checkpoint, machine, rates
from engine.train.batches import cut, cut_padded, micro_batches, rows_of_step
from engine.train.estimate import GB, SHARE_OF_FREE, START_SECONDS
from engine.train.memory import again_with_room, give_back, within_memory
from engine.train.plan import CPU_BUDGET, GPU_BUDGET, LEAST_BUDGET

if TYPE_CHECKING:
    from engine.train.loop import Job

STEPS_LOOKED_AT = 64
WRITTEN = 256 << 20
"""A larger save is counted from its tensors instead of written."""
SHARE_OF_RUN = 0.03
"""Where memory is plentiful, no more than this part of the run's work is spent on the probe."""
PLENTY = 0.5


@dataclass(frozen=True)
class Part:
    """One micro-batch forward and backward: its tokens, the most memory meanwhile in bytes, its seconds."""

    tokens: int
    peak: int
    seconds: float


@dataclass(frozen=True)
class Line:
    """base + slope * tokens"""

    base: float
    slope: float

    def at(self, tokens: int) -> float:
        return self.base + self.slope * tokens


def probe(job: Job) -> None:
    """Measure, choose the token budget by it, write the plan down and report it.

    Raises Problem where memory or disk cannot hold the run. A plan that was measured before stays as it is.
    """
    job.optimizer.fill()
    if job.plan.measured:
        return
    job.report.say(events.PhaseBegan("planning"))
    saved = saved_bytes(job)
    refuse_full_disk(job, saved)
    skipped = needless(job)
    if skipped:
        measured: dict[str, Any] = {"skipped": skipped, "saved_bytes": saved}
    else:
        with unnoticed(job):
            measured = measure(job, saved)
    job.plan = replace(job.plan, measured=measured, token_budget=budget_by(job, measured))
    directory.write_json(job.run / directory.PLAN, job.plan.to_json())
    job.report.say(plan_event(job))


def plan_event(job: Job) -> events.Plan:
    """What is known of the run so far: as measured, else as estimated."""
    plan = job.plan
    known = plan.measured if "peak_bytes" in plan.measured else plan.estimate
    choices = plan.to_json()
    del choices["estimate"], choices["measured"]
    trained = sum(p.numel() for p in job.optimizer.parameters.values())
    choices["trained_share"] = trained / max(1, sum(p.numel() for p in job.model.parameters()))
    choices["trained_weights"] = trained
    if "skipped" in plan.measured:
        choices["probe"] = f"skipped: {plan.measured['skipped']}"
    return events.Plan(
        token_budget=plan.token_budget,
        peak_bytes=int(known.get("peak_bytes", 0)),
        seconds=float(known.get("seconds", 0.0)),
        choices=choices,
        estimate=plan.estimate,
        measured=plan.measured,
    )


# ---------------------------------------------------------------- measuring


class unnoticed:  # noqa: N801
    """Inside, gradients and random numbers may be made; after it, everything is as before."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def __enter__(self) -> None:
        self._cpu = torch.get_rng_state()
        on_gpu = self._job.plan.device.startswith("cuda")
        self._gpu = torch.cuda.get_rng_state(self._job.plan.device) if on_gpu else None

    def __exit__(self, *_: object) -> None:
        give_back(self._job)
        torch.set_rng_state(self._cpu)
        if self._gpu is not None:
            torch.cuda.set_rng_state(self._gpu, self._job.plan.device)


def measure(job: Job, saved: int) -> dict[str, Any]:
    """What was measured, by part, as `plan.json` keeps it."""
    device = job.plan.device
    machine.reset_peak(device)
    held = machine.memory_bytes(device)
    first, second = within_memory(job, lambda: two_parts(job))
    memory, seconds = memory_line(job, first, second), time_line(first, second)
    tokens = largest_part(job, job.plan.token_budget)
    gradients = sum(m.numel() * 4 for m in job.optimizer.masters.values())
    give_back(job)
    look = _peak(job, lambda: within_memory(job, lambda: held_out_batch(job)))
    save = held
    if saved <= WRITTEN:
        save = _peak(job, lambda: _write_a_save(job))
    peak = max(int(memory.at(tokens)), look, save)
    return {
        "token_budget": job.plan.token_budget,
        "peak_bytes": peak,
        "seconds": round(run_seconds(job, seconds.at(tokens) / tokens), 1),
        "parts": {
            "held": held,
            "gradients": gradients,
            "activations and loss": max(0, int(memory.at(tokens)) - held - gradients),
        },
        "largest_part": tokens,
        "look_bytes": look,
        "save_bytes": save,
        "save": "written" if saved <= WRITTEN else "counted",
        "saved_bytes": saved,
        "memory": [memory.base, memory.slope],
        "time": [seconds.base, seconds.slope],
        "micro_batches": [[p.tokens, p.peak, round(p.seconds, 3)] for p in (first, second)],
    }


def two_parts(job: Job) -> tuple[Part, Part]:
    """Forward and backward over about a quarter, then about half of the largest part of an update."""
    tokens = largest_part(job, job.plan.token_budget)
    return try_part(job, tokens // 4), try_part(job, tokens // 2)


def try_part(job: Job, tokens: int) -> Part:
    """One micro-batch of the first rows that the run will see, of at most `tokens` (at least one row)."""
    plan, side = job.plan, job.data.train
    rows = first_rows(job, tokens)
    (micro,) = micro_batches(side, rows, 1 << 40, plan.device, padded=plan.padded)
    machine.reset_peak(plan.device)
    began = time.perf_counter()
    loss = label_loss(job.model, micro)
    (loss / max(1, micro.label_tokens)).backward()
    peak = machine.peak_bytes(plan.device)
    took = time.perf_counter() - began
    give_back(job)
    return Part(micro.input_ids.numel(), peak, took)


def first_rows(job: Job, tokens: int) -> np.ndarray:
    """Rows in the order of training, as many as `tokens` hold; padding counts where rows are padded."""
    train, side = job.config.train, job.data.train
    found: list[int] = []
    total = longest = 0
    for step in range(STEPS_LOOKED_AT):
        for row in rows_of_step(step, len(side), train.batch_size, train.seed, train.shuffle):
            length = _length(side, int(row))
            longest = max(longest, length)
            total = longest * (len(found) + 1) if job.plan.padded else total + length
            if found and total > tokens:
                return np.array(found)
            if int(row) in found:
                return np.array(found)
            found.append(int(row))
    return np.array(found)


def largest_part(job: Job, budget: int) -> int:
    """Tokens of the largest micro-batch among the first updates, cut with this budget."""
    train, side, cutter = job.config.train, job.data.train, cut_padded if job.plan.padded else cut
    most = 0
    for step in range(min(STEPS_LOOKED_AT, job.plan.total_steps)):
        rows = rows_of_step(step, len(side), train.batch_size, train.seed, train.shuffle)
        lengths = [_length(side, int(row)) for row in rows]
        for members in cutter(lengths, budget):
            held = [lengths[m] for m in members]
            most = max(most, max(held) * len(held) if job.plan.padded else sum(held))
    return most


def memory_line(job: Job, first: Part, second: Part) -> Line:
    """Through both points; where the first one's memory lay in what was free already, the estimate gives the slope."""
    told = job.plan.estimate
    expected = float(told.get("a_token", 0.0))
    slope = (second.peak - first.peak) / max(1, second.tokens - first.tokens)
    if slope < expected / 2:
        slope = expected
    return Line(second.peak - slope * second.tokens, slope)


def time_line(first: Part, second: Part) -> Line:
    """Through both points; where the first was slowed by beginnings, the second alone."""
    alone = second.seconds / second.tokens
    slope = (second.seconds - first.seconds) / max(1, second.tokens - first.tokens)
    if not 0.5 * alone <= slope <= alone:
        return Line(0.0, alone)
    return Line(second.seconds - slope * second.tokens, slope)


def held_out_batch(job: Job) -> None:
    """One look at as many held-out rows as half the budget holds."""
    side, plan = job.data.eval, job.plan
    if not len(side):
        return
    rows, tokens = 1, _length(side, 0)
    while rows < len(side) and tokens + _length(side, rows) <= plan.token_budget // 2:
        tokens, rows = tokens + _length(side, rows), rows + 1
    held_out_losses(
        job.model, side, np.arange(rows), plan.token_budget, plan.device, padded=plan.padded
    )


def _write_a_save(job: Job) -> None:
    again_with_room(
        job, lambda: checkpoint.try_out(job.run, job.model, job.tokenizer, job.optimizer)
    )


def _peak(job: Job, work: Callable[[], object]) -> int:
    """The most memory while `work` is done."""
    machine.reset_peak(job.plan.device)
    work()
    return machine.peak_bytes(job.plan.device)


def _length(side: FrozenSide, row: int) -> int:
    return int(side.offsets[row + 1] - side.offsets[row])


# ---------------------------------------------------------------- deciding


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


def budget_by(job: Job, measured: dict[str, Any]) -> int:
    """The token budget: what fits by the measured line, at most the usual; one asked for is kept where it fits.

    Raises Problem where not even the least fits.
    """
    now: int = job.plan.token_budget
    asked = job.config.runtime.token_budget
    if "memory" not in measured:
        return now
    line = Line(*measured["memory"])
    free, _ = machine.room(job.plan.device)
    most = SHARE_OF_FREE * free
    fits = int((most - line.base) / max(line.slope, 1.0)) // 64 * 64
    least = max(LEAST_BUDGET, largest_part(job, LEAST_BUDGET))
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
    told, plan = job.plan.estimate, job.plan
    work = float(told.get("work_a_token", 0.0))
    if work:
        rates.remember(
            machine.device_name(plan.device), plan.dtype, job.config.method.name,
            job.model.config.get_text_config().hidden_size, work / a_token,
        )  # fmt: skip
    return (
        START_SECONDS
        + a_token * float(told.get("tokens", 0.0))
        + float(told.get("save_seconds", 0.0))
    )
