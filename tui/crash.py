"""What is kept of an error of our own: a log file, and at most five lines on the terminal."""

from __future__ import annotations

import os
import time
import traceback
from pathlib import Path

from engine import paths
from engine.errors import Problem


def write_report(error: BaseException) -> Path | None:
    """Write the traceback (no values of variables) to a private file; None where that fails."""
    try:
        folder = paths.make_private(paths.logs())
        path = folder / time.strftime("app-%Y%m%d-%H%M%S.log")
        text = "".join(traceback.format_exception(error))
        with os.fdopen(
            os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a", encoding="utf-8"
        ) as log:
            log.write(text)
    except (OSError, Problem):
        return None
    return path


def last_words(report: Path | None) -> str:
    """What the terminal shows after a crash."""
    kept = (
        f"What happened is written in {report}." if report else "The report could not be written."
    )
    goes_on = "A training that was going on goes on: finetui runs lists it."
    return f"finetui met an error of its own and had to close.\n{kept}\n{goes_on}\n"
