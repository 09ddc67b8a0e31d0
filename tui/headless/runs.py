"""`finetui runs`: every run there is."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING, Any

from engine.runs import listing
from engine.text import clean
from tui.headless import console

if TYPE_CHECKING:
    from engine.runs.listing import RunInfo

HEAD = ("run", "status", "step", "held-out loss", "best", "title")
RIGHT = frozenset({2, 4})


def run(arguments: argparse.Namespace) -> int:
    found = listing.list_runs()
    if arguments.json:
        for info in found:
            console.json_line(as_json(info))
    elif found:
        print("\n".join(console.table(HEAD, [_row(info) for info in found], RIGHT)))
    else:
        console.say("There are no runs yet. `finetui train --data FILE` starts one.")
    return 0


def as_json(info: RunInfo) -> dict[str, Any]:
    """The fields that scripts rely on."""
    return {
        "id": info.id,
        "title": info.title,
        "status": info.status,
        "step": info.step,
        "total_steps": info.total_steps,
        "baseline_loss": info.baseline_loss,
        "best_loss": info.best_loss,
        "best_step": info.best_step,
        "path": str(info.path),
    }


def _row(info: RunInfo) -> tuple[str, ...]:
    before = f"{info.baseline_loss:.2f}" if math.isfinite(info.baseline_loss) else "-"
    after = f"{info.best_loss:.2f}" if math.isfinite(info.best_loss) else "-"
    return (
        clean(info.id, 60, lines=False),
        info.status,
        f"{info.step:,} of {info.total_steps:,}" if info.total_steps else "-",
        f"{before} -> {after}",
        f"step {info.best_step:,}" if info.best_step else "-",
        clean(info.title, 60, lines=False),
    )
