"""The loss chart in the app: drawn at most once a second, and not while nobody sees it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from time import monotonic
from typing import Any

from rich.style import Style
from textual.app import App
from textual.color import Color
from textual.timer import Timer

from engine.runs.history import History
from tui.chart import View, draw
from tui.curves import Curves, Smoothing
from tui.theme import chart_colors
from tui.widgets.cells import Cells

SECONDS_BETWEEN = 1.0


def chart_styles(app: App[Any]) -> dict[str, Style]:
    """How each role of the chart looks in the app's theme."""
    colors = dataclasses.asdict(chart_colors(app))
    styles = {role: Style(color=Color.parse(name).rich_color) for role, name in colors.items()}
    return {**styles, "best": styles["best"] + Style(bold=True)}


class LossChart(Cells):
    """Training and held-out loss of one run."""

    DEFAULT_CSS = "LossChart { width: 1fr; height: 1fr; }"

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.curves = Curves()
        self.view = View()
        self.draws = 0
        self._history: History | None = None
        self._seq = -1
        self._seen = False
        self._stale = False
        self._drawn_at = 0.0
        self._timer: Timer | None = None

    def show(self, history: History) -> None:
        """Take in what is new in a run's history; the picture follows within a second."""
        if history is self._history and history.seq == self._seq:
            return
        self._history, self._seq = history, history.seq
        self.curves.update(history)
        self._stale = True
        self._draw_soon()

    def look(self, view: View) -> None:
        """Show another view of the same points, at once."""
        self.view = view
        self._draw()

    def smooth(self, smoothing: Smoothing) -> None:
        """Smooth the training loss, or show it as it was."""
        self.curves.smoothing = smoothing
        self.curves.forget()
        if self._history is not None:
            self.curves.update(self._history)
        self._draw()

    def role_styles(self) -> Mapping[str, Style]:
        return chart_styles(self.app)

    def on_show(self) -> None:
        self._seen = True
        if self._stale:
            self._draw()

    def on_hide(self) -> None:
        self._seen = False

    def on_resize(self) -> None:
        self._draw()

    def _draw_soon(self) -> None:
        if self._timer is not None or not self._seen:
            return
        wait = self._drawn_at + SECONDS_BETWEEN - monotonic()
        if wait <= 0:
            self._draw()
        else:
            self._timer = self.set_timer(wait, self._draw)

    def _draw(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        if not self.size.area:
            return
        self._stale = False
        self._drawn_at = self._drawn_at if self.curves.empty else monotonic()
        self.draws += 1
        self.show_rows(draw(self.curves, self.size.width, self.size.height, self.view))
