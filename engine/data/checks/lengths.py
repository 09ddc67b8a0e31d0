"""Rows whose length in tokens is a problem: cut, lost, unlearned, or far from the others."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from engine.data.checks.finding import KEPT_DETAILS, Finding, Severity

Tokens = NDArray[np.integer]

FEWEST_ROWS = 50
WIDEST = 5.0
"""Robust standard deviations of the logarithm of the length beyond which a row is extreme."""
LEAST_SPREAD = 0.4
"""Taken where rows are more alike than that: a row is never extreme below e**2 = 7.4 times the
median (or above a 7.4th)."""


def length_findings(
    lengths: Tokens,
    labels: Tokens,
    full_lengths: Tokens,
    max_length: int,
    window: int,
    prompt_lengths: Tokens | None = None,
) -> list[Finding]:
    """Findings from numbers of tokens, one a row: in use, carrying loss, and before anything was
    cut (0 where the template refused the row). `prompt_lengths` counts the tokens before the
    first that carries loss in the whole row; without it a prompt is known to fill the model's
    window only where `max_length` reaches that far."""
    long = full_lengths > max_length
    mute = (labels == 0) & (full_lengths > 0)
    past_window = mute & long & (max_length >= window)
    filled = past_window if prompt_lengths is None else prompt_lengths >= window
    lost = mute & long & ~filled

    def all_of(at: int) -> str:
        return f"{int(full_lengths[at]):,} tokens"

    def cut_of(at: int) -> str:
        return f"{int(lengths[at]):,} of {int(full_lengths[at]):,} tokens are kept"

    median = float(np.median(full_lengths[full_lengths > 0])) if (full_lengths > 0).any() else 0.0
    usual = f"the median is {median:,.0f}"
    found = [
        _finding("prompt_too_long", "bad", filled, all_of),
        _finding("answer_lost", "bad", lost, cut_of),
        _finding("nothing_learned", "bad", mute & ~long & ~filled, all_of),
        _finding("answer_cut", "warning", (labels > 0) & long & ~filled, cut_of),
        _finding(
            "extreme_length", "info", extreme(full_lengths), lambda at: all_of(at) + "; " + usual
        ),
    ]
    return [finding for finding in found if len(finding.rows)]


def extreme(lengths: Tokens) -> NDArray[np.bool_]:
    """Which rows are far longer or shorter than the others, by median and median absolute deviation
    of the logarithm. None among fewer than 50."""
    real = lengths > 0
    if int(real.sum()) < FEWEST_ROWS:
        return np.zeros(len(lengths), np.bool_)
    logs = np.log(np.maximum(lengths, 1))
    median = np.median(logs[real])
    spread = 1.4826 * float(np.median(np.abs(logs[real] - median)))
    far: NDArray[np.bool_] = real & (np.abs(logs - median) > WIDEST * max(spread, LEAST_SPREAD))
    return far


def _finding(
    code: str, severity: Severity, which: NDArray[np.bool_], detail: Callable[[int], str]
) -> Finding:
    rows = np.flatnonzero(which).astype(np.int64)
    return Finding(code, rows, severity, {at: detail(at) for at in rows[:KEPT_DETAILS].tolist()})
