"""`events.jsonl`, the truth about a run: appended line by line, read back whatever its state."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from engine import events
from engine.events import Body, Event
from engine.runs import directory

SYNC_SECONDS = 2.0
STATE_CHANGES = (events.Hello, events.Eval, events.Checkpoint, *events.LAST_WORDS)


class Journal:
    """Appends a run's events. A torn last line, left by a killed process, is cut before the first."""

    def __init__(self, run: Path) -> None:
        path = run / directory.EVENTS
        last = _cut_torn_tail(path)
        self.run = run.name
        self.next_seq = last.seq + 1 if last else 0
        self.attempt = last.attempt + 1 if last else 0
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._synced = time.monotonic()

    def write(self, body: Body) -> Event:
        """One line in one write; on the disk at once for a change of state, else within two seconds."""
        event = Event(self.run, self.next_seq, self.attempt, time.time(), body)
        self._append(events.encode(event).encode() + b"\n")
        self.next_seq += 1
        if isinstance(body, STATE_CHANGES) or time.monotonic() - self._synced > SYNC_SECONDS:
            os.fsync(self._descriptor)
            self._synced = time.monotonic()
        return event

    def _append(self, line: bytes) -> None:
        """All of it or nothing: what a full disk took of a line is cut off again, so that the next one is whole."""
        size = os.fstat(self._descriptor).st_size
        left = line
        try:
            while left:
                left = left[os.write(self._descriptor, left) :]
        except OSError:
            os.ftruncate(self._descriptor, size)
            raise

    def close(self) -> None:
        os.fsync(self._descriptor)
        os.close(self._descriptor)


def read(run: Path, start: int = 0) -> Iterator[tuple[Event, int]]:
    """Each whole, sound event from byte `start` on, with the byte after it. Damaged lines are passed over.

    A last line without its end is still being written: the next call, from the last byte given, finds it.
    """
    try:
        stream = (run / directory.EVENTS).open("rb")
    except OSError:
        return
    with stream:
        stream.seek(start)
        place = start
        for line in stream:
            if not line.endswith(b"\n"):
                return
            place += len(line)
            event = events.decode(line)
            if event is not None:
                yield event, place


def _cut_torn_tail(path: Path) -> Event | None:
    """The last sound event; what follows the last line end is cut off."""
    if not path.exists():
        return None
    with path.open("rb+") as stream:
        whole = 0
        last = None
        for line in stream:
            if line.endswith(b"\n"):
                whole += len(line)
                last = events.decode(line) or last
        stream.truncate(whole)
    return last
