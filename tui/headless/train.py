"""`finetui train`: prepare a run, start its trainer, and watch it from a plain terminal."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from engine import config as knobs
from engine.config import Config
from engine.errors import Cancelled, Problem
from engine.runs import follow, launch, listing
from tui.headless import console
from tui.headless.data import edits_told
from tui.headless.desk import open_desk, with_file
from tui.headless.report import EventLines, Report, Watcher
from tui.headless.signals import Signals
from tui.headless.watching import watch


@dataclass(frozen=True)
class Prepared:
    """A run that can start. `seen` is the last event of earlier attempts, -1 for none."""

    path: Path
    seen: int = -1


def run(arguments: argparse.Namespace) -> int:
    with Signals() as signals:
        try:
            prepared = _resumed(arguments) if arguments.resume else _prepared(arguments)
        except (KeyboardInterrupt, Cancelled):
            console.say("nothing was started")
            return signals.exit_code
        pid = launch.start(prepared.path)
        if arguments.detach:
            _say_detached(prepared.path, arguments.json)
            return 0
        watcher: Watcher = EventLines() if arguments.json else Report(prepared.path, sys.stdout)
        return watch(prepared.path, pid, prepared.seen, watcher, signals)


def _prepared(arguments: argparse.Namespace) -> Prepared:
    config = settings(arguments)
    phases = console.PhaseLine(sys.stderr, quiet=arguments.json)
    with open_desk() as desk:
        call = desk.call("prepare", on_progress=phases.take, config=config.to_dict())
        try:
            made = console.wait(call, phases.show)
        finally:
            phases.line.clear()
    if told := edits_told(made.get("edits") or {}):
        console.say(f"with your edits of the rows ({told}); `finetui data` tells more")
    return Prepared(Path(made["path"]))


def settings(arguments: argparse.Namespace) -> Config:
    """The config file or the defaults, with what the command line sets over it."""
    if arguments.config is None and arguments.data is None:
        fix = "name a config file, or --data FILE"
        raise Problem("finetui train", "there is nothing to train on", fix)
    config = knobs.load(_config_file(arguments.config)) if arguments.config else Config()
    config = with_file(config, "data.path", arguments.data)
    config = with_file(config, "model.name", arguments.model)
    return knobs.with_settings(config, arguments.settings)


def _config_file(word: str) -> Path:
    path = Path(word).expanduser()
    if path.exists() and path.suffix.lower() not in (".yaml", ".yml"):
        raise Problem(word, "is no config file (.yaml)", f"for data, write --data {word}")
    return path


def _resumed(arguments: argparse.Namespace) -> Prepared:
    given = [arguments.config, arguments.data, arguments.model, *arguments.settings]
    if any(given):
        raise Problem(
            "--resume", "a run goes on with the settings it began with", "leave the others out"
        )
    path = listing.find(arguments.resume)
    history = listing.load_history(path)
    if history.live:
        raise Problem(path.name, f"is going on ({history.status})", f"`finetui attach {path.name}`")
    if history.status == "done":
        raise Problem(path.name, "is done: there is no step left", "start a new run")
    events = follow.read(path)
    return Prepared(path, events[-1].seq if events else -1)


def _say_detached(path: Path, as_json: bool) -> None:
    if as_json:
        console.json_line({"id": path.name, "path": str(path)})
    else:
        print(path.name, flush=True)
