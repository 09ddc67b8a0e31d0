"""Start a trainer that outlives whoever started it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import IO

from engine import config as knobs
from engine import machine
from engine.runs import directory

TRAINER = [sys.executable, "-P", "-m", "engine.train.trainer"]
HUGE = str(1 << 40)


def environment() -> dict[str, str]:
    """What a trainer's process must have from its first moment.

    glibc's allocator gives large blocks back to the system after each use and faults them in again;
    on a CPU that cost more than half of the time (measured), so it is told to keep them.
    """
    return {
        **os.environ,
        "MALLOC_MMAP_THRESHOLD_": HUGE,
        "MALLOC_TRIM_THRESHOLD_": HUGE,
        "MALLOC_TOP_PAD_": str(512 << 20),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS") or str(physical_cores()),
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "PYTHONUNBUFFERED": "1",
    }


def start(run: Path) -> int:
    """Start the trainer of a prepared run in a session of its own; returns its process id."""
    with open_log(run) as log:
        trainer = subprocess.Popen(
            [*TRAINER, str(run)], cwd=run, env={**environment(), **visible_gpu(run)}, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    return trainer.pid


class Warm:
    """A trainer that has done its imports and waits to be given a run; it ends with whoever made it."""

    def __init__(self) -> None:
        self._trainer = subprocess.Popen(
            [*TRAINER, "--wait"], cwd=os.path.sep, env=environment(), start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def start(self, run: Path) -> int:
        """Give it the run, or start a fresh trainer where that is not possible."""
        assert self._trainer.stdin is not None
        if self._trainer.poll() is not None:
            return start(run)
        order = json.dumps({"run": str(run), "environment": visible_gpu(run)})
        try:
            self._trainer.stdin.write(f"{order}\n".encode())
            self._trainer.stdin.close()
        except OSError:
            return start(run)
        return self._trainer.pid

    def close(self) -> None:
        """Let it go: its input closes and it ends by itself."""
        with contextlib.suppress(OSError):
            if self._trainer.stdin:
                self._trainer.stdin.close()


def visible_gpu(run: Path) -> dict[str, str]:
    """On `auto`, show the trainer the emptiest GPU alone; a person's own CUDA_VISIBLE_DEVICES is kept."""
    config = knobs.load(run / directory.CONFIG)
    if config.runtime.device != "auto" or "CUDA_VISIBLE_DEVICES" in os.environ:
        return {}
    chosen = machine.emptiest(machine.read_gpus())
    if chosen is None:
        return {}
    return {"CUDA_VISIBLE_DEVICES": str(chosen.index)}


def physical_cores() -> int:
    """Cores this process may use, hyper-threads counted once; all of them where the system does not say."""
    allowed = (
        os.sched_getaffinity(0)
        if hasattr(os, "sched_getaffinity")
        else set(range(os.cpu_count() or 1))
    )
    siblings = set()
    for cpu in allowed:
        try:
            siblings.add(
                Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text()
            )
        except OSError:
            return len(allowed)
    return max(1, len(siblings))


def open_log(run: Path) -> IO[bytes]:
    """The worker's log, appended to; private from the start."""
    return os.fdopen(
        os.open(run / directory.LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab"
    )
