"""Tell a run what to do: over its socket, else by a file it looks at, else (kill) by a signal."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

from engine import commands
from engine.commands import Command
from engine.errors import Problem
from engine.runs import directory

SEND_SECONDS = 2.0


def send(run: Path, command: Command) -> None:
    """Hand a command to a live run; a `command` event with its id tells what came of it."""
    held = directory.owner(run)
    if held is None or not directory.alive(run):
        raise Problem(run.name, "is not running", "start or resume it first")
    if command.name == "kill":
        kill(run)
    elif not _by_socket(held.socket, command):
        _by_file(run, command)


def kill(run: Path) -> None:
    """End the trainer and all it started at once; nothing is saved."""
    held = directory.owner(run)
    if held is None or not directory.alive(run) or held.host != socket.gethostname():
        raise Problem(
            run.name,
            "its process is not to be found on this machine",
            "look at it with `finetui runs`",
        )
    try:
        os.killpg(held.pid, signal.SIGKILL)
    except PermissionError as error:
        raise Problem(run.name, "belongs to another user", "ask its owner") from error
    except ProcessLookupError:
        pass


def _by_socket(path: str, command: Command) -> bool:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(SEND_SECONDS)
            connection.connect(path)
            connection.sendall(commands.encode(command).encode() + b"\n")
    except OSError:
        return False
    return True


def _by_file(run: Path, command: Command) -> None:
    descriptor = os.open(run / directory.COMMANDS, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, commands.encode(command).encode() + b"\n")
    finally:
        os.close(descriptor)
