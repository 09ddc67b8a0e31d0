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


def with_file(config: Config, path: str, given: str | None) -> Config:
    """A config with one path or name set, as the person means it from where they stand."""
    if given is None:
        return config
    place = Path(given).expanduser()
    return knobs.with_value(config, path, str(place.resolve()) if place.exists() else given)
