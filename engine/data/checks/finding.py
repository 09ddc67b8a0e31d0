"""What a check found: which rows, and a few words for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.data.rows import Row
from engine.text import clean

Severity = Literal["bad", "warning", "info"]
KEPT_DETAILS = 1000
LONGEST_DETAIL = 60


@dataclass(frozen=True)
class Finding:
    """`rows` are sorted positions; `detail` has a short text, fit to be shown, for the first 1,000
    of them. Where rows are copies of one another, `groups` has an id for each of `rows`."""

    code: str
    rows: NDArray[np.int64]
    severity: Severity
    detail: Mapping[int, str] = field(default_factory=dict)
    groups: NDArray[np.int64] | None = None


class Scan(Protocol):
    """A check that looks at one row after another and keeps numbers only."""

    def look(self, at: int, row: Row) -> None: ...

    def findings(self) -> list[Finding]: ...


class Hits:
    """The rows one check has found so far, in the order of their positions."""

    def __init__(self, code: str, severity: Severity) -> None:
        self._code, self._severity = code, severity
        self._rows: list[int] = []
        self._detail: dict[int, str] = {}

    def add(self, at: int, detail: str) -> None:
        self._rows.append(at)
        if len(self._detail) < KEPT_DETAILS:
            self._detail[at] = detail

    def findings(self) -> list[Finding]:
        """One finding, or none where no row was found."""
        rows = np.array(self._rows, np.int64)
        return [Finding(self._code, rows, self._severity, self._detail)] if self._rows else []


def short(text: str) -> str:
    """Foreign text as part of a detail: one line, cleaned, at most 60 characters."""
    shown = clean(text[:LONGEST_DETAIL], lines=False)
    return shown if len(text) <= LONGEST_DETAIL else shown.rstrip() + "…"
