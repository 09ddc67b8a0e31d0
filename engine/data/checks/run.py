"""All checks over all rows: one reading of the rows, and numbers only kept of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.data.checks.blank import Blank
from engine.data.checks.characters import Characters
from engine.data.checks.copies import Copies, near_prompts
from engine.data.checks.finding import Finding, Scan
from engine.data.checks.language import Languages
from engine.data.checks.lengths import length_findings
from engine.data.checks.sensitive import Sensitive
from engine.data.checks.table import CHECKS
from engine.data.rows import Row

EVERY = 512


def run_checks(
    rows: Sequence[Row],
    *,
    lengths: NDArray[np.integer],
    labels: NDArray[np.integer],
    full_lengths: NDArray[np.integer],
    max_length: int,
    window: int,
    prompt_lengths: NDArray[np.integer] | None = None,
    special_tokens: Sequence[str] = (),
    groups: NDArray[np.int64] | None = None,
    on_progress: Callable[[str, int, int], None] = lambda phase, done, total: None,
) -> list[Finding]:
    """What the checks find, in the order of `CHECKS`.

    The arrays have a number of tokens a row (`length_findings`); `groups` are the near copies of
    the rows' user texts (`near_prompts`), counted here where they are not given.
    `on_progress(phase, done, total)` may raise Cancelled; phases are "checking" and "near copies".
    """
    copies = Copies()
    scans: tuple[Scan, ...] = (Blank(), Characters(special_tokens), Languages(), Sensitive())
    for at, row in enumerate(rows):
        if at % EVERY == 0:
            on_progress("checking", at, len(rows))
        copies.look(at, row)
        for scan in scans:
            scan.look(at, row)
    on_progress("checking", len(rows), len(rows))

    def near(done: int, total: int) -> None:
        on_progress("near copies", done, total)

    if groups is None:
        groups = near_prompts(rows, near)
    found = [
        *length_findings(lengths, labels, full_lengths, max_length, window, prompt_lengths),
        *copies.findings(rows, groups, near),
        *(finding for scan in scans for finding in scan.findings()),
    ]
    order = list(CHECKS)
    return sorted(found, key=lambda finding: order.index(finding.code))
