"""The trainer's side of the talk: say what happened, hear what is asked."""

from __future__ import annotations

import queue
from pathlib import Path

from engine import commands
from engine.commands import Command
from engine.events import Body
from engine.runs import directory
from engine.runs.channel import Channel
from engine.runs.journal import Journal


class Report:
    """Each event goes to the journal first and then on the progress queue."""

    def __init__(self, run: Path, channel: Channel | None) -> None:
        self._file = run / directory.COMMANDS
        self._file_place = self._file.stat().st_size if self._file.exists() else 0
        self.channel = channel
        self.journal = Journal(run)

    def say(self, body: Body) -> None:
        event = self.journal.write(body)
        if self.channel is not None:
            self.channel.publish(event)

    def heard(self) -> list[Command]:
        """Commands that came since the last call, over the socket or by the file."""
        found = []
        while self.channel is not None:
            try:
                found.append(self.channel.commands.get_nowait())
            except queue.Empty:
                break
        return found + self._from_file()

    def close(self) -> None:
        self.journal.close()
        if self.channel is not None:
            self.channel.close()

    def _from_file(self) -> list[Command]:
        try:
            if self._file.stat().st_size <= self._file_place:
                return []
            with self._file.open("rb") as stream:
                stream.seek(self._file_place)
                text = stream.read()
        except OSError:
            return []
        whole = text.rpartition(b"\n")[0]
        self._file_place += len(whole) + 1 if whole else 0
        return [c for line in whole.split(b"\n") if (c := commands.decode(line))]
