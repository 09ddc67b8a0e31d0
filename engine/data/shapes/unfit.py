"""Why a record is no usable row, and the reading of single values."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from engine.data.containers.json_lines import type_name
from engine.data.containers.record import Path

__all__ = [
    "Path",
    "Unfit",
    "nearest",
    "optional_text",
    "read_answer",
    "read_answer_at",
    "read_flag",
    "read_text",
]


@dataclass
class Unfit(Exception):
    """A record that is no usable row: which value of it, and why."""

    path: Path
    code: str
    what: str
    fix: str


def read_text(value: Any, path: Path) -> str:
    """Text as it is. Raises Unfit for every other kind of value."""
    if isinstance(value, str):
        return value
    name = next((part for part in reversed(path) if isinstance(part, str)), "it")
    what = f"'{name}' is {type_name(value)}, expected text"
    raise Unfit(path, "type", what, "write it as text in quotes")


def optional_text(value: dict[str, Any], name: str) -> str:
    """Empty where the field is absent or null."""
    given = value.get(name)
    return "" if given is None else read_text(given, (name,))


def read_answer(value: dict[str, Any], name: str) -> str:
    return read_answer_at(value[name], (name,))


def read_answer_at(given: Any, path: Path) -> str:
    if given is None:
        what = f"'{path[-1]}' is null"
        raise Unfit(path, "empty_answer", what, "write the answer, or delete the row")
    return read_text(given, path)


def as_flag(value: Any) -> bool | None:
    """True or false, also as a table's cell writes it; None for all else."""
    if isinstance(value, bool):
        return value
    words = {"true": True, "false": False}
    return words.get(value.strip().lower()) if isinstance(value, str) else None


def read_flag(value: Any, path: Path) -> bool:
    flag = as_flag(value)
    if flag is None:
        what = f"'{path[-1]}' is {type_name(value)}, expected true or false"
        raise Unfit(path, "type", what, "write true or false")
    return flag


def nearest(name: str, given: list[str]) -> str | None:
    """The given name that was probably meant for `name`: other case, spaces, or a letter or two."""
    plain = {other.strip().lower(): other for other in given}
    wanted = name.lower()
    if wanted in plain:
        return plain[wanted]
    near = get_close_matches(wanted, list(plain), 1, 0.8)
    return plain[near[0]] if near else None
