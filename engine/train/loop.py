"""The training loop: forward, loss, backward, update; and between updates look, save and listen.

Loss of an update = sum over its label tokens / their number, however it is cut into micro-batches.
"""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine import events
from engine.commands import Command
from engine.config import Config
from engine.data.frozen import Frozen
from engine.errors import Problem
from engine.judge.held_out import RowLosses, held_out_losses, representative_part
from engine.model.attend import by_document
from engine.model.elementwise import by_hand
from engine.model.loss import label_loss
from engine.runs import directory
from engine.train import checkpoint
from engine.train.batches import micro_batches, rows_of_step
from engine.train.checkpoint import State
from engine.train.machine import memory_bytes
from engine.train.memory import again_with_room, within_memory
from engine.train.optimizer import Optimizer
from engine.train.plan import Plan
from engine.train.probe import probe
from engine.train.report import Report
from engine.train.schedule import learning_rate

SAVE_SECONDS = 600.0
"""However rarely rows are looked at, no more than about this much work can be lost."""


@dataclass
class Job:
    """Everything a training has in hand.

    `part` is the fixed part of the held-out rows that looks on the way use, chosen after the look at
    step 0; `loss_of_all` is the newest held-out loss over every row.
    `tokens` and `seconds` are those of this attempt's updates, but for the first.
    """

    run: Path
    config: Config
    plan: Plan
    data: Frozen
    model: Any
    tokenizer: Any
    optimizer: Optimizer
    report: Report
    state: State
    part: np.ndarray | None = None
    saved_at: float = field(default_factory=time.monotonic)
    loss_of_all: float = math.nan
    tokens: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Gradients:
    """What a forward and backward over one batch of rows gave; `loss` is the mean over label tokens."""

    loss: float
    tokens: int
    label_tokens: int


def train(job: Job) -> bool:
    """Do the updates that are left; True when all were done, False when stopped before.

    Raises Stopping when it is asked to stop during the look at step 0.
    """
    job.model.train()
    documents = contextlib.nullcontext() if job.plan.padded else by_document(job.model)
    with documents, by_hand(job.model):
        return _train(job)


def _train(job: Job) -> bool:
    if job.state.step == 0:
        probe(job)
        look(job, 0, every_row=True)
    job.report.say(events.PhaseBegan("training"))
    for step in range(job.state.step, job.plan.total_steps):
        obey(job)
        if job.report.stop_asked:
            save(job)
            return False
        update(job, step)
        if step + 1 in job.plan.eval_steps:
            look_and_save(job)
        elif time.monotonic() - job.saved_at > SAVE_SECONDS:
            save(job)
            job.report.say(events.PhaseBegan("training"))
    keep_the_best(job)
    return True


def update(job: Job, step: int) -> None:
    """One update of the weights, from the rows that `step` names."""
    began = time.perf_counter()
    train, plan = job.config.train, job.plan
    rows = rows_of_step(step, len(job.data.train), train.batch_size, train.seed, train.shuffle)
    found = within_memory(job, lambda: gradients(job, step, rows))
    norm = float(job.optimizer.clip(train.max_grad_norm))
    if not math.isfinite(found.loss) or not math.isfinite(norm):
        refuse_nonfinite(job, step, rows, found.loss)
    rate = learning_rate(step, plan.total_steps, plan.learning_rate, train.schedule, train.warmup)
    job.optimizer.step(rate)
    job.state = replace(job.state, step=step + 1)
    seconds = time.perf_counter() - began
    if step:  # the first is slowed by beginnings
        job.tokens, job.seconds = job.tokens + found.tokens, job.seconds + seconds
    job.report.say(
        events.Step(
            step=step + 1,
            total_steps=plan.total_steps,
            epoch=round((step + 1) / plan.steps_per_epoch, 4),
            loss=found.loss,
            learning_rate=rate,
            grad_norm=norm,
            tokens=found.tokens,
            label_tokens=found.label_tokens,
            seconds=seconds,
            tokens_per_second=found.tokens / seconds,
            memory_bytes=memory_bytes(plan.device),
        )
    )


def gradients(job: Job, step: int, rows: np.ndarray) -> Gradients:
    """Sum the gradients of the mean loss over all label tokens of `rows`, micro-batch by micro-batch."""
    torch.manual_seed(
        job.config.train.seed * 1_000_003 + step
    )  # dropout: a function of the step too
    micros = micro_batches(
        job.data.train, rows, job.plan.token_budget, job.plan.device, padded=job.plan.padded
    )
    label_tokens = sum(micro.label_tokens for micro in micros)
    total = torch.zeros((), device=job.plan.device)
    for micro in micros:
        loss = label_loss(job.model, micro)
        (loss / label_tokens).backward()
        total += loss.detach()
    return Gradients(float(total) / label_tokens, sum(m.tokens for m in micros), label_tokens)


