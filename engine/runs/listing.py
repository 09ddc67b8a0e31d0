"""Every run there is, newest first, and the one that a name means."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path

from engine import paths
from engine.errors import Problem
from engine.runs import directory, journal
from engine.runs.history import History, Status

START_SECONDS = 120.0
"""A run whose trainer has not claimed it after so long will not be trained by it."""


@dataclass(frozen=True)
class RunInfo:
    """A line of the list. Losses are held-out losses of all rows, NaN where not measured; `started` is Unix time."""

    id: str
    title: str
    status: Status
    step: int
    total_steps: int
    baseline_loss: float
    best_loss: float
    best_step: int
    path: Path
    started: float


def list_runs() -> list[RunInfo]:
    folder = paths.runs()
    if not folder.is_dir():
        return []
    found = [describe(run) for run in folder.iterdir() if (run / directory.META).is_file()]
    return sorted(found, key=lambda info: (-info.started, info.id))


def describe(run: Path) -> RunInfo:
    meta = directory.read_json(run / directory.META)
    history = load_history(run)
    before, best = history.change
    return RunInfo(
        id=run.name,
        title=str(meta.get("title", "")),
        status=history.status,
        step=history.step.step if history.step else 0,
        total_steps=history.total_steps,
        baseline_loss=before,
        best_loss=best if history.best_step or history.status == "done" else math.nan,
        best_step=history.best_step,
        path=run,
        started=float(meta.get("created", 0.0)),
    )


def load_history(run: Path) -> History:
    """The run's events folded, with `lost` said of a run whose process is gone without a word."""
    history = History()
    for event, _ in journal.read(run):
        history.apply(event)
    history.status = status_now(run, history)
    return history


def status_now(run: Path, history: History) -> Status:
    if directory.alive(run):
        return history.status
    begun = (run / directory.LOCK).exists() or _age(run) > START_SECONDS
    return "lost" if history.live or (history.status == "queued" and begun) else history.status


def _age(run: Path) -> float:
    return time.time() - float(directory.read_json(run / directory.META).get("created", 0.0))


def find(name: str) -> Path:
    """The run that `name` means: its id, its number, the start of its id, its path, or `last`."""
    place = Path(name).expanduser()
    if _is_run(place):
        return place.resolve()
    known = {info.id: info.path for info in list_runs()} if name == "last" else _ids()
    if name == "last":
        if not known:
            raise Problem("last", "there are no runs yet", "start one with `finetui train`")
        return next(iter(known.values()))
    matching = [
        path
        for key, path in known.items()
        if key.startswith(name) or _number(key) == name.lstrip("0")
    ]
    exact = [
        path for path in matching if path.name == name or _number(path.name) == name.lstrip("0")
    ]
    if len(exact or matching) == 1:
        return (exact or matching)[0]
    what = "is the start of several runs" if matching else "there is no such run"
    raise Problem(name, what, "see `finetui runs` for their ids")


def _is_run(place: Path) -> bool:
    try:
        return (place / directory.META).is_file()
    except OSError:  # a name too long for a file
        return False


def _number(key: str) -> str:
    return key.partition("-")[0].lstrip("0")


def _ids() -> dict[str, Path]:
    folder = paths.runs()
    runs = sorted(folder.iterdir()) if folder.is_dir() else []
    return {run.name: run for run in runs if (run / directory.META).is_file()}
