"""Places in a text that should not be learned, and the text with these put out of sight."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Place(NamedTuple):
    """A stretch of a text: what is there (a few words), from where to where."""

    kind: str
    start: int
    end: int


def apart(places: Iterable[Place]) -> list[Place]:
    """The places from left to right; of those that overlap, the first and longest."""
    kept = list[Place]()
    for place in sorted(places, key=lambda p: (p.start, -p.end)):
        if not kept or place.start >= kept[-1].end:
            kept.append(place)
    return kept


def covered(text: str, places: Iterable[Place]) -> str:
    """The text with a name in brackets in each place, as [E-MAIL]."""
    parts, end = list[str](), 0
    for place in apart(places):
        parts += [text[end : place.start], f"[{place.kind.upper()}]"]
        end = place.end
    return "".join((*parts, text[end:]))


def hinted(text: str, place: Place) -> str:
    """What a detail may show of a place: its kind, its first letters (none of a password), its
    length."""
    found = text[place.start : place.end]
    letters = "" if place.kind == "password" else found[: min(4, len(found) // 4)]
    return f"{place.kind} {letters}… ({len(found)} characters)"
