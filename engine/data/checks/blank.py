"""Rows whose answer is blank: nothing there but spaces and characters that cannot be seen."""

from __future__ import annotations

from engine.data.checks.characters import without_controls
from engine.data.checks.finding import Finding, Hits
from engine.data.rows import Row


class Blank:
    """Looks at every answer that is learned."""

    def __init__(self) -> None:
        self._hits = Hits("blank_answer", "bad")

    def look(self, at: int, row: Row) -> None:
        answers = [m for m in row.messages if m.learned and not m.tool_calls]
        blank = [m for m in answers if is_blank(m.content)]
        if blank and row.raw and len(blank) < len(answers):
            return  # pieces of a raw text may well be a space
        if blank:
            self._hits.add(at, f"{len(blank):,} of {len(answers):,} answers")

    def findings(self) -> list[Finding]:
        return self._hits.findings()


def is_blank(text: str) -> bool:
    return not text.strip() or not without_controls(text).strip("\xad\u115f\u1160\u3164 \t\r\n")
