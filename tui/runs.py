"""The app's way to the runs: the engine is imported when it is first needed."""

from __future__ import annotations

import queue
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from engine.errors import Problem

if TYPE_CHECKING:
    from engine.commands import Name
    from engine.config import Config
    from engine.events import Event
    from engine.machine import Machine
    from engine.runs.history import History
    from engine.runs.launch import Warm
    from engine.runs.listing import RunInfo


class Follower(Protocol):
    """What hands over a run's events as they come."""

    queue: queue.Queue[Event]

    def start(self) -> Any: ...
    def stop(self) -> Any: ...


class Runs:
    """Every call may block for a moment on the disk: make them in a worker thread."""

    def __init__(self) -> None:
        self._warm: Warm | None = None
        self._lock = threading.Lock()

    def warm_up(self) -> None:
        """Have a trainer do its imports beforehand, so that the next start is quick."""
        from engine.runs import launch

        with self._lock:
            self._warm = self._warm or launch.Warm()

    def start(self, path: Path) -> None:
        from engine.runs import launch

        with self._lock:
            warm, self._warm = self._warm, None
        if warm is None:
            launch.start(path)
        else:
            warm.start(path)

    def follow(self, path: Path) -> Follower:
        from engine.runs import follow

        return follow.Follower(path)

    def config(self, path: Path) -> Config | None:
        """The settings of a run; None where they cannot be read."""
        from engine import config
        from engine.runs import directory

        try:
            return config.load(path / directory.CONFIG)
        except Problem:
            return None

    def send(self, path: Path, name: Name) -> None:
        from engine.commands import command
        from engine.runs import control

        control.send(path, command(name))

    def all(self) -> list[RunInfo]:
        from engine.runs import listing

        return listing.list_runs()

    def is_lost(self, path: Path, history: History) -> bool:
        """Whether its process is gone without a word."""
        from engine.runs import listing

        return listing.status_now(path, history) == "lost"

    def is_alive(self, path: Path) -> bool:
        from engine.runs import directory

        return directory.alive(path)

    def machine(self) -> Machine:
        from engine import machine

        return machine.read()

    def close(self) -> None:
        """Let go of a trainer that waits."""
        with self._lock:
            if self._warm is not None:
                self._warm.close()
                self._warm = None
