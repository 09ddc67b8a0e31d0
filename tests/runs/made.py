"""A run directory on the tiny model, and a trainer process for it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from engine import config as knobs
from engine.config import Config
from engine.events import Event
from engine.runs import follow, launch

TOPICS = (
    "sea",
    "moon",
    "bread",
    "iron",
    "rain",
    "tree",
    "fish",
    "road",
    "wool",
    "salt",
    "glass",
    "snow",
    "horse",
    "river",
)


def write_rows(path: Path, count: int = 56) -> Path:
    """Small question and answer rows, all different."""
    with path.open("w") as out:
        for number in range(count):
            topic = TOPICS[number % len(TOPICS)]
            row = {
                "instruction": f"Tell me {number} things about the {topic}, please.",
                "output": f"The {topic} is number {number}.",
            }
            out.write(json.dumps(row) + "\n")
    return path


def make_run(model: Path, data: Path, **settings: Any) -> Path:
    """A prepared run; settings are knobs with `__` for the dot. FINETUI_HOME says where."""
    from engine.data.opening import open_data
    from engine.model.load import load_tokenizer
    from engine.runs.create import create

    config = Config()
    given = {
        "model__name": str(model),
        "data__path": str(data),
        "runtime__dtype": "float32",
        **settings,
    }
    for path, value in given.items():
        config = knobs.with_value(config, path.replace("__", "."), value)
    return create(config, open_data(config, lambda: load_tokenizer(model)), model)


def start(run: Path) -> subprocess.Popen[bytes]:
    """A trainer as a child that can be waited for (`launch.start` lets go of it)."""
    log = launch.open_log(run)
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "engine.train.trainer", str(run)],
        cwd=run, env={**launch.environment(), "OMP_NUM_THREADS": "1"}, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=log, stderr=log,
    )  # fmt: skip


def finish(run: Path) -> list[Event]:
    """Train to the end; the worker's log is the message when it fails."""
    trainer = start(run)
    code = trainer.wait(timeout=600)
    assert code == 0, (run / "worker.log").read_text()
    return follow.read(run)


def kill_after(run: Path, kind: type[Any], step: int) -> None:
    """Start a trainer and end it with SIGKILL once an event of `kind` at or after `step` is in the journal."""
    trainer = start(run)
    deadline = time.monotonic() + 600
    while trainer.poll() is None and time.monotonic() < deadline:
        if any(isinstance(e.body, kind) and e.body.step >= step for e in follow.read(run)):
            os.killpg(trainer.pid, signal.SIGKILL)
            trainer.wait()
            return
        time.sleep(0.005)
    raise AssertionError(
        f"the trainer ended too early ({trainer.poll()}): " + (run / "worker.log").read_text()
    )
