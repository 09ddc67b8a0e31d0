"""Rows whose answer is blank: nothing there but spaces and characters that cannot be seen."""

from __future__ import annotations

from engine.data.checks.characters import without_controls
from engine.data.rows import Row


def blank_answers(row: Row) -> str:
    """How many of the answers that are learned are blank; empty where none is."""
    answers = [m for m in row.messages if m.learned and not m.tool_calls]
    blank = sum(is_blank(m.content) for m in answers)
    if not blank or (row.raw and blank < len(answers)):  # pieces of a raw text may well be a space
        return ""
    return f"{blank:,} of {len(answers):,} answers"


def is_blank(text: str) -> bool:
    return not text.strip() or not without_controls(text).strip("\xad\u115f\u1160\u3164 \t\r\n")
