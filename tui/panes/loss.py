"""The loss pane: the chart of one run, its numbers, and in words how it stands."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from rich.style import Style
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from engine import paths
from engine.runs.history import History, Point
from engine.text import clean
from tui import figures, keys
from tui.chart import View
from tui.curves import WEIGHTS, Smoothing
from tui.state import duration
from tui.widgets.cells import Cells
from tui.widgets.chart import LossChart, chart_styles
from tui.widgets.pane import Pane

if TYPE_CHECKING:
    from engine.machine import Machine

Standing = Literal["empty", "preparing", "training", "done", "stopped", "failed", "lost"]
TITLES: dict[Standing, str] = {
    "empty": "not started",
    "preparing": "preparing",
    "training": "training",
    "done": "● done",
    "stopped": "■ stopped",
    "failed": "✗ failed",
    "lost": "✗ lost",
}
EXPLANATION = """\
The loss of a run is drawn here: how far the model's answers are from yours.

The chart starts with the base model's loss on the held-out rows.
A healthy run: both lines fall, then level off.
Held-out loss climbs while training loss falls: it learns rows by heart."""


class Figures(Cells):
    """The numbers under the chart."""

    DEFAULT_CSS = "Figures { width: 1fr; height: 4; }"

    def role_styles(self) -> Mapping[str, Style]:
        return chart_styles(self.app)


class LossPane(Pane, can_focus=True):
    """Shows what `show` is given; asks for nothing itself."""

    NUMBER = 3
    TITLE = "loss"
    KEYS = "loss"
    BINDINGS = keys.bindings("loss")
    DEFAULT_CSS = """
    LossPane #explanation { height: 1fr; content-align: left middle; color: $quiet; }
    LossPane #words { height: auto; max-height: 4; }
    LossPane.-empty LossChart, LossPane.-empty Figures, LossPane.-empty #words { display: none; }
    LossPane.-bare LossChart { display: none; }
    LossPane.-drawn #explanation { display: none; }
    """

    def __init__(self, id: str | None = None) -> None:  # noqa: A002
        self.chart = LossChart(id="chart")
        self.words = Static(id="words", markup=False)
        self.words.display = False
        self.figures = Figures(id="figures")
        self._history: History | None = None
        self._machine: Machine | None = None
        self._cursor: int | None = None
        self._running = False
        self._ready = False
        self._said = ""
        super().__init__(id=id)

    def compose(self) -> ComposeResult:
        yield Static(Content(EXPLANATION), id="explanation")
        yield self.chart
        yield self.words
        yield self.figures

    def on_mount(self) -> None:
        self._ready = True
        self.show(self._history, self._running)

    def on_resize(self) -> None:
        self.figures.styles.height = figures.height(self.content_size.width)
        self.call_after_refresh(self._show_figures)

    def show(self, history: History | None, running: bool, machine: Machine | None = None) -> None:
        """Show a run as it stands; `running` false for a live run says that its process is gone."""
        if history is not self._history:
            self._cursor = None
        self._history, self._running = history, running
        self._machine = machine or self._machine
        if not self._ready:
            return
        now = self._standing()
        drawn = history is not None and bool(history.train or history.held_out)
        self.set_class(history is None, "-empty")
        self.set_class(not drawn, "-bare")
        self.set_class(drawn, "-drawn")
        self.say(self._title(now))
        self._say_words(now)
        if history is not None and drawn:
            self.chart.show(history)
        self._show_figures()

    def action_log_axis(self) -> None:
        self.chart.look(View(not self.chart.view.log, self._cursor))

    def action_smoothing(self) -> None:
        """Off, light, strong, and round again."""
        choices = list(WEIGHTS)
        now: Smoothing = self.chart.curves.smoothing
        self.chart.smooth(choices[(choices.index(now) + 1) % len(choices)])
        self.say(self._title(self._standing()))

    def action_cursor(self, by: int) -> None:
        """Move the reading line by a column; the first time, it comes in from that side."""
        if self._history is None or not self._history.train:
            return
        last = self._history.train[-1].step
        stride = max(1, self.chart.curves.last_step // max(1, self.chart.size.width))
        start = self._cursor if self._cursor is not None else (last + stride if by < 0 else -stride)
        self._cursor = min(max(start + by * stride, 0), last)
        self.chart.look(View(self.chart.view.log, self._cursor))
        self._say_words(self._standing())

    def action_cursor_off(self) -> None:
        self._cursor = None
        self.chart.look(View(self.chart.view.log))
        self._say_words(self._standing())

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "cursor_off" or self._cursor is not None

    def _standing(self) -> Standing:
        return standing(self._history, self._running)

    def _title(self, now: Standing) -> str:
        smoothing = self.chart.curves.smoothing
        smoothed = f" · training loss smoothed ({smoothing})" if smoothing != "off" else ""
        return TITLES[now] + (smoothed if now != "empty" else "")

    def _say_words(self, now: Standing) -> None:
        said = self._reading() if self._cursor is not None else outcome(self._history, now)
        if said != self._said:
            self._said = said
            self.words.update(Content(said))
            self.words.display = bool(said)

    def _reading(self) -> str:
        history, step = self._history, self._cursor
        if history is None or step is None:
            return ""
        words = [f"step {step:,}"]
        for name, points in (("training", history.train), ("held out", history.held_out)):
            point = _at(points, step)
            if point is not None:
                where = "" if point.step == step else f" (step {point.step:,})"
                words.append(f"{name} {figures.loss(point.loss)}{where}")
        return " · ".join(words)

    def _show_figures(self) -> None:
        if self._history is not None and self.figures.size.area:
            width = self.figures.size.width
            self.figures.show_rows(figures.rows(self._history, width, self._machine))


def standing(history: History | None, running: bool) -> Standing:
    """How a run stands, a queued one as preparing; a live run that does not run is lost."""
    if history is None:
        return "empty"
    status = history.status
    if status in ("done", "stopped", "failed", "lost"):
        return status
    if history.live and not running:
        return "lost"
    return "training" if history.train or history.held_out else "preparing"


def outcome(history: History | None, now: Standing) -> str:
    """What came of a run and where to look, in a line or two; while it goes on the last warning, or its plan."""
    if history is None:
        return ""
    log = paths.runs() / history.run / "worker.log"
    step = history.step.step if history.step else 0
    if now == "failed":
        reason = clean(history.failure or "no reason was given", 300, lines=False)
        return f"✗ {reason}\nlog: {clean(log, 300, lines=False)}"
    if now == "lost":
        gone = f"✗ its process is gone without a word, after step {step:,}"
        again = f"`finetui train --resume {history.run}` goes on from its last checkpoint"
        return f"{gone}\n{again}\nlog: {clean(log, 300, lines=False)}"
    if now == "done":
        return f"{step:,} steps in {duration(history.seconds)}{_kept(history)}"
    if now == "stopped":
        return f"saved after step {step:,}{_kept(history)}"
    if history.warnings:
        return f"! {clean(history.warnings[-1].message, 200, lines=False)}"
    return figures.plan_words(history)


def _kept(history: History) -> str:
    if not history.held_out:
        return " · nothing was held out, so nothing says whether it got better"
    return (
        f" · held-out loss {figures.change(*history.change)}"
        f" · best step {history.best_step:,}, kept"
    )


def _at(points: list[Point], step: int) -> Point | None:
    """The last point at or before a step."""
    place = bisect_right(points, step, key=lambda point: point.step)
    return points[place - 1] if place else None
