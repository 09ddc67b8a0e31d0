"""Where things are kept, and how private folders are made."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from engine.errors import Problem

APP = "finetui"
PRIVATE = 0o700
ROOT = Path(__file__).resolve().parent.parent


def home() -> Path:
    """Everything finetui keeps, unless FINETUI_HOME names another place."""
    override = os.environ.get("FINETUI_HOME")
    return Path(override).expanduser() if override else Path(platformdirs.user_data_dir(APP))


def runs() -> Path:
    return home() / "runs"


def projects() -> Path:
    """What belongs to a data source: the person's edits of its rows, and which rows are held out."""
    return home() / "projects"


def cache() -> Path:
    """What can be made again: converted weights."""
    override = os.environ.get("FINETUI_HOME")
    return home() / "cache" if override else Path(platformdirs.user_cache_dir(APP))


def user_config() -> Path:
    """The person's own settings: themes."""
    override = os.environ.get("FINETUI_HOME")
    return home() / "config" if override else Path(platformdirs.user_config_dir(APP))


def logs() -> Path:
    return home() / "logs"


def make_private(folder: Path) -> Path:
    """Make a folder that only its owner can enter (0700), parents included."""
    try:
        folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        folder.chmod(PRIVATE)
    except OSError as error:
        raise Problem(
            str(folder),
            f"cannot make this folder ({error.strerror})",
            "set FINETUI_HOME to a folder you can write to",
        ) from error
    return folder


def bundled(name: str) -> Path:
    """A folder shipped with finetui (`themes`, `sample_data`): in a checkout or in the wheel."""
    for place in (ROOT / "tui" / name, ROOT / "engine" / name, ROOT / name):
        if place.is_dir():
            return place
    raise Problem(name, "this folder of finetui is missing", "install finetui again")


def sample_config() -> Path:
    return bundled("sample_data") / "config.yaml"
