"""What a remedy does to rows: which go, and what a text becomes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.data.checks.characters import Marks, without_controls
from engine.data.checks.finding import Finding
from engine.data.checks.masking import covered
from engine.data.checks.mojibake import mended
from engine.data.checks.personal import personal_places
from engine.data.checks.secrets import secret_places
from engine.data.checks.sensitive import masked

__all__ = ["keep_one", "masked", "mended", "replacement"]


def keep_one(rows: NDArray[np.int64], groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """The positions to drop: all of each group but its first. `groups` has an id a row."""
    _, first = np.unique(groups, return_index=True)
    others = np.ones(len(rows), np.bool_)
    others[first] = False
    return rows[others]


def dropped(finding: Finding, action: str) -> NDArray[np.int64]:
    """The positions that an action takes out: none, all that were found, or all but one a group."""
    if action == "drop":
        return finding.rows
    if action == "keep_one" and finding.groups is not None:
        return keep_one(finding.rows, finding.groups)
    return np.zeros(0, np.int64)


def replacement(code: str, special_tokens: Sequence[str] = ()) -> Callable[[str], str]:
    """What "replace" does to each content of a row found by this check. Raises KeyError for a
    check that does not offer it."""
    return {
        "mojibake": mended,
        "control_characters": without_controls,
        "special_tokens": Marks(special_tokens).removed,
        "secrets": lambda text: covered(text, secret_places(text)),
        "personal_data": lambda text: covered(text, personal_places(text)),
    }[code]
