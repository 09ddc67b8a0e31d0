"""Starting a run, following it, and telling it to stop, on behalf of the app."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.config import Config
from engine.errors import Cancelled, Problem
from tui.messages import Notice, Problemed

if TYPE_CHECKING:
    from engine.commands import Name
    from engine.desk.client import Call
    from engine.machine import Machine
    from tui.app import Workbench
    from tui.follow import Watch

TICK = 0.5
LOOK_EVERY = 8
"""Ticks between two looks at the machine and at whether the trainer lives."""
SILENT_START = 60.0
"""Seconds that a trainer may take until its first word."""
CATCHING_UP = 0.02


class Training:
    """The run that the app shows. Methods run in the app's thread unless they say otherwise."""

    def __init__(self, app: Workbench) -> None:
        self._app = app
        self._state = app.state
        self._runs = app.runs
        self._watch: Watch | None = None
        self._preparing: Call | None = None
        self._started = 0.0
        self._ticks = 0
        self._status = ""
        self._heart = app.set_interval(TICK, self.tick, pause=True)

    def _work(self, task: Callable[[], Any], words: str, *, alone: bool = False) -> None:
        self._app.run_worker(
            task,
            words,
            group=words,
            description=words,
            exit_on_error=False,
            exclusive=alone,
            thread=True,
        )

    # ------------------------------------------------------------ starting

    def start(self, config: Config) -> None:
        """Make the run's directory, take the desk out of the way, and start the trainer."""
        self._state.starting = "preparing the run"
        self._app.bench.refresh_lines()
        self._work(functools.partial(self._start, config), "starting the run")

    def _start(self, config: Config) -> None:
        """In a worker's thread."""
        path: Path | None = None
        try:
            self._preparing = self._app.desk.call("prepare", config=config.to_dict())
            path = Path(self._preparing.result()["path"])
            self._app.desk.call("release").result()
            self._runs.start(path)
        except Cancelled:
            path = None
        except Problem as problem:
            path = None
            self._app.post_message(Problemed(problem))
        except BaseException:
            path = None
            raise
        finally:
            self._app.call_from_thread(self._started_or_not, path)

    def _started_or_not(self, path: Path | None) -> None:
        self._state.starting, self._preparing = "", None
        if path is None:
            self._app.bench.refresh_lines()
            return
        self._started = time.monotonic()
        self.attach(path)
        if self._app.bench.single:
            self._app.bench.go(3)

    def cancel(self) -> bool:
        """Drop a start that is being prepared; False when there is none."""
        if self._preparing is None:
            return False
        self._preparing.cancel()
        return True

    def warm_up(self) -> None:
        self._work(self._runs.warm_up, "getting a trainer ready", alone=True)

    # ------------------------------------------------------------ following

    def attach(self, path: Path) -> None:
        """Follow a run, going on or long done."""
        from tui.follow import Watch

        if self._watch:
            self._watch.stop()
        self._watch = Watch(self._runs, path)
        now = self._state
        now.run, now.run_config, now.history = path, None, self._watch.history
        now.lost = now.stopping = False
        self._work(
            functools.partial(self._read_config, path), "reading the run's settings", alone=True
        )
        self._heart.resume()
        self._app.show()
        self.tick()
        self._app.show_source()

    def _read_config(self, path: Path) -> None:
        """In a worker's thread."""
        self._app.call_from_thread(self._take_config, path, self._runs.config(path))

    def _take_config(self, path: Path, config: Config | None) -> None:
        if path == self._state.run:
            self._state.run_config = config
            self._app.bench.refresh_lines()
            self._app.show_source()

    def tick(self) -> None:
        """Take in what the run has reported: twice a second, more often only while catching up."""
        if self._watch is None or self._watch.path != self._state.run:
            return
        changed, more = self._watch.drain()
        if more:
            self._app.set_timer(CATCHING_UP, self.tick)
            return
        if changed:
            self._app.show()
            self._tell_status()
        self._ticks += 1
        if not self._state.training:
            self._ended()
        elif self._ticks % LOOK_EVERY == 1:
            self.look()

    def _tell_status(self) -> None:
        """The compare pane asks other models when a run begins and when it ends."""
        history = self._state.history
        if history is not None and history.status != self._status:
            self._status = history.status
            self._app.show_source()

    def _ended(self) -> None:
        """The run has said its last word, or never will."""
        self._heart.pause()
        if self._watch:
            self._watch.stop()
            self._watch = None
        self._app.show()
        self._app.show_source()
        self.look()

    def look(self) -> None:
        """Read the machine, and see whether the trainer still lives."""
        self._work(self._look, "looking at the machine", alone=True)

    def _look(self) -> None:
        """In a worker's thread."""
        path, history, lost = self._state.run, self._state.history, False
        if path and history and self._state.training:
            silent = history.status == "queued" and time.monotonic() - self._started > SILENT_START
            lost = self._runs.is_lost(path, history) or (silent and not self._runs.is_alive(path))
        machine = self._runs.machine()
        self._app.call_from_thread(self._looked, machine, path, lost)

    def _looked(self, machine: Machine, path: Path | None, lost: bool) -> None:
        self._state.machine = machine
        self._app.show()
        if lost and self._watch and path == self._state.run and not self._watch.drain()[0]:
            self._state.lost = True
            self._ended()

    # ------------------------------------------------------------ telling

    def tell(self, name: Name, then: Callable[[], object] | None = None) -> None:
        """Send a command to the run, and do something when it is on its way."""
        self._work(functools.partial(self._tell, name, then), "telling the run")

    def _tell(self, name: Name, then: Callable[[], object] | None) -> None:
        """In a worker's thread."""
        try:
            if self._state.run:
                self._runs.send(self._state.run, name)
        except Problem as problem:
            self._app.post_message(Problemed(problem))
        finally:
            if then:
                self._app.call_from_thread(then)

    def stop(self) -> None:
        if self._state.training:
            self._state.stopping = True
            self._app.bench.refresh_lines()
            self.tell("stop")
        else:
            self._app.post_message(Notice("No training is going on"))

    def close(self) -> None:
        if self._watch:
            self._watch.stop()
        self._runs.close()
