"""The plan measured before step 0, on this machine, with the run's own rows and weights.

Two micro-batches (about a quarter and a half of the budget) give memory and time as lines over tokens; a batch of
held-out rows and a save are tried too. Gradients are thrown away and no random number is drawn from the run's
generators, so the run is the same to the bit with and without it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from engine import events
from engine.judge.held_out import held_out_losses
from engine.model.loss import label_loss
from engine.runs import directory
from engine.train import checkpoint, machine
from engine.train.afford import (
    STEPS_LOOKED_AT,
    Line,
    budget_by,
    largest_part,
    length,
    needless,
    refuse_full_disk,
    run_seconds,
    saved_bytes,
)  # fmt: skip
from engine.train.batches import micro_batches, rows_of_step
from engine.train.memory import again_with_room, give_back, within_memory

if TYPE_CHECKING:
    from engine.train.loop import Job

WRITTEN = 256 << 20
"""A larger save is counted from its tensors instead of written."""


@dataclass(frozen=True)
class Part:
    """One micro-batch forward and backward: its tokens, the most memory meanwhile in bytes, its seconds."""

    tokens: int
    peak: int
    seconds: float


@dataclass(frozen=True)
class Measured:
    """`held` bytes before anything ran; `look` and `save` the most meanwhile; memory and time over tokens."""

    held: int
    gradients: int
    look: int
    save: int
    memory: Line
    seconds: Line
    parts: tuple[Part, Part]

    def peak(self, tokens: int) -> int:
        return max(int(self.memory.at(tokens)), self.look, self.save)


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
        told: dict[str, Any] = {"skipped": skipped, "saved_bytes": saved}
    else:
        with unnoticed(job):
            found = measure(job, saved)
        job.plan = replace(job.plan, token_budget=budget_by(job, found.memory))
        told = told_by_part(job, found, saved)
    job.plan = replace(job.plan, measured=told)
    directory.write_json(job.run / directory.PLAN, job.plan.to_json())
    job.report.say(plan_event(job))


def told_by_part(job: Job, found: Measured, saved: int) -> dict[str, Any]:
    """What was measured, by part, as `plan.json` keeps it: at the budget that was chosen."""
    tokens = largest_part(job, job.plan.token_budget)
    activations = int(found.memory.at(tokens)) - found.held - found.gradients
    return {
        "token_budget": job.plan.token_budget,
        "peak_bytes": found.peak(tokens),
        "seconds": round(run_seconds(job, found.seconds.at(tokens) / tokens), 1),
        "parts": {
            "held": found.held,
            "gradients": found.gradients,
            "activations and loss": max(0, activations),
        },
        "largest_part": tokens,
        "look_bytes": found.look,
        "save_bytes": found.save,
        "save": "written" if saved <= WRITTEN else "counted",
        "saved_bytes": saved,
        "memory": [found.memory.base, found.memory.slope],
        "time": [found.seconds.base, found.seconds.slope],
        "micro_batches": [[p.tokens, p.peak, round(p.seconds, 3)] for p in found.parts],
    }


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


def measure(job: Job, saved: int) -> Measured:
    """Two micro-batches, a batch of held-out rows, a save."""
    device = job.plan.device
    held = machine.memory_bytes(device)
    parts = within_memory(job, lambda: two_parts(job))
    look = _peak(job, lambda: within_memory(job, lambda: held_out_batch(job)))
    return Measured(
        held=held,
        gradients=sum(4 * master.numel() for master in job.optimizer.masters.values()),
        look=look,
        save=_peak(job, lambda: _write_a_save(job)) if saved <= WRITTEN else held,
        memory=memory_line(job, *parts),
        seconds=time_line(*parts),
        parts=parts,
    )


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
            own = length(side, int(row))
            longest = max(longest, own)
            total = longest * (len(found) + 1) if job.plan.padded else total + own
            if found and total > tokens:
                return np.array(found)
            if int(row) in found:
                return np.array(found)
            found.append(int(row))
    return np.array(found)


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
    rows, tokens = 1, length(side, 0)
    while rows < len(side) and tokens + length(side, rows) <= plan.token_budget // 2:
        tokens, rows = tokens + length(side, rows), rows + 1
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
