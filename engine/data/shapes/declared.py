"""What a shape is: the fields that tell it, and how a record of it becomes messages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from engine.data.rows import Message

Kind = Literal["list", "object", "flag", "transcript", ""]
Fields = tuple[tuple[str, Kind], ...]
"""A record's names, each with the kind of its value as far as that tells shapes apart."""


class Content(NamedTuple):
    """What a record holds, in the words of `Row`."""

    messages: tuple[Message, ...]
    tools: str = ""
    raw: bool = False


@dataclass(frozen=True)
class Refusal:
    """Why a shape that is known is not trained on. `chosen`: unless the person asks for the
    chosen answers."""

    what: str
    fix: str
    chosen: bool = False


@dataclass(frozen=True, eq=False)
class Shape:
    """One of each tuple in `needed` must be there; `optional` fields are used where they are, and
    those in `also`, for which no other name is taken to be a slip.

    A field in `kinds` counts only when its value is of that kind; a record with a field of
    `without` is something else. `parse` gives None for a record that is rightly left out, and
    raises Unfit. Several shapes can share a name.
    """

    name: str
    needed: tuple[tuple[str, ...], ...]
    optional: tuple[str, ...] = ()
    parse: Callable[[dict[str, Any]], Content | None] = lambda value: None
    kinds: tuple[tuple[str, Kind], ...] = ()
    without: tuple[str, ...] = ()
    refusal: Refusal | None = None
    also: tuple[str, ...] = ()

    @property
    def fields(self) -> frozenset[str]:
        return frozenset(
            [*self.optional, *self.also, *(name for names in self.needed for name in names)]
        )

    def fits(self, fields: Fields) -> bool:
        kinds = dict(self.kinds)
        there = {name for name, kind in fields if kinds.get(name, kind) == kind}
        if not there.isdisjoint(self.without):
            return False
        return all(not there.isdisjoint(names) for names in self.needed)