def refuse_nonfinite(job: Job, step: int, rows: np.ndarray, loss: float) -> None:
    """Stop before the update that would spoil the weights, and name the rows."""
    what = "gradient" if math.isfinite(loss) else "loss"
    numbers = [int(job.data.train.rows[r]) for r in rows]
    job.report.say(events.NonFinite(step=step + 1, what=what, rows=numbers))
    raise Problem(
        f"step {step + 1}",
        f"the {what} is not a number; the weights were not touched by it (rows {_some(numbers)})",
        "try a third of the learning rate, or look at these rows",
    )


def look_and_save(job: Job) -> None:
    """Measure the held-out loss, then keep a checkpoint, marked best when it is."""
    at_end = job.state.step == job.plan.total_steps
    seen = look(job, job.state.step, every_row=at_end) if len(job.data.eval) else None
    if seen is not None:
        best = job.state.best_loss
        if best is None or seen.loss < best:
            job.state = replace(job.state, best_step=job.state.step, best_loss=seen.loss)
    save(job)
    job.report.say(events.PhaseBegan("training"))


def look(job: Job, step: int, *, every_row: bool) -> RowLosses | None:
    """Report the held-out loss after `step` updates; returns it on the fixed part, which compares over steps.

    Raises Stopping when it is asked to stop during the look at step 0.
    """
    side = job.data.eval
    if not len(side):
        return None
    rows = np.arange(len(side)) if every_row or job.part is None else job.part
    began = time.perf_counter()
    job.report.say(events.PhaseBegan("evaluating"))

    def progress(done: int, total: int) -> None:
        job.report.say(events.Progress("evaluating", done, total))
        if (
            step == 0 and every_row
        ):  # it uses every row and may be long; a resume begins with it again
            job.report.raise_if_stopped()

    seen = within_memory(
        job,
        lambda: held_out_losses(
            job.model, side, rows, job.plan.token_budget, job.plan.device, padded=job.plan.padded,
            on_progress=progress,
        ),
    )  # fmt: skip
    if not math.isfinite(seen.loss):
        raise Problem(
            f"step {step}",
            "the held-out loss is not a number",
            "check the model, or lower the learning rate",
        )
    seconds = time.perf_counter() - began
    complete = len(rows) == len(side)
    if complete:
        job.loss_of_all = seen.loss
        job.report.say(_eval(step, seen, all_rows=True, seconds=seconds))
    if job.part is None:
        job.part = representative_part(seen, job.plan.eval_rows, job.config.train.seed)
        directory.write_json(job.run / directory.PART, {"rows": job.part.tolist()})
    if len(job.part) < len(side):
        seen = seen.of(job.part)
        job.report.say(_eval(step, seen, all_rows=False, seconds=0.0 if complete else seconds))
    return seen


def _eval(step: int, seen: RowLosses, *, all_rows: bool, seconds: float) -> events.Eval:
    return events.Eval(
        step=step,
        loss=seen.loss,
        perplexity=math.exp(min(seen.loss, 700.0)),
        examples=len(seen.rows),
        all_rows=all_rows,
        baseline=step == 0,
        seconds=seconds,
    )


def save(job: Job) -> Path:
    """Commit a checkpoint of this step, then drop those no longer wanted."""
    job.report.say(events.PhaseBegan("saving"))
    path = again_with_room(
        job,
        lambda: checkpoint.save(job.run, job.model, job.tokenizer, job.optimizer, job.state),
    )
    job.report.say(
        events.Checkpoint(
            step=job.state.step,
            path=str(path),
            bytes=checkpoint.size(path),
            best=job.state.best_step == job.state.step and job.state.step > 0,
        )
    )
    checkpoint.prune(job.run, job.config.save.keep, job.state.best_step)
    job.saved_at = time.monotonic()
    return path


def keep_the_best(job: Job) -> None:
    """When the last weights are not the best, take the best back; see that the best are measured on every row."""
    if not job.state.best_step:
        return
    if job.state.best_step == job.plan.total_steps:
        if math.isnan(job.loss_of_all):  # resumed after the last look
            look(job, job.state.best_step, every_row=True)
        return
    best = job.run / "checkpoints" / f"step-{job.state.best_step:06d}"
    checkpoint.load_weights(best, job.model)
    look(job, job.state.best_step, every_row=True)


def obey(job: Job) -> None:
    """Take the commands that came since the last update, and acknowledge each."""
    for command in job.report.heard():
        try:
            _take(job, command)
            done = events.CommandTaken(command.id, command.name, job.state.step)
        except Problem as problem:
            done = events.CommandTaken(
                command.id, command.name, job.state.step, ok=False, why=str(problem)
            )
        job.report.say(done)


def _take(job: Job, command: Command) -> None:
    if command.name == "save":
        save(job)
        job.report.say(events.PhaseBegan("training"))
    elif command.name == "eval":
        if look(job, job.state.step, every_row=False) is None:
            raise Problem("eval", "no rows are held out", "set data.eval_fraction above 0")
        job.report.say(events.PhaseBegan("training"))


def _some(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:8])) + (
        f" and {len(numbers) - 8} more" if len(numbers) > 8 else ""
    )
