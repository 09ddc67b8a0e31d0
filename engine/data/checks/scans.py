"""The checks that need to see one row only: each row is looked at once, and a bit a check is kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.data.checks.blank import blank_answers
from engine.data.checks.characters import Marks, bad_characters
from engine.data.checks.finding import KEPT_DETAILS, Finding, Severity
from engine.data.checks.sensitive import sensitive
from engine.data.rows import Row
from engine.text import clean

SEVERITIES: dict[str, Severity] = {
    "blank_answer": "bad",
    "mojibake": "warning",
    "lost_characters": "warning",
    "control_characters": "warning",
    "special_tokens": "warning",
    "secrets": "warning",
    "personal_data": "warning",
}
"""The codes of these checks, in the order of their bits."""
BITS = {code: 1 << at for at, code in enumerate(SEVERITIES)}


class Scans:
    """`special_tokens` are the texts of the model's control tokens."""

    def __init__(self, special_tokens: Sequence[str] = ()) -> None:
        self._marks = Marks(special_tokens)

    def look(self, row: Row) -> dict[str, str]:
        """What is wrong with a row: a few words, fit to be shown, by the check's code."""
        contents = "\n".join(message.content for message in row.messages)
        calls = "\n".join(message.tool_calls for message in row.messages if message.tool_calls)
        found = dict(bad_characters(contents))
        found.update(sensitive(f"{contents}\n{calls}" if calls else contents))
        if blank := blank_answers(row):
            found["blank_answer"] = blank
        mark = "" if row.raw else self._marks.first(contents)
        if mark:
            found["special_tokens"] = clean(mark, lines=False)
        return found

    def flags(self, row: Row) -> int:
        """The same, one bit a check."""
        return sum(BITS[code] for code in self.look(row))

    def findings(self, rows: Sequence[Row], flags: NDArray[np.integer]) -> list[Finding]:
        """One finding for each check that found a row; the first rows are looked at again for its words."""
        found = []
        for code, severity in SEVERITIES.items():
            at = np.flatnonzero(flags & BITS[code]).astype(np.int64)
            if len(at):
                detail = {p: self.look(rows[p]).get(code, "") for p in at[:KEPT_DETAILS].tolist()}
                found.append(Finding(code, at, severity, detail))
        return found
