"""Leaving when the terminal goes away: a hangup, a termination signal, an end of input.

Textual handles none of them, and spins when a hangup is ignored by whoever launched it.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType

GRACE = 2.0
HUNG_UP = 128 + signal.SIGHUP
TERMINATED = 128 + signal.SIGTERM


def end_process(code: int) -> None:
    """End at once: what is worth keeping is on disk already, and nobody reads the screen."""
    os._exit(code)


def end_after(seconds: float, code: int) -> None:
    """End the process by then, whatever still holds it."""
    timer = threading.Timer(seconds, end_process, (code,))
    timer.daemon = True
    timer.start()


def guard(leave: Callable[[int], None]) -> None:
    """Take the signals over and watch the terminal. `leave(code)` asks the app to go in peace."""

    def on_signal(number: int, frame: FrameType | None) -> None:
        code = 128 + number
        end_after(0.2 if number == signal.SIGHUP else GRACE, code)
        leave(code)

    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, on_signal)
    threading.Thread(target=_watch, args=(leave,), name="terminal watch", daemon=True).start()


def _watch(leave: Callable[[int], None]) -> None:
    """Sleep until the terminal is gone, then see to it that the process goes too."""
    try:
        descriptor = sys.__stdin__.fileno() if sys.__stdin__ else -1
        watched = select.poll()
        watched.register(descriptor, 0)
        while not _gone(watched.poll(5_000), descriptor):
            pass
    except (OSError, ValueError):
        pass
    end_after(0.5, HUNG_UP)
    leave(HUNG_UP)


def _gone(found: list[tuple[int, int]], descriptor: int) -> bool:
    if any(event & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, event in found):
        return True
    try:
        os.tcgetpgrp(descriptor)
    except OSError:
        return True
    return False
