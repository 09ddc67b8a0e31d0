"""The numbers of a run as aligned cells: what stands under the chart and in a plain terminal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.runs.history import History
from tui.chart import BEST_MARK, HELD_OUT_MARK, ROLES, TRAIN_MARK, Cell, Role, Row
from tui.curves import baseline
from tui.state import Progress, duration

if TYPE_CHECKING:
    from engine.machine import Machine

GB = 2**30
NARROW, WIDE = 72, 104
BETTER, WORSE = "▼", "▲"
FULL, EMPTY, EDGES = "█", "░", ("▕", "▏")
GAP = 3


@dataclass(frozen=True)
class Figure:
    """One number: its mark, its name (a long and a short one) and its value with the unit."""

    mark: str
    role: Role
    name: str
    short: str
    value: str


def columns(width: int) -> int:
    return 4 if width >= WIDE else 3


def height(width: int) -> int:
    """Rows that `rows` makes at a width: the numbers, and the line of progress."""
    return math.ceil(8 / columns(width)) + 1


def rows(history: History, width: int, machine: Machine | None = None) -> tuple[Row, ...]:
    """Every number of a run in columns, the line of progress last."""
    count = columns(width)
    cell = (width - GAP * (count - 1)) // count
    found = [_figure_cells(figure, cell, width < NARROW) for figure in figures(history, machine)]
    gap = _cells(" " * GAP)
    grid = [_joined(found[start : start + count], gap) for start in range(0, len(found), count)]
    return (*grid, progress_row(history, width))


def figures(history: History, machine: Machine | None = None) -> list[Figure]:
    """Eight numbers, always in the same places; a dash where there is none yet."""
    step = history.step
    return [
        Figure(
            TRAIN_MARK, "train", "training loss", "train", loss(step.loss if step else math.nan)
        ),
        Figure(HELD_OUT_MARK, "held_out", "held-out loss", "held out", _held_out(history)),
        Figure(BEST_MARK, "best", "best", "best", _best(history)),
        Figure(" ", "", "learning rate", "rate", rate(step.learning_rate) if step else "-"),
        Figure(" ", "", "gradient norm", "grad", loss(step.grad_norm if step else math.nan, 2)),
        Figure(" ", "", "speed", "speed", f"{step.tokens_per_second:,.0f} tok/s" if step else "-"),
        Figure(" ", "", "memory", "memory", memory(history.peak_bytes)),
        _gpu(history, machine),
    ]


def progress_row(history: History, width: int) -> Row:
    """A bar that stands still between events, and how far the work is in words."""
    done, total, words = progress(history)
    words = words[: max(0, width - 12)]
    length = max(6, min(30, width - len(words) - 4))
    full, rest = bar(done, total, length)
    return (
        *_cells(EDGES[0], "axis"),
        *_cells(full, "train"),
        *_cells(rest, "grid"),
        *_cells(EDGES[1], "axis"),
        *_cells(f"  {words}"),
    )


def progress(history: History) -> tuple[int, int, str]:
    """Done, total and words for what goes on: the phase while it prepares, else the steps."""
    step = history.step
    if step is None or not step.total_steps:
        return history.done, history.total, phase_words(history)
    passes = f"epoch {step.epoch:.1f} of {_epochs(history)}"
    words = f"step {step.step:,} of {step.total_steps:,} · {passes}"
    if history.phase and history.phase != "training":
        words += f" · {phase_words(history)}"
    elif math.isfinite(history.seconds_left):
        words += f" · {duration(history.seconds_left)} left"
    return step.step, step.total_steps, words


def phase_words(history: History) -> str:
    return Progress(history.phase or "loading", history.done, history.total).words


def bar(done: int, total: int, length: int) -> tuple[str, str]:
    """The filled and the empty part of a bar `length` cells long."""
    full = min(length, length * done // total) if total > 0 else 0
    return FULL * full, EMPTY * (length - full)


def loss(value: float, digits: int = 3) -> str:
    if not math.isfinite(value):
        return "-"
    return f"{value:.{digits}f}" if abs(value) < 1000 else f"{value:.2e}"


def rate(value: float) -> str:
    """A learning rate with two digits: 1.2e-4."""
    if value == 0:
        return "0"
    digits, _, power = f"{value:.1e}".partition("e")
    return f"{digits.removesuffix('.0')}e{int(power)}"


def memory(count: int) -> str:
    if not count:
        return "-"
    return f"{count / GB:.1f} GB" if count < 100 * GB else f"{count / GB:.0f} GB"


def plan_words(history: History) -> str:
    """What the trainer planned: `2,048 tokens at once · memory about 3.1 GB, probe 3.3 GB · time about 3m40s`."""
    plan = history.plan
    if plan is None or not plan.peak_bytes:
        return ""
    told = []
    for name, key in (("memory", "peak_bytes"), ("time", "seconds")):
        before, probed = plan.estimate.get(key), plan.measured.get(key)
        word = memory if key == "peak_bytes" else duration
        said = [f"about {word(before)}"] if before else []
        said += [f"probe {word(probed)}"] if probed else []
        if said:
            told.append(f"{name} {', '.join(said)}")
    return " · ".join([f"{plan.token_budget:,} tokens at once", *told])


def change(before: float, after: float) -> str:
    """`2.87 -> 0.71 ▼ better`: what a number was, is, and which way it went."""
    if not (math.isfinite(before) and math.isfinite(after)):
        return loss(after, 2)
    way = (
        f"{BETTER} better" if after < before else f"{WORSE} worse" if after > before else "the same"
    )
    return f"{before:.2f} -> {after:.2f} {way}"


def _held_out(history: History) -> str:
    points = history.held_out
    if not points:
        return "-"
    way = ""
    if len(points) > 1 and points[-1].loss != points[-2].loss:
        way = f" {BETTER}" if points[-1].loss < points[-2].loss else f" {WORSE}"
    return loss(points[-1].loss) + way


def _best(history: History) -> str:
    if not math.isfinite(history.best_loss):
        return "-"
    return f"{loss(history.best_loss)} at {history.best_step:,}"


def _gpu(history: History, machine: Machine | None) -> Figure:
    device = history.hello.device if history.hello else ""
    index = int(device.partition(":")[2] or 0) if device.startswith("cuda") else -1
    for gpu in machine.gpus if machine else []:
        if gpu.index == index:
            heat = f"{gpu.temperature:.0f} °C" if gpu.temperature is not None else ""
            use = f"{gpu.utilisation:.0f}%" if gpu.utilisation is not None else ""
            return Figure(" ", "", "GPU", "GPU", ", ".join(w for w in (use, heat) if w) or "-")
    base = loss(baseline(history))
    return Figure("·", "baseline", "base", "base", base)


def _epochs(history: History) -> str:
    """All the passes of the run, from how many the steps so far have made."""
    step = history.step
    if step is None or not step.step or not step.epoch:
        return "-"
    return f"{round(step.epoch / step.step * step.total_steps, 1):g}"


def _figure_cells(figure: Figure, width: int, short: bool) -> list[Cell]:
    name = figure.short if short else figure.name
    value = figure.value[: width - 3]
    name = name[: max(0, width - 3 - len(value))]
    space = " " * (width - 2 - len(name) - len(value))
    return [
        *_cells(f"{figure.mark} ", figure.role),
        *_cells(name + space, "axis"),
        *_cells(value),
    ]


def _joined(parts: list[list[Cell]], gap: list[Cell]) -> Row:
    row: list[Cell] = []
    for index, part in enumerate(parts):
        row += (gap if index else []) + part
    return tuple(row)


def _cells(text: str, role: Role = ROLES[0]) -> list[Cell]:
    return [(letter, role) for letter in text]
