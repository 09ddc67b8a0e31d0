"""What the arguments of `finetui` mean, and opening the app on it."""

from __future__ import annotations

import difflib
import gc
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine import config as knobs
from engine import paths
from engine.config import Config
from engine.errors import Problem
from engine.text import clean

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
LONGEST_NAME = 256
FILE_ENDINGS = (
    ".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".arrow", ".txt", ".md", ".gz", ".zst", ".zip",
)  # fmt: skip


@dataclass(frozen=True)
class Target:
    """A config to open, and the run to attach to when one was named."""

    config: Config
    run: Path | None = None


def open_target(words: Sequence[str], theme: str | None, commands: Sequence[str] = ()) -> int:
    """Open the app; without a terminal one line says what to do instead."""
    first = words[0] if words else None
    target = several_files(words, commands) if len(words) > 1 else find_target(first, commands)
    check_terminal()
    return open_app(target, theme)


def check_terminal() -> None:
    """A Problem when there is no terminal to draw on."""
    fix = "`finetui train` works without one; over SSH, `ssh -t SERVER finetui` gives it one"
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout)):
        raise Problem("finetui", "the workbench needs a terminal for input and output", fix)
    if os.environ.get("TERM", "") in ("", "dumb"):
        name = os.environ.get("TERM") or "not set"
        raise Problem("finetui", f"this terminal cannot be drawn on (TERM is {name})", fix)


def find_target(word: str | None, commands: Sequence[str] = ()) -> Target:
    """A .yaml file is a config; the id or folder of a run is a run; all else is data."""
    if word is None:
        return Target(knobs.load(paths.sample_config()))
    path = Path(word).expanduser()
    if path.suffix.lower() in (".yaml", ".yml"):
        return Target(knobs.load(path))
    there = os.path.exists(path)
    if not there and any(sign in word for sign in "*?["):
        return _data(str(path.absolute()))
    if not there and _is_hub_id(word):
        return _data(word)
    run = _find_run(word, path) if len(word) < LONGEST_NAME else None
    if run is not None:
        return run_target(run)
    if there:
        return _data(str(path.resolve()))
    raise Problem(clean(word, 200, lines=False), *_nothing(word, path, commands))


def several_files(words: Sequence[str], commands: Sequence[str] = ()) -> Target:
    """Files to be read as one; a config or a run stands alone."""
    paths_ = []
    for word in words:
        found = find_target(word, commands)
        path = found.config.data.path
        if found.run or Path(word).suffix.lower() in (".yaml", ".yml") or not isinstance(path, str):
            what = "is no data file, and only files can be opened together"
            raise Problem(clean(word, 200, lines=False), what, "open it alone")
        paths_.append(path)
    return Target(knobs.with_value(Config(), "data.path", paths_))


def run_target(run: Path) -> Target:
    from engine.runs import directory

    return Target(knobs.load(run / directory.CONFIG), run)


def _data(name: str) -> Target:
    return Target(knobs.with_value(Config(), "data.path", name))


def _is_hub_id(word: str) -> bool:
    """Two plain words with a slash between them, and no folder here that the first one names."""
    owner = word.partition("/")[0]
    return (
        HUB_ID.fullmatch(word) is not None
        and not word.lower().endswith(FILE_ENDINGS)
        and not Path(owner).exists()
    )


def _find_run(word: str, path: Path) -> Path | None:
    from engine.runs import directory, listing

    if os.path.exists(path) and not (path / directory.META).is_file():
        return None
    try:
        return listing.find(word)
    except Problem:
        if word == "last":
            raise
        return None


def _nothing(word: str, path: Path, commands: Sequence[str]) -> tuple[str, str]:
    """What to say of a word that names nothing: (what, fix)."""
    what = "there is no such file, run or command"
    near = difflib.get_close_matches(word, commands, 1)
    if near:
        return what, f"did you mean `finetui {near[0]}`?"
    near = difflib.get_close_matches(path.name, _names(path.parent), 1, cutoff=0.7)
    if near:
        return what, f"did you mean {clean(path.parent / near[0], 200, lines=False)}?"
    return what, "name a data file, a config (.yaml) or a run; `finetui runs` lists the runs"


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))[:1000]
    except OSError:
        return []


def open_app(target: Target, theme: str | None) -> int:
    """Start the desk, so that it imports while the app paints, and run the app."""
    if "SSH_CONNECTION" in os.environ:
        os.environ.setdefault("TEXTUAL_SMOOTH_SCROLL", "0")
        os.environ.setdefault("TEXTUAL_FPS", "30")
    from engine.desk.client import Desk

    desk = Desk()
    desk.start()
    try:
        gc.disable()  # collecting while it imports costs a fifth of the way to the first picture
        from tui.app import Workbench

        gc.freeze()
        gc.enable()
        app = Workbench(desk, target.config, target.run, theme)
        app.run()
        return app.return_code or 0
    finally:
        desk.close()
