"""A desk for the time of one command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine import config as knobs
from engine.config import Config
from engine.desk.client import Desk


@contextmanager
def open_desk() -> Iterator[Desk]:
    desk = Desk()
    desk.start()
    try:
        yield desk
    finally:
        desk.close()


def with_file(config: Config, path: str, given: str | list[str] | None) -> Config:
    """A config with one path or name set, or with several paths, as the person means it from where
    they stand."""
    if given is None:
        return config
    if isinstance(given, str):
        return knobs.with_value(config, path, _from_here(given))
    several = [_from_here(each) for each in given]
    return knobs.with_value(config, path, several if len(several) > 1 else several[0])


def _from_here(given: str) -> str:
    place = Path(given).expanduser()
    return str(place.resolve()) if place.exists() else given
