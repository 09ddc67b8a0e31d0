"""The loss chart as cells: characters with the role that says how each is coloured.

plotext draws; nothing here knows a terminal or textual, so the app's widget and the headless
command share it. plotext has one global figure: draw from one thread at a time.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

from tui.curves import Curves, Series, nice

Role = Literal["", "train", "held_out", "baseline", "best", "grid", "axis", "superseded"]
ROLES: tuple[Role, ...] = get_args(Role)
Cell = tuple[str, Role]
Row = tuple[Cell, ...]

MIN_WIDTH, MIN_HEIGHT = 24, 5
TRAIN_MARK, HELD_OUT_MARK, BEST_MARK, BASE_MARK, OFF_MARK = "⠤", "○", "●", "·", "▲"
OLD_TRAIN_MARK, OLD_HELD_OUT_MARK = ".", "◌"

_DOTS = 2  # braille: two dots across a cell
_ANSI = re.compile(r"\x1b\[([0-9;]*)m")


@dataclass(frozen=True)
class View:
    """How the person looks at the chart: a logarithmic loss axis, a cursor on one step."""

    log: bool = False
    cursor: int | None = None


@dataclass(frozen=True)
class _Frame:
    """The plotting area inside the axes, in cells, and how a loss becomes a height."""

    width: int
    low: float
    high: float
    log: bool

    def level(self, loss: float) -> float:
        inside = min(max(loss, self.low), self.high)
        return math.log10(inside) if self.log else inside


def draw(curves: Curves, width: int, height: int, view: View = View()) -> tuple[Row, ...]:
    """The chart as `height` rows of `width` cells; blank when there is no point or no room."""
    if curves.empty or width < MIN_WIDTH or height < MIN_HEIGHT:
        return blank(width, height)
    return _cells(_plot(curves, width, height, view), width, height)


def blank(width: int, height: int) -> tuple[Row, ...]:
    return (((" ", ROLES[0]),) * width,) * height


def changed_spans(
    old: tuple[Row, ...], new: tuple[Row, ...], near: int = 3
) -> list[tuple[int, int, int]]:
    """Where two pictures of one size differ: (row, first column, one past the last).

    Spans less than `near` cells apart are joined: moving the cursor costs more than a few cells.
    """
    return [
        (y, first, end)
        for y, (before, after) in enumerate(zip(old, new, strict=True))
        for first, end in _changed_in_row(before, after, near)
    ]


def _changed_in_row(before: Row, after: Row, near: int) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    for x, (a, b) in enumerate(zip(before, after, strict=True)):
        if a == b:
            continue
        if spans and x - spans[-1][1] < near:
            spans[-1] = (spans[-1][0], x + 1)
        else:
            spans.append((x, x + 1))
    return spans


def runs(row: Iterable[Cell]) -> Iterator[tuple[str, Role]]:
    """Neighbouring cells of one role, joined."""
    text, role = "", ROLES[0]
    for letter, its_role in row:
        if its_role != role and text:
            yield text, role
            text = ""
        role = its_role
        text += letter
    if text:
        yield text, role


# ---------------------------------------------------------------- plotext


def _plot(curves: Curves, width: int, height: int, view: View) -> str:
    import plotext as plt  # 57 ms: not before there is something to draw

    low, high = _limits(curves, view.log)
    ticks = _loss_ticks(curves, low, view.log, most=max(2, height // 3))
    labels = [curves.range.label(value) for value in ticks]
    frame = _Frame(width - max(len(label) for label in labels) - 1, low, high, view.log)
    plt.clear_figure()
    plt.theme("clear")
    plt.limit_size(False, False)
    plt.plot_size(width, height)
    plt.xaxes(True, False)
    plt.yaxes(True, False)
    plt.ticks_color(_code("axis"))
    plt.xlim(0, curves.last_step)
    plt.ylim(frame.level(low), frame.level(high))
    plt.yticks([frame.level(value) for value in ticks], labels)
    plt.xticks(*_step_ticks(curves.last_step, frame.width))
    if view.cursor is not None:
        plt.vline(view.cursor, _code("grid"))
    _plot_baseline(plt, curves, frame)
    _plot_curves(plt, curves, frame)
    return str(plt.build())


def _limits(curves: Curves, log: bool) -> tuple[float, float]:
    low, high = curves.range.low, curves.range.high
    if log and low <= 0:
        lows = [s.low for s in (curves.train, curves.held_out) if len(s)]
        low = nice(max(min(lows, default=high), high / 1e6)) / 2.5
    return low, high


def _loss_ticks(curves: Curves, low: float, log: bool, most: int) -> list[float]:
    if not log:
        return curves.range.ticks(most)
    every = [value for value in curves.range.ticks(1000) if value >= low]
    wanted = (math.log10(curves.range.high) - math.log10(low)) / most
    kept: list[float] = []
    for value in every:
        if not kept or math.log10(value / kept[-1]) >= wanted:
            kept.append(value)
    return kept


def _plot_baseline(plt: Any, curves: Curves, frame: _Frame) -> None:
    """A dotted line at the step-0 loss, named at its right end."""
    if not math.isfinite(curves.baseline):
        return
    label = f" base {curves.baseline:.2f}"
    last, level = curves.last_step, frame.level(curves.baseline)
    steps = [column * last / (frame.width - 1) for column in range(0, frame.width - len(label), 2)]
    plt.scatter(steps, [level] * len(steps), marker=BASE_MARK, color=_code("baseline"))
    plt.text(label, last, level, alignment="right", color=_code("baseline"))


def _plot_curves(plt: Any, curves: Curves, frame: _Frame) -> None:
    """Older attempts first and the marks last: what is drawn later covers what was before."""
    last = curves.last_step
    _marks(plt, curves.superseded, OLD_TRAIN_MARK, "superseded", frame, last)
    _marks(plt, curves.superseded_held_out, OLD_HELD_OUT_MARK, "superseded", frame, last)
    _line(plt, curves.train, "train", frame, last)
    _marks(plt, curves.held_out, HELD_OUT_MARK, "held_out", frame, last)
    best = curves.best
    if best:
        plt.scatter([best.step], [frame.level(best.loss)], marker=BEST_MARK, color=_code("best"))


def _line(plt: Any, series: Series, role: Role, frame: _Frame, last: int) -> None:
    points = series.columns(frame.width * _DOTS, last)
    if not points:
        return
    # plotext walks every dot of a line, seen or not: what lies outside must not reach it
    levels = [frame.level(loss) for _, loss in points]
    plt.plot([step for step, _ in points], levels, marker="braille", color=_code(role))
    off = [step for step, loss in points if loss > frame.high]
    if off:
        top = [frame.level(frame.high)] * len(off)
        plt.scatter(off, top, marker=OFF_MARK, color=_code(role))


def _marks(plt: Any, series: Series, mark: str, role: Role, frame: _Frame, last: int) -> None:
    points = series.columns(frame.width // 2, last)
    if points:
        levels = [frame.level(loss) for _, loss in points]
        plt.scatter([step for step, _ in points], levels, marker=mark, color=_code(role))


def _step_ticks(last: int, width: int) -> tuple[list[int], list[str]]:
    """Round steps; the last of all is named with its unit."""
    every = max(1, int(nice(last / max(2, width // 12))))
    end = f"{last:,} steps" if last != 1 else "1 step"
    cells = (width - 1) / last
    steps = [
        step
        for step in range(0, last, every)
        if step == 0 or step * cells + len(f"{step:,}") + 1 < width - len(end)
    ]
    return [*steps, last], [*(f"{step:,}" for step in steps), end]


def _code(role: Role) -> int:
    """A role as one of plotext's 256 colours, read back by `_cells`."""
    return ROLES.index(role)


def _cells(drawn: str, width: int, height: int) -> tuple[Row, ...]:
    """plotext's coloured text as cells."""
    rows = [_row(line, width) for line in drawn.split("\n")[:height]]
    rows += [((" ", ROLES[0]),) * width] * (height - len(rows))
    return tuple(rows)


def _row(line: str, width: int) -> Row:
    cells: list[Cell] = []
    role, place = ROLES[0], 0
    for code in _ANSI.finditer(line):
        cells += [(letter, role) for letter in line[place : code.start()]]
        role, place = _role(code.group(1)), code.end()
    cells += [(letter, role) for letter in line[place:]]
    cells += [(" ", ROLES[0])] * (width - len(cells))
    return tuple((letter, ROLES[0] if letter == " " else role) for letter, role in cells[:width])


def _role(code: str) -> Role:
    parts = code.split(";")
    number = int(parts[2]) if parts[:2] == ["38", "5"] else 0
    return ROLES[number] if number < len(ROLES) else ROLES[0]
