"""The main screen: two lines on top, four panes or one, and the keys below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import events
from textual.app import ComposeResult
from textual.containers import Grid
from textual.screen import Screen
from textual.widgets import Input, Static

from tui import keys
from tui.panes.data import DataPane
from tui.panes.knobs import KnobsPane
from tui.state import State, machine_words, next_step, what
from tui.widgets.hints import Hints
from tui.widgets.line import Line, NextLine
from tui.widgets.pane import Pane

if TYPE_CHECKING:
    from engine.desk.client import Desk
    from tui.panes.compare import ComparePane
    from tui.panes.loss import LossPane

FOUR_PANES = (116, 32)
LEAST = (60, 16)


class Shell(Pane):
    """The border of a pane whose inside is made after the first picture."""

    def __init__(self, number: int, title: str) -> None:
        self.NUMBER, self.TITLE = number, title  # type: ignore[misc]
        super().__init__(id=f"shell-{title}")


class Bench(Screen[None], inherit_bindings=False):
    """Lays out the panes and shows the state; it decides nothing."""

    AUTO_FOCUS = None

    def __init__(self, desk: Desk, state: State) -> None:
        super().__init__()
        self._desk = desk
        self._state = state
        self.current = 1
        self.zoomed = False
        self.loss: LossPane | None = None
        self.compare: ComparePane | None = None

    def compose(self) -> ComposeResult:
        yield Line(id="what")
        yield NextLine(id="next")
        with Grid(id="panes"):
            yield DataPane(self._desk)
            yield Shell(3, "loss")
            yield KnobsPane(self._state.config)
            yield Shell(4, "compare")
        yield Hints(id="hints")
        yield Static(id="too-small", markup=False)

    def on_mount(self) -> None:
        self._arrange()
        self.refresh_lines()
        self.go(1)

    # ------------------------------------------------------------ panes

    async def fill(self) -> None:
        """Put the panes that need more imports in the place of their shells."""
        from tui.panes.compare import ComparePane
        from tui.panes.loss import LossPane

        self.loss, self.compare = LossPane(), ComparePane()
        with self.app.batch_update():
            for pane in (self.loss, self.compare):
                shell = self.query_one(f"#shell-{pane.TITLE}", Shell)
                pane.set_class(self.current == pane.NUMBER, "-current")
                await self.query_one("#panes").mount(pane, after=shell)
                await shell.remove()

    @property
    def panes(self) -> list[Pane]:
        return sorted(self.query(Pane), key=lambda pane: pane.NUMBER)

    @property
    def single(self) -> bool:
        """One pane at a time: the terminal is too small for four, or one has all the room."""
        width, height = self.size
        return self.zoomed or width < FOUR_PANES[0] or height < FOUR_PANES[1]

    def go(self, number: int) -> None:
        """Show a pane and put the focus into it."""
        self.current = number
        self._arrange()
        self.panes[number - 1].enter()

    def walk(self, by: int) -> None:
        self.go((self.current - 1 + by) % len(self.panes) + 1)

    def zoom(self) -> None:
        self.zoomed = not self.zoomed
        self._arrange()

    def on_resize(self, event: events.Resize) -> None:
        self._arrange()

    def _arrange(self) -> None:
        width, height = self.size
        small = width < LEAST[0] or height < LEAST[1]
        self.set_class(small, "-small")
        self.set_class(self.single, "-single")
        for pane in self.panes:
            pane.set_class(self.current == pane.NUMBER, "-current")
        if small:
            said = f"terminal too small ({width}x{height}, need {LEAST[0]}x{LEAST[1]})"
            self.query_one("#too-small", Static).update(said)
        self._refresh_hints()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        for pane in self.panes:
            if pane in event.widget.ancestors_with_self and self.current != pane.NUMBER:
                self.current = pane.NUMBER
                self._arrange()
        self._refresh_hints()

    # ------------------------------------------------------------ lines

    def refresh_lines(self) -> None:
        """Say anew what this is and what to do next; only what changed is painted."""
        self.query_one("#what", Line).put(what(self._state), *machine_words(self._state))
        self.query_one("#next", NextLine).put(next_step(self._state))
        self._refresh_hints()

    def _refresh_hints(self) -> None:
        hints = self.query_one(Hints)
        if isinstance(self.focused, Input):
            hints.put(keys.hints("field"))
            return
        stop = ("s", "stop" if self.single else "stop and save")
        shown = [
            stop if pair[0] == "t" and self._state.training else pair
            for pair in keys.hints("everywhere")
        ]
        if not self.single:
            hints.put(shown)
        elif self.zoomed:
            hints.put([("z", "four panes"), *(pair for pair in shown if pair[0] != "z")])
        else:
            tabs = [
                (f"{pane.NUMBER} {pane.TITLE}", self.current == pane.NUMBER) for pane in self.panes
            ]
            hints.put(
                sorted(
                    (pair for pair in shown if pair[0] not in ("1-4", "z")),
                    key=lambda p: p[0] == "ctrl+p",
                ),
                tabs,
            )
