"""The screens laid over the workbench: what each is given, and what its answer does.

They are imported when they are asked for, which keeps the first picture quick.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tui import keys
from tui.screens.bench import Bench

if TYPE_CHECKING:
    from tui.app import Workbench


def focus(app: Workbench) -> keys.Focus:
    """Where the keys go now, as the table names it."""
    return keys.PANES[app.bench.current - 1] if isinstance(app.screen, Bench) else "runs"


def show_help(app: Workbench) -> None:
    from tui.screens.sheet import Sheet, keys_page

    app.push_screen(Sheet("keys", keys_page(focus(app))))


def choose_command(app: Workbench) -> None:
    from tui.screens.palette import Palette

    async def run(action: str | None) -> None:
        if action is not None:
            where, _, rest = action.partition(".")
            pane = app.bench.panes[app.bench.current - 1]
            await app.run_action(rest, app if where == "app" else pane)

    app.push_screen(Palette(focus(app)), run)


def choose_data(app: Workbench) -> None:
    from tui.screens.files import OpenData

    def open_path(path: str | None) -> None:
        if path:
            app.open_path(path)

    app.push_screen(OpenData(), open_path)


def choose_run(app: Workbench) -> None:
    """The list of runs; when it is there already, away with it."""
    from tui.screens.runs import RunsScreen

    def attach(path: Path | None) -> None:
        if path:
            app.training.attach(path)
            app.bench.go(3)

    if isinstance(app.screen, RunsScreen):
        app.pop_screen()
    else:
        app.to_bench()
        app.push_screen(RunsScreen(app.runs, app.state.run), attach)


def ask_before_leaving(app: Workbench, run: Path) -> None:
    from tui.screens.leave import Leave

    def leave(answer: str | None) -> None:
        match answer:
            case "detach":
                app.exit(0)
            case "stop" | "kill":
                app.training.tell(answer, then=lambda: app.exit(0))

    if not isinstance(app.screen, Leave):
        app.push_screen(Leave(run.name), leave)
