"""A run's story so far: the events folded into what a chart, a list or a summary needs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from engine import events
from engine.events import Event

Status = Literal["queued", "preparing", "training", "paused", "stopped", "done", "failed", "lost"]
LIVE: tuple[Status, ...] = ("preparing", "training", "paused")


@dataclass(frozen=True)
class Point:
    """A loss after `step` updates, in the attempt that measured it."""

    step: int
    loss: float
    attempt: int = 0
    all_rows: bool = True


@dataclass
class History:
    """Grows by `apply`, event by event; events seen before are passed over.

    `train` and `held_out` hold what still counts; `superseded` and `superseded_held_out` hold the
    points of earlier attempts after the step that a later one started from. Where looks during the
    run use a fixed part of the held-out rows, `held_out` is measured on that part from step 0 to the
    end, so that its points compare; `held_out_all` holds the looks at every row.
    """

    run: str = ""
    status: Status = "queued"
    phase: str = ""
    done: int = 0
    total: int = 0
    attempt: int = 0
    seq: int = -1
    gaps: int = 0
    started: float = 0.0
    updated: float = 0.0
    data: events.DataReady | None = None
    plan: events.Plan | None = None
    hello: events.Hello | None = None
    step: events.Step | None = None
    train: list[Point] = field(default_factory=list)
    held_out_all: list[Point] = field(default_factory=list)
    held_out_part: list[Point] = field(default_factory=list)
    part_examples: int = 0
    superseded: list[Point] = field(default_factory=list)
    superseded_held_out: list[Point] = field(default_factory=list)
    checkpoint: events.Checkpoint | None = None
    best_step: int = 0
    best_loss: float = math.nan
    warnings: list[events.Warned] = field(default_factory=list)
    failure: str = ""
    path: str = ""
    training_seconds: float = 0.0
    peak_bytes: int = 0
    """The most memory that a step reported."""

    @property
    def held_out(self) -> list[Point]:
        """The held-out losses that compare with each other, in the order measured."""
        return self.held_out_part or self.held_out_all

    @property
    def baseline(self) -> float:
        """The held-out loss of all rows at step 0; NaN until it is measured."""
        first = self.held_out_all[0] if self.held_out_all else None
        return first.loss if first and first.step == 0 else math.nan

    @property
    def seconds(self) -> float:
        """How long its attempts took together; what lay between them does not count."""
        return self._before_attempt + self.updated - self._attempt_began

    @property
    def change(self) -> tuple[float, float]:
        """The held-out loss at step 0 and at its best, both over the same rows; NaN until measured.

        A run that is done knows both over all rows; before that only the looks on the way compare.
        """
        if self.status == "done":
            return self.baseline, self.best_loss
        if not self.held_out:
            return math.nan, math.nan
        return self.held_out[0].loss, min(p.loss for p in self.held_out)

    @property
    def total_steps(self) -> int:
        return (
            self.step.total_steps
            if self.step
            else int(self.plan.choices.get("total_steps", 0))
            if self.plan
            else 0
        )

    @property
    def live(self) -> bool:
        return self.status in LIVE

    @property
    def seconds_left(self) -> float:
        """From the mean of the steps of this attempt, looks at held-out rows included; NaN before the first."""
        if not self.step or not self.step.step or self.status != "training":
            return math.nan
        first = next((p for p in self.train if p.attempt == self.attempt), None)
        taken = self.step.step - (first.step - 1 if first else 0)
        spent = self.updated - self._training_since
        return (
            spent / taken * (self.step.total_steps - self.step.step)
            if taken > 0 and spent > 0
            else math.nan
        )

    _training_since: float = 0.0
    _attempt_began: float = 0.0
    _before_attempt: float = 0.0

    def apply(self, event: Event) -> bool:
        """Take one event in; False when it was seen before."""
        if event.seq <= self.seq:
            return False
        self.gaps += event.seq - self.seq - 1
        self.seq, self.run, self.attempt = event.seq, event.run, event.attempt
        if not self.started:
            self.started = self._attempt_began = event.time
        if isinstance(event.body, events.Hello) and event.attempt:
            self._before_attempt, self._attempt_began = self.seconds, event.time
        self.updated = event.time
        self._take(event.body, event)
        return True

    def _take(self, body: events.Body, event: Event) -> None:
        match body:
            case events.Hello():
                self.hello, self.status, self.failure = body, "preparing", ""
            case events.PhaseBegan(name=name):
                self.phase, self.done, self.total = name, 0, 0
                if name == "training" and self.status != "training":
                    self.status, self._training_since = "training", event.time
            case events.Progress(phase=phase, done=done, total=total):
                self.phase, self.done, self.total = phase, done, total
            case events.DataReady():
                self.data = body
            case events.Plan():
                self.plan = body
            case events.Step(step=step, loss=loss, seconds=seconds):
                self.step = body
                self.peak_bytes = max(self.peak_bytes, body.memory_bytes)
                self.train.append(Point(step, loss, event.attempt))
                self.training_seconds += seconds
            case events.Eval(step=step, loss=loss, all_rows=all_rows, examples=examples):
                (self.held_out_all if all_rows else self.held_out_part).append(
                    Point(step, loss, event.attempt, all_rows)
                )
                self.part_examples = self.part_examples if all_rows else examples
            case events.Checkpoint(step=step, best=best):
                self.checkpoint = body
                if best:
                    self.best_step = step
                    self.best_loss = next(
                        (p.loss for p in reversed(self.held_out) if p.step == step), math.nan
                    )
            case events.Resumed(from_step=from_step):
                self._set_aside_after(from_step)
            case events.Warned():
                self.warnings.append(body)
            case events.OutOfMemory(before=before, after=after):
                cut = (
                    f"went on with {after:,}, the same mathematics"
                    if after < before
                    else "tried once more"
                )
                words = f"out of memory at {before:,} tokens at once: {cut}"
                self.warnings.append(events.Warned("oom", words))
            case events.Stopped():
                self.status, self.path, self.phase = "stopped", body.path, ""
            case events.Done(best_step=best_step, best_loss=best_loss, path=path):
                self.status, self.path, self.phase = "done", path, ""
                self.best_step, self.best_loss = best_step, best_loss
            case events.Failed(message=message):
                self.status, self.failure, self.phase = "failed", message, ""

    def _set_aside_after(self, step: int) -> None:
        self.superseded += [p for p in self.train if p.step > step]
        self.train = [p for p in self.train if p.step <= step]
        self.superseded_held_out += [p for p in self.held_out if p.step > step]
        self.held_out_all = [p for p in self.held_out_all if p.step <= step]
        self.held_out_part = [p for p in self.held_out_part if p.step <= step]
