"""All checks over all rows, from what is known of each row by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.data.checks.copies import COPY_HASHES, copy_findings
from engine.data.checks.finding import Finding
from engine.data.checks.language import other_languages
from engine.data.checks.lengths import length_findings
from engine.data.checks.scans import Scans
from engine.data.checks.table import CHECKS
from engine.data.facts import Facts
from engine.data.rows import Row


def run_checks(
    rows: Sequence[Row],
    facts: Facts,
    *,
    lengths: NDArray[np.integer],
    labels: NDArray[np.integer],
    full_lengths: NDArray[np.integer],
    max_length: int,
    window: int,
    groups: NDArray[np.int64],
    prompt_lengths: NDArray[np.integer] | None = None,
    special_tokens: Sequence[str] = (),
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Finding]:
    """What the checks find, in the order of `CHECKS`.

    The arrays have a number of tokens a row (`length_findings`); `groups` are the near copies of
    the rows' user texts. `on_progress(done, total)` may raise Cancelled.
    """
    hashes = {name: facts.of(name) for name in COPY_HASHES}
    found = [
        *length_findings(lengths, labels, full_lengths, max_length, window, prompt_lengths),
        *copy_findings(rows, hashes, groups, on_progress),
        *Scans(special_tokens).findings(rows, facts.of("flags")),
        *other_languages(facts.of("language")),
    ]
    order = list(CHECKS)
    return sorted(found, key=lambda finding: order.index(finding.code))
