"""Following one run: its events, folded into a history in small portions."""

from __future__ import annotations

import queue
import time
from pathlib import Path

from engine.runs.history import History
from tui.runs import Follower, Runs

PORTION = 0.05
"""Seconds that one drain may take: a long run is read in without holding up the keys."""


class Watch:
    """A run being watched. `drain` is called by the app's timer, in the app's own thread."""

    def __init__(self, runs: Runs, path: Path) -> None:
        self.path = path
        self.history = History(run=path.name)
        self._follower: Follower = runs.follow(path)
        self._follower.start()

    def drain(self) -> tuple[bool, bool]:
        """Take in what has come: (did anything change, is more waiting)."""
        changed = False
        until = time.monotonic() + PORTION
        while True:
            try:
                event = self._follower.queue.get_nowait()
            except queue.Empty:
                return changed, False
            changed = self.history.apply(event) or changed
            if time.monotonic() > until:
                return changed, True

    def stop(self) -> None:
        self._follower.stop()
