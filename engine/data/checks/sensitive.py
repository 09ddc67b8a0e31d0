"""Rows that hold likely secrets or personal data, in any of their messages."""

from __future__ import annotations

from engine.data.checks.finding import Finding, Hits
from engine.data.checks.masking import Place, covered, hinted
from engine.data.checks.personal import personal_places
from engine.data.checks.secrets import secret_places
from engine.data.rows import Row
from engine.text import clean

SHOWN = 3


class Sensitive:
    """Notes the rows; a detail never shows what was found whole."""

    def __init__(self) -> None:
        self._secrets = Hits("secrets", "warning")
        self._personal = Hits("personal_data", "warning")

    def look(self, at: int, row: Row) -> None:
        text = "\n".join(f"{m.content}\n{m.tool_calls}" for m in row.messages)
        for hits, find in ((self._secrets, secret_places), (self._personal, personal_places)):
            places = find(text)
            if places:
                hits.add(at, _listed(text, places))

    def findings(self) -> list[Finding]:
        return self._secrets.findings() + self._personal.findings()


def masked(text: str) -> str:
    """The text with the kind of each secret and personal datum in brackets in its place."""
    text = covered(text, secret_places(text))
    return covered(text, personal_places(text))


def _listed(text: str, places: list[Place]) -> str:
    shown = ", ".join(hinted(text, place) for place in places[:SHOWN])
    more = f" and {len(places) - SHOWN:,} more" if len(places) > SHOWN else ""
    return clean(shown + more, lines=False)
