"""Several remedies one after another, as a shell asks for them by a word each."""

from __future__ import annotations

from collections.abc import Sequence

from engine.data.dataset import Dataset
from engine.data.opening import OnProgress, recount
from engine.data.remedy import FIXES, apply_remedy
from engine.errors import Problem


def mended(dataset: Dataset, fixes: Sequence[str], on_progress: OnProgress) -> Dataset:
    """The data after `fixes` (names of `FIXES`), in the order of the table."""
    for name, (action, codes) in FIXES.items():
        if name not in fixes:
            continue
        for code in codes:
            if any(finding.code == code for finding in dataset.findings):
                apply_remedy(dataset, code, action)
                dataset = recount(dataset, on_progress)
    return dataset


def check_fixes(fixes: Sequence[str]) -> None:
    """Refuse an unknown one before anything slow is done for it. Raises Problem."""
    unknown = [name for name in fixes if name not in FIXES]
    if unknown:
        words = f'"{unknown[0]}" is no fix'
        raise Problem("--fix", words, f"choose from {', '.join(FIXES)}")
