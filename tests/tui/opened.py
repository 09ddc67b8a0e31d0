"""The workbench on a fake desk, opened and settled; and what stands on its screen."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

from textual.pilot import Pilot
from textual.strip import Strip
from textual.worker import WorkerCancelled, WorkerFailed

from engine.config import Config
from tests.tui.fake_desk import FakeDesk, FakeRuns
from tui.app import Workbench

NARROW = (80, 24)
WIDE = (120, 40)


class Bench:
    """A running workbench under test."""

    def __init__(self, app: Workbench, pilot: Pilot[Any], desk: FakeDesk, runs: FakeRuns) -> None:
        self.app, self.pilot, self.desk, self.runs = app, pilot, desk, runs

    async def settle(self) -> None:
        """Wait until nothing is under way, but for calls that the desk holds back."""
        await self.pilot.pause()
        while not self.desk.held and any(not worker.is_finished for worker in self.app.workers):
            with contextlib.suppress(WorkerCancelled, WorkerFailed):
                await self.app.workers.wait_for_complete()
            await self.pilot.pause()

    async def press(self, *pressed: str) -> None:
        for key in pressed:
            await self.pilot.press(key)
            await self.settle()

    async def type(self, text: str) -> None:
        await self.pilot.press(*("space" if letter == " " else letter for letter in text))

    def strips(self) -> list[Strip]:
        return self.app.screen._compositor.render_strips()

    def text(self) -> str:
        """What is on the screen, line by line."""
        return "\n".join("".join(segment.text for segment in strip) for strip in self.strips())

    @property
    def screen_name(self) -> str:
        return type(self.app.screen).__name__

    def toasts(self) -> list[str]:
        return [note.message for note in self.app._notifications]


@contextlib.asynccontextmanager
async def opened(
    size: tuple[int, int] = NARROW,
    desk: FakeDesk | None = None,
    runs: FakeRuns | None = None,
    run: Path | None = None,
    config: Config | None = None,
    theme: str | None = "dark",
) -> AsyncIterator[Bench]:
    desk, runs = desk or FakeDesk(), runs or FakeRuns()
    app = Workbench(cast(Any, desk), config or Config(), run, theme, runs=cast(Any, runs))
    async with app.run_test(size=size) as pilot:
        bench = Bench(app, pilot, desk, runs)
        await bench.settle()
        yield bench
        desk.let_all_go()
