"""The list of runs: open one to see its loss and its answers."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import Screen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from engine.errors import Problem
from engine.text import clean
from tui import keys
from tui.runs import Runs
from tui.widgets.hints import Hints

if TYPE_CHECKING:
    from engine.runs.listing import RunInfo

GLYPHS = {
    "done": "✓", "training": "▸", "preparing": "▸", "queued": "·", "paused": "‖", "stopped": "■",
    "failed": "✗", "lost": "✗",
}  # fmt: skip
COLOURS = {
    "done": "$success",
    "training": "$primary",
    "preparing": "$primary",
    "failed": "$error",
    "lost": "$error",
}
MAX_SHOWN = 1000
REST = 54
"""Cells of a line beside the name."""


class RunList(OptionList, inherit_bindings=False):
    BINDINGS = keys.bindings("runs")


class RunsScreen(Screen[Path | None], inherit_bindings=False):
    """Gives back the directory of the run to open, or None."""

    AUTO_FOCUS = "RunList"

    def __init__(self, runs: Runs, current: Path | None) -> None:
        super().__init__(classes="page")
        self._runs = runs
        self._current = current
        self._found: list[RunInfo] = []

    def compose(self) -> ComposeResult:
        with Vertical(classes="box -whole") as box:
            box.border_title = Content("runs")
            yield Static("reading the list …", id="runs-head", markup=False)
            yield RunList(markup=False)
        hints = Hints()
        hints.put(
            [*keys.hints("runs"), *(h for h in keys.hints("everywhere") if h[0] in ("?", "q"))]
        )
        yield hints

    def on_mount(self) -> None:
        self._read()

    @work(thread=True, exclusive=True, exit_on_error=False, description="listing the runs")
    def _read(self) -> None:
        try:
            found = self._runs.all()
        except Problem as problem:
            self.app.call_from_thread(self._say, f"✗ {clean(problem, 1_000)}")
        else:
            self.app.call_from_thread(self._show, found)

    def _say(self, text: str) -> None:
        self.query_one("#runs-head", Static).update(text)

    def _show(self, found: list[RunInfo]) -> None:
        self._found = found[:MAX_SHOWN]
        if not found:
            self._say("There is no run yet. esc goes back; t starts one.")
            return
        self._list()
        self.query_one(RunList).highlighted = 0

    def on_resize(self) -> None:
        if self._found:
            self.call_after_refresh(self._list)

    def _list(self) -> None:
        listed = self.query_one(RunList)
        wide = max(12, min(44, listed.content_size.width - REST))
        self._say(f"  {'run':<{wide}} {'status':<11} {'steps':>9}  {'held-out loss':<22} begun")
        at = listed.highlighted
        listed.clear_options()
        listed.add_options(
            [Option(line(info, info.path == self._current, wide)) for info in self._found]
        )
        listed.highlighted = at

    @on(OptionList.OptionSelected)
    def _chosen(self, message: OptionList.OptionSelected) -> None:
        message.stop()
        self.dismiss(Path(self._found[message.option_index].path))


def line(info: RunInfo, current: bool, wide: int) -> Content:
    """One run: what it is called, how it stands, and what came of it."""
    name = clean(f"{info.id}  {info.title}", 120, lines=False)
    status = str(info.status)
    steps = f"{info.step:,}/{info.total_steps:,}" if info.total_steps else f"{info.step:,}"
    return Content.assemble(
        ("▸ " if current else "  ", "bold $primary"),
        Content(name.ljust(wide)).truncate(wide, ellipsis=True),
        (f" {GLYPHS.get(status, '?')} {status:<9}", COLOURS.get(status, "")),
        f" {steps:>9}  ",
        losses(info.baseline_loss, info.best_loss).ljust(22),
        (f" {ago(info.started)}", "$quiet"),
    )


def losses(baseline: float, best: float) -> str:
    """`2.87 -> 0.71 ▼ better`."""
    if not math.isfinite(baseline):
        return "not measured"
    if not math.isfinite(best):
        return f"{baseline:.2f}"
    return f"{baseline:.2f} -> {best:.2f} " + ("▼ better" if best < baseline else "▲ worse")


def ago(started: float, now: float | None = None) -> str:
    """How long ago, in its largest unit: `now`, `2m`, `3h`, `5d`."""
    seconds = (time.time() if now is None else now) - started
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size:.0f}{unit}"
    return "now" if started else ""
