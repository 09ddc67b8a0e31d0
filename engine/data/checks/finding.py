"""What a check found: which rows, and a few words for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engine.text import clean

Severity = Literal["bad", "warning", "info"]
KEPT_DETAILS = 100
LONGEST_DETAIL = 60


@dataclass(frozen=True)
class Finding:
    """`rows` are sorted positions; `detail` has a short text, fit to be shown, for the first 100
    of them. Where rows are copies of one another, `groups` has an id for each of `rows`."""

    code: str
    rows: NDArray[np.int64]
    severity: Severity
    detail: Mapping[int, str] = field(default_factory=dict)
    groups: NDArray[np.int64] | None = None


def short(text: str) -> str:
    """Foreign text as part of a detail: one line, cleaned, at most 60 characters."""
    shown = clean(text[:LONGEST_DETAIL], lines=False)
    return shown if len(text) <= LONGEST_DETAIL else shown.rstrip() + "…"
