"""Watch a run from outside: its journal first, then the progress queue, without a gap or a double."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

from engine.events import Event
from engine.runs import directory, journal

LOOK_SECONDS = 0.25


def read(run: Path) -> list[Event]:
    """Every event so far."""
    return [event for event, _ in journal.read(run)]


class Follower:
    """A thread that puts a run's events on `queue`: all there are, then each as it comes.

    The journal is the truth and is looked at four times a second; the socket only says sooner that
    there is something to read. So whatever the socket loses, the queue never does.
    """

    def __init__(self, run: Path) -> None:
        self.run = run
        self.queue: queue.Queue[Event] = queue.Queue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name=f"follow {run.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout=2.0)

    def __iter__(self) -> Iterator[Event]:
        """Events until `stop` is called."""
        while not self._stop.is_set():
            with contextlib.suppress(queue.Empty):
                yield self.queue.get(timeout=LOOK_SECONDS)

    def _follow(self) -> None:
        place = 0
        bell: socket.socket | None = None
        while True:
            stopping = self._stop.is_set()
            for event, after in journal.read(self.run, place):
                place = after
                self.queue.put(event)
            if stopping:
                break
            bell = bell or _connect(self.run)
            if bell is None or not _rang(bell):
                self._stop.wait(LOOK_SECONDS)
                bell = None
        if bell is not None:
            bell.close()


def _connect(run: Path) -> socket.socket | None:
    held = directory.owner(run)
    if held is None or not held.socket:
        return None
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(LOOK_SECONDS)
    try:
        connection.connect(held.socket)
    except OSError:
        connection.close()
        return None
    return connection


def _rang(bell: socket.socket) -> bool:
    """Wait until something was published or the next look is due; False when the other side is gone."""
    try:
        if bell.recv(1 << 16):
            return True
    except TimeoutError:
        return True
    except OSError:
        pass
    bell.close()
    return False
