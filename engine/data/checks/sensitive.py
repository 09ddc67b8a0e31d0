"""Likely secrets and personal data in a text, and the text without them."""

from __future__ import annotations

from collections.abc import Iterator

from engine.data.checks.masking import Place, covered, hinted
from engine.data.checks.personal import personal_places
from engine.data.checks.secrets import secret_places
from engine.text import clean

SHOWN = 3


def sensitive(text: str) -> Iterator[tuple[str, str]]:
    """Likely secrets and personal data in a text: a check's code, and a few words that never show
    what was found whole."""
    for code, find in (("secrets", secret_places), ("personal_data", personal_places)):
        places = find(text)
        if places:
            yield code, _listed(text, places)


def masked(text: str) -> str:
    """The text with the kind of each secret and personal datum in brackets in its place."""
    text = covered(text, secret_places(text))
    return covered(text, personal_places(text))


def _listed(text: str, places: list[Place]) -> str:
    shown = ", ".join(hinted(text, place) for place in places[:SHOWN])
    more = f" and {len(places) - SHOWN:,} more" if len(places) > SHOWN else ""
    return clean(shown + more, lines=False)
