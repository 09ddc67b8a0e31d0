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


class Stopping(Exception):
    """A stop was asked for while nothing was trained yet, so that there is nothing to save."""


class Report:
    """Each event goes to the journal first and then on the progress queue.

    `stop_asked` is set by a signal, or by a command as soon as it is heard.
    """

    stop_asked = False

    def __init__(self, run: Path, channel: Channel | None) -> None:
        self._file = run / directory.COMMANDS
        self._file_place = self._file.stat().st_size if self._file.exists() else 0
        self._waiting: list[Command] = []
        self.channel = channel
        self.journal = Journal(run)

    def say(self, body: Body) -> None:
        event = self.journal.write(body)
        if self.channel is not None:
            self.channel.publish(event)

    def heard(self) -> list[Command]:
        """The commands that came since the last call, in their order."""
        self._listen()
        heard, self._waiting = self._waiting, []
        return heard

    def raise_if_stopped(self) -> None:
        """Raise Stopping when a stop was asked for; other commands wait for an edge between updates."""
        self._listen()
        if self.stop_asked:
            raise Stopping

    def _listen(self) -> None:
        new = self._arrived()
        self.stop_asked = self.stop_asked or any(command.name == "stop" for command in new)
        self._waiting += new

    def _arrived(self) -> list[Command]:
        """Over the socket, and by the file."""
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
