"""How a run looks in a plain terminal: a live line, a small table of losses, a chart at the end."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Protocol, TextIO

from engine import events, paths
from engine.events import Event
from engine.runs.history import History
from engine.text import clean
from tui import figures
from tui.chart import BASE_MARK, BEST_MARK, HELD_OUT_MARK, TRAIN_MARK, draw
from tui.curves import Curves
from tui.headless import console
from tui.state import duration

CHART_HEIGHT = 16
HEAD = f"{'step':>9}  {'epoch':>5}  {'training':>8}  {'held out':>8}  {'change':>8}  {'time':>6}"


class Watcher(Protocol):
    """What is done with the events of a run that is watched."""

    def take(self, event: Event, history: History, new: bool) -> None:
        """An event, folded into the history already; `new` false for those of earlier attempts."""

    def tick(self, history: History) -> None:
        """A few times a second."""

    def end(self, history: History, killed: bool) -> None:
        """The run has ended."""


class EventLines:
    """Each new event as its JSON line, and nothing else on stdout."""

    def take(self, event: Event, history: History, new: bool) -> None:
        if new:
            print(events.encode(event), flush=True)

    def tick(self, history: History) -> None: ...

    def end(self, history: History, killed: bool) -> None:
        if history.status == "lost":
            console.say(lost(history))


class Report:
    """For a person: a table line at each evaluation, and in a terminal a live line below."""

    def __init__(self, path: Path, stream: TextIO) -> None:
        self.path = path
        self.stream = stream
        self.line = console.StatusLine(stream)
        self._began = False

    def take(self, event: Event, history: History, new: bool) -> None:
        if not new:
            return
        match event.body:
            case events.DataReady(train=train, eval=held):
                self._print(
                    f"run {self.path.name}: {train:,} rows to learn from, {held:,} held out"
                )
            case events.Hello(device=device, dtype=dtype):
                self._print(f"device {clean(device, 60, lines=False)}, {dtype}")
            case events.Plan(measured=measured) if measured:
                self._print(f"plan {figures.plan_words(history)}")
            case events.Resumed(from_step=step):
                self._print(f"goes on from step {step:,}")
            case events.Eval():
                self._table_line(event.body, history)
            case events.Warned(message=message):
                self._print(f"! {clean(message, 300, lines=False)}")
            case events.CommandTaken(ok=False, name=name, why=why):
                self._print(f"! {name}: {clean(why, 300, lines=False)}")

    def tick(self, history: History) -> None:
        if not self.line.on:
            return
        self.line.show(status(history, console.width()))

    def end(self, history: History, killed: bool) -> None:
        self.line.clear()
        chart = self._chart(history)
        if chart:
            print(f"\n{chart}\n", file=self.stream)
        print("\n".join(last_lines(history, self.path, killed)), file=self.stream, flush=True)

    def _table_line(self, found: events.Eval, history: History) -> None:
        if not self._began:
            self._began = True
            self._print(HEAD)
        step = history.step
        points = history.held_out_all if found.all_rows else history.held_out_part
        first = points[0].loss if points else found.loss
        best = self._is_best(found, history)
        cells = (
            f"{found.step:>9,}",
            f"{step.epoch * found.step / step.step if step else 0:>5.1f}",
            f"{figures.loss(step.loss) if step and step.step == found.step else '-':>8}",
            f"{figures.loss(found.loss):>8}",
            f"{'base' if found.step == 0 else f'{found.loss - first:+.3f}':>8}",
            f"{duration(history.seconds):>6}",
            f"{BEST_MARK} best" if best else "      ",
            _which(found, history),
        )
        self._print("  ".join(cells).rstrip())

    def _is_best(self, found: events.Eval, history: History) -> bool:
        """Whether this is the lowest so far of the measure that the best step is chosen by."""
        chosen_by = not history.held_out_part
        if found.all_rows is not chosen_by or not found.step:
            return False
        lowest = min((p.loss for p in history.held_out), default=math.inf)
        return found.loss <= lowest

    def _print(self, text: str) -> None:
        self.line.clear()
        print(text, file=self.stream, flush=True)

    def _chart(self, history: History) -> str:
        curves = Curves()
        curves.update(history)
        if len(curves.train) < 2:
            return ""
        rows = draw(curves, console.width(), CHART_HEIGHT)
        legend = (
            f"{TRAIN_MARK} training   {HELD_OUT_MARK} held out   "
            f"{BEST_MARK} best   {BASE_MARK} base model"
        )
        return f"{console.picture(rows, self.stream)}\n{console.fitting(legend, self.stream)}"


def _which(found: events.Eval, history: History) -> str:
    """Which rows were measured, where some measures took fewer."""
    if not found.all_rows:
        return f"({found.examples} of the rows)"
    return "(all rows)" if history.held_out_part else ""


def status(history: History, width: int) -> str:
    """The live line: a bar, then as many numbers as there is room for, the most wanted first."""
    done, total, words = figures.progress(history)
    filled, rest = figures.bar(done, total, 16)
    line = f"▕{filled}{rest}▏ "
    step = history.step
    numbers = [] if step is None else [f"loss {figures.loss(step.loss)}"]
    if step is not None and history.held_out:
        numbers.append(f"held out {figures.loss(history.held_out[-1].loss)}")
    first, *others = words.split(" · ")
    numbers = [first, *numbers, *reversed(others)]
    if step is not None:
        numbers += [
            f"{step.tokens_per_second:,.0f} tok/s",
            f"rate {figures.rate(step.learning_rate)}",
        ]
    for number in numbers:
        joined = line + ("" if line.endswith("▏ ") else " · ") + number
        if len(joined) >= width:
            break
        line = joined
    return line


def last_lines(history: History, path: Path, killed: bool) -> list[str]:
    """What came of the run, where its weights are, and what to do next."""
    step = history.step.step if history.step else 0
    time = duration(history.seconds)
    if history.status == "failed":
        reason = clean(history.failure or "no reason was given", 500, lines=False)
        return [f"failed after step {step:,}: {reason}", f"log      {path / 'worker.log'}"]
    if killed:
        return [f"killed after step {step:,}; checkpoints before it are kept", _resume(path)]
    if history.status == "lost":
        return [lost(history), _resume(path)]
    lines = [
        f"{history.status}: {step:,} step{'' if step == 1 else 's'} in {time}{_outcome(history)}"
    ]
    if history.plan and history.plan.peak_bytes and history.peak_bytes:
        planned = figures.memory(history.plan.peak_bytes)
        lines.append(
            f"memory   {figures.memory(history.peak_bytes)} at most; {planned} were planned"
        )
    if history.path:
        lines.append(f"weights  {_whole(path, history.path)}")
    if history.status == "stopped":
        lines.append(_resume(path))
    return [*lines, f"compare  finetui compare {path.name}   or   finetui attach {path.name}"]


def lost(history: History) -> str:
    log = paths.runs() / history.run / "worker.log"
    step = history.step.step if history.step else 0
    return (
        f"{history.run}: its process is gone without a word after step {step:,}. Fix: read {log}."
    )


def _outcome(history: History) -> str:
    if not history.held_out:
        return ", nothing was held out"
    kept = (
        f" (best at step {history.best_step:,}, kept)" if math.isfinite(history.best_loss) else ""
    )
    return f", held-out loss {figures.change(*history.change)}{kept}"


def _resume(path: Path) -> str:
    return f"resume   finetui train --resume {path.name}"


def _whole(run: Path, place: str) -> Path:
    return run / place if not Path(place).is_absolute() else Path(place)
