"""`finetui control RUN stop|kill|save|eval`: tell a run what to do; wait until it has heard."""

from __future__ import annotations

import argparse
from pathlib import Path
from time import monotonic, sleep

from engine import events
from engine.commands import command
from engine.errors import Problem
from engine.runs import control, directory, follow, listing
from engine.text import clean

WAIT_SECONDS = 60.0
LOOK_SECONDS = 0.1


def run(arguments: argparse.Namespace) -> int:
    path = listing.find(arguments.run)
    told = command(arguments.what)
    control.send(path, told)
    if arguments.what == "kill":
        _wait_for_death(path)
        print(f"{path.name}: ended at once; nothing after its last checkpoint was kept")
        return 0
    taken = _wait_for(path, told.id)
    if not taken.ok:
        raise Problem(f"{path.name} {arguments.what}", clean(taken.why, 300), "try again later")
    print(f"{path.name}: {arguments.what} taken at step {taken.step:,}")
    return 0


def _wait_for(path: Path, key: str) -> events.CommandTaken:
    """The event that acknowledges a command; a Problem when none comes."""
    until = monotonic() + WAIT_SECONDS
    while monotonic() < until:
        for event in follow.read(path):
            if isinstance(event.body, events.CommandTaken) and event.body.id == key:
                return event.body
        if not directory.alive(path):
            break
        sleep(LOOK_SECONDS)
    raise Problem(path.name, "did not answer", "see `finetui runs`, or end it with kill")


def _wait_for_death(path: Path) -> None:
    until = monotonic() + WAIT_SECONDS
    while directory.alive(path) and monotonic() < until:
        sleep(LOOK_SECONDS)
