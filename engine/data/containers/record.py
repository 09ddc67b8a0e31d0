"""A record of a source: its values, and where each of them stands."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from typing import Any

from engine.data.containers import json_text
from engine.data.rows import Fault

MAX_BYTES = 16 * 1024 * 1024
ROW_LISTS = (
    "messages", "conversations", "prompt", "completion", "chosen", "rejected", "history", "tools",
    "functions", "conversation", "dialog", "dialogue", "chat", "segments", "preferred_output",
    "non_preferred_output", "input_ids", "attention_mask", "labels", "completion_mask",
)  # fmt: skip
"""Lists that are fields of a record: an object with one of them is a record, not a file of
records."""
_SPEAKERS, _SAYINGS = {"role", "from", "speaker", "author"}, {"content", "parts", "value", "text"}
Path = tuple[str | int, ...]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Odd:
    """A value of a kind that is no JSON: bytes, a date, an image. `kind` names it for a person."""

    kind: str


@dataclass(frozen=True, slots=True)
class Record:
    """One record, numbered from 1. `text[start:end]` is the JSON it was read from, where there is
    one; `line` and `column` (from 1) say where it begins. `cells` tells the columns of a table's
    fields. `path` names its file where a source has several, and is empty where it has one.

    Two records are equal when they say the same from the same place, however they were read.
    """

    number: int
    line: int
    column: int
    value: dict[str, Any]
    text: str = field(default="", compare=False, repr=False)
    start: int = field(default=0, compare=False, repr=False)
    cells: Callable[[], dict[str, int]] | None = field(default=None, compare=False, repr=False)
    path: str = ""
    end: int | None = field(default=None, compare=False, repr=False)

    def place(self, path: Path) -> tuple[int, int]:
        """Line and column of the value at `path`, or of the nearest value around it."""
        if self.cells and path:
            return self.line, self.cells().get(str(path[0]), self.column)
        if not self.text:
            return self.line, self.column
        at = json_text.locate(self.text, self.start, path)
        line = self.line + self.text.count("\n", self.start, at)
        if line == self.line:
            return line, self.column + at - self.start
        return line, at - self.text.rfind("\n", 0, at)


def is_turn(names: Iterable[str]) -> bool:
    """Are these the fields of a turn of a conversation: who speaks, and what is said?"""
    there = set(names)
    return not there.isdisjoint(_SPEAKERS) and not there.isdisjoint(_SAYINGS)


Records = Generator[Record | Fault, None, None]
