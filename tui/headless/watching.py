"""Follow a run to its end, and pass on what the person's signals ask of it."""

from __future__ import annotations

import os
import queue
from pathlib import Path
from time import monotonic

from engine import events
from engine.commands import Name, command
from engine.errors import Problem
from engine.runs import control
from engine.runs.follow import Follower
from engine.runs.history import History
from tui.headless import console
from tui.headless.report import Watcher
from tui.headless.signals import Signals

LOOK_SECONDS = 0.2
LAST_WORD_SECONDS = 2.0  # what a process wrote before it died may still be on its way


def watch(path: Path, pid: int, seen: int, watcher: Watcher, signals: Signals) -> int:
    """Until the run ends or the terminal goes away; returns the exit code."""
    signals.hold()
    follower = Follower(path)
    follower.start()
    history = History(run=path.name)
    told = 0
    gone_at: float | None = None
    try:
        while True:
            if signals.hung_up:
                return 0
            told = _tell(path, signals, told)
            if _take(follower, history, watcher, seen):
                break
            gone_at = gone_at or (monotonic() if ended(pid) else None)
            if gone_at and monotonic() - gone_at > LAST_WORD_SECONDS:
                history.status = "lost"
                break
    except OSError:
        return _nobody_looks(signals)
    finally:
        follower.stop()
    watcher.end(history, killed=signals.count > 1)
    return exit_code(history, signals)


def exit_code(history: History, signals: Signals) -> int:
    """0 done or stopped from elsewhere, 1 failed or lost, 130 or 143 ended by a signal."""
    if history.status == "done":
        return 0
    if signals.count:
        return signals.exit_code
    return 0 if history.status == "stopped" else 1


def _take(follower: Follower, history: History, watcher: Watcher, seen: int) -> bool:
    """One portion of events; True when the run has said its last word."""
    until = monotonic() + LOOK_SECONDS
    while (left := until - monotonic()) > 0:
        try:
            event = follower.queue.get(timeout=left)
        except queue.Empty:
            break
        if history.apply(event):
            watcher.take(event, history, event.seq > seen)
        if isinstance(event.body, events.LAST_WORDS) and event.seq > seen:
            return True
    watcher.tick(history)
    return False


def _tell(path: Path, signals: Signals, told: int) -> int:
    """The first signal stops and saves, the second kills; returns how many were passed on."""
    wanted: tuple[Name, ...] = ("stop", "kill")
    while told < min(signals.count, len(wanted)):
        name = wanted[told]
        try:
            control.send(path, command(name))
        except Problem:
            return told  # not there yet, or gone: ask again at the next look
        told += 1
        if name == "stop":
            console.say("stopping and saving; once more ends it at once")
    return told


def ended(pid: int) -> bool:
    """Whether our child has ended; it is reaped."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        try:
            os.kill(pid, 0)
        except OSError:
            return True
    return False


def _nobody_looks(signals: Signals) -> int:
    """The terminal or the reader of the output is gone: the run goes on without us."""
    if not signals.hung_up:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 0
