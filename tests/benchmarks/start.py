"""From Start to the first forward pass and the first `step` event, warm and cold, on the starter model.

    python -m tests.benchmarks.start [ROUNDS]

Warm: a trainer that has done its imports waits (as beside an open workbench). Cold: a fresh process.
Prints seconds of each round and their medians; run it on an idle machine and compare the ratios.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

from engine import config as settings
from engine import events, paths
from engine.desk.client import Desk
from engine.runs import follow, launch

IMPORT_SECONDS = 15


def first_times(run: Path, began: float) -> tuple[float, float, float]:
    """Seconds from `began` to the first forward pass done (the baseline's first micro-batch), to the
    first step event, and how long that step itself took."""
    forward = 0.0
    follower = follow.Follower(run)
    follower.start()
    for event in follower:
        if isinstance(event.body, events.Progress) and not forward:
            forward = event.time - began
        if isinstance(event.body, events.Failed):
            raise SystemExit(event.body.message)
        if isinstance(event.body, events.Step):
            follower.stop()
            return forward, event.time - began, event.body.seconds
    raise SystemExit("the run ended without a step")


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    config = settings.with_settings(settings.load(paths.sample_config()), ["train.max_steps=1"])
    desk = Desk()
    desk.start()
    desk.call("open_data", config=config.to_dict()).result()
    found: dict[str, list[tuple[float, float, float]]] = {"warm": [], "cold": []}
    for _ in range(rounds):
        for kind, taken in found.items():
            run = Path(desk.call("prepare", config=config.to_dict()).result()["path"])
            warm = launch.Warm() if kind == "warm" else None
            time.sleep(IMPORT_SECONDS if warm else 0)
            began = time.time()
            _ = warm.start(run) if warm else launch.start(run)
            taken.append(first_times(run, began))
    desk.close()
    for kind, taken in found.items():
        forward, step, own = (statistics.median(column) for column in zip(*taken, strict=True))
        print(
            f"{kind}: first forward pass {forward:.2f} s, first step event {step:.2f} s "
            f"(the step itself {own:.2f} s); medians of {rounds}"
        )


if __name__ == "__main__":
    main()
