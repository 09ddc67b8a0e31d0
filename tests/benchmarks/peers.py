"""finetui beside other trainers on the same machine: the same rows in every update, one after the other.

    python -m tests.benchmarks.peers --python PEER/bin/python [--data FILE] [--model DIR] [--method full] ...

PEER is an environment of its own with `trl` (and so peft, transformers and datasets) in it; the peers run there,
finetui runs here by its own launcher. Each measures whole updates, from the end of one to the end of the next.
Printed: label tokens, real tokens and seconds, the largest memory of the process, the ratios to finetui, the share
of the machine's own rate of products (`flops`), and the loss curves side by side. Where the counts of tokens
differ, it says so.

Run it on an idle machine; only ratios mean something elsewhere.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine import config as settings
from engine import events
from engine.config import Config
from engine.data.dataset import open_data
from engine.data.frozen import FrozenSide, load_frozen
from engine.model.find import find
from engine.model.load import load_tokenizer
from engine.runs import directory, follow, launch
from engine.runs.create import create
from tests.benchmarks.flops import Shape, machine_rate, needed

ALLOCATOR = {k: v for k, v in launch.environment().items() if k.startswith("MALLOC_")}
PEERS: dict[str, tuple[str, bool, dict[str, str]]] = {
    "trl": ("trl", False, {}),
    "trl, our allocator": ("trl", False, ALLOCATOR),
    "trl as shipped": ("trl", True, {}),
    "transformers": ("transformers", False, {}),
    "transformers, our allocator": ("transformers", False, ALLOCATOR),
}
"""By name: the trainer, whether as shipped (fp32 weights, checkpointing), and what is added to the environment.
All others have weights in the run's precision and no checkpointing."""
NOT_RUN = ("llamafactory", "axolotl", "litgpt", "unsloth")
"""Trainers that have no runner here; whether the peer's python has them is said."""


@dataclass(frozen=True)
class Side:
    """What one trainer did: per update its tokens, label tokens, loss and end; the largest memory in bytes."""

    name: str
    ends: list[float]
    tokens: list[int]
    label_tokens: list[int]
    losses: list[float]
    memory: int

    def rate(self, counts: list[int], warmup: int) -> float:
        return sum(counts[warmup:]) / (self.ends[-1] - self.ends[warmup - 1])

    def seconds(self, warmup: int) -> float:
        return (self.ends[-1] - self.ends[warmup - 1]) / (len(self.ends) - warmup)


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.peers")
    parser.add_argument("--python", help="the peers' python; without it only finetui runs")
    parser.add_argument("--data", help="a data file; the sample data unless given")
    parser.add_argument("--model", default=settings.STARTER)
    parser.add_argument("--method", choices=["lora", "full"], default="lora")
    parser.add_argument("--dtype", choices=["bfloat16", "float32"], default="bfloat16")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--max-length", type=int, default=512)
    parser.add_argument("--steps", type=int, default=14)
    parser.add_argument("--warmup", type=int, default=2, help="updates that are not measured")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=list(PEERS))
    parser.add_argument("--set", nargs="*", default=[], help="more knobs for finetui")
    return parser.parse_args()


def config_of(given: argparse.Namespace) -> Config:
    """finetui's knobs for the same updates as the peers': nothing held out, rows in the file's order."""
    knobs = [
        f"model.name={given.model}", f"data.max_length={given.max_length}", "data.eval_fraction=0",
        f"method.name={given.method}", f"train.batch_size={given.batch}", f"train.max_steps={given.steps}",
        "train.shuffle=false", "train.schedule=linear", "train.warmup=0", "train.weight_decay=0",
        f"train.seed={given.seed}", f"runtime.dtype={given.dtype}",
    ]  # fmt: skip
    knobs += [f"data.path={Path(given.data).resolve()}"] if given.data else []
    return settings.with_settings(Config(), knobs + given.set)


def prepare(config: Config, folder: Path) -> Path:
    """A fresh run of `config` on its data."""
    dataset = open_data(config, load_tokenizer(folder))
    return create(config, dataset, folder)


def finetui(run: Path) -> Side:
    """Train `run` by the launcher's command in the launcher's environment."""
    with launch.open_log(run) as log:
        trainer = subprocess.Popen(
            [*launch.TRAINER, str(run)], cwd=run, env=launch.environment(),
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
        memory = wait_for(trainer)
    if trainer.returncode:
        raise SystemExit((run / directory.LOG).read_text())
    told = follow.read(run)
    steps = [e for e in told if isinstance(e.body, events.Step)]
    bodies: list[Any] = [e.body for e in steps]
    return Side(
        "finetui", [e.time for e in steps], [b.tokens for b in bodies], [b.label_tokens for b in bodies],
        [b.loss for b in bodies], memory,
    )  # fmt: skip


def peer(name: str, python: str, job: dict[str, Any], folder: Path) -> Side:
    """One peer's updates, in its own python and a fresh process."""
    trainer, as_shipped, environment = PEERS[name]
    order, answer = folder / "job.json", folder / "answer"
    order.write_text(json.dumps({**job, "as_shipped": as_shipped, "folder": str(folder / "out")}))
    with answer.open("wb") as out, (folder / "log").open("wb") as log:
        running = subprocess.Popen(
            [python, str(Path(__file__).with_name("peer.py")), trainer, str(order)],
            cwd=folder, env={**os.environ, **environment}, stdout=out, stderr=log,
        )  # fmt: skip
        memory = wait_for(running)
    if running.returncode:
        raise SystemExit(f"{name} failed:\n{(folder / 'log').read_text()[-3000:]}")
    found = json.loads(answer.read_text().splitlines()[-1])
    losses = [float(loss) for loss in found["losses"]]
    return Side(name, found["ends"], found["tokens"], found["label_tokens"], losses, memory)


def wait_for(process: subprocess.Popen[bytes]) -> int:
    """Wait for a process to end; the most memory it had resident, in bytes."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def job_of(config: Config, run: Path, model: Path) -> dict[str, Any]:
    """The rows of every update, as finetui's tokens, and the knobs that a peer has too."""
    side = load_frozen(run / directory.DATA).train
    train = config.train
    assert train.max_steps is not None
    wanted = train.max_steps * train.batch_size
    if wanted > len(side):
        raise SystemExit(
            f"{wanted} rows are needed, the data has {len(side)}: lower --steps or --batch"
        )
    rows = []
    for number in range(wanted):
        place = slice(int(side.offsets[number]), int(side.offsets[number + 1]))
        rows.append({"ids": side.ids[place].tolist(), "labels": side.labels[place].tolist()})
    return {
        "model": str(model), "rows": rows, "method": config.method.name, "rank": config.method.rank,
        "alpha": config.method.alpha, "dtype": config.runtime.dtype, "batch": train.batch_size,
        "steps": train.max_steps, "max_length": config.data.max_length, "seed": train.seed,
        "learning_rate": config.learning_rate,
    }  # fmt: skip


def work_of(config: Config, model: Path, rows: FrozenSide, steps: range) -> float:
    """Floating point operations that the updates `steps` cannot do without."""
    shape, size = Shape.of(model), config.train.batch_size
    lengths, total = np.diff(rows.offsets), 0.0
    for step in steps:
        at = range(step * size, (step + 1) * size)
        labels = sum(int(rows.labels[rows.offsets[r] + 1 : rows.offsets[r + 1]].sum()) for r in at)
        total += needed(
            shape, [int(lengths[r]) for r in at], labels, config.method.name, config.method.rank
        )
    return total


def show(sides: dict[str, list[Side]], work: float, machine: list[float], warmup: int) -> None:
    """The table: medians over the rounds; ratios are finetui's label tokens a second over the peer's."""
    ours = sides["finetui"]
    best = statistics.median(s.rate(s.label_tokens, warmup) for s in ours)
    memory = statistics.median(s.memory for s in ours)
    limit = statistics.median(machine)
    print(f"\nproducts of the model's shapes by themselves: {limit / 1e9:.0f} GFLOP/s "
          f"({min(machine) / 1e9:.0f} to {max(machine) / 1e9:.0f})")  # fmt: skip
    heads = ("label tok/s", "ratio", "real tok/s", "s/step", "GB", "memory", "of limit")
    print(f"{'':30s}" + "".join(f"{head:>13s}" for head in heads))
    for name, found in sides.items():
        label = statistics.median(s.rate(s.label_tokens, warmup) for s in found)
        real = statistics.median(s.rate(s.tokens, warmup) for s in found)
        seconds = statistics.median(s.seconds(warmup) for s in found)
        held = statistics.median(s.memory for s in found)
        share = work / (len(found[0].ends) - warmup) / seconds / limit
        print(f"{name:30s}{label:13.1f}{best / label:12.2f}x{real:13.1f}{seconds:13.3f}{held / 1e9:13.2f}"
              f"{memory / held:12.2f}x{share:13.1%}")  # fmt: skip


def show_losses(sides: dict[str, list[Side]]) -> None:
    """The loss curves side by side, and where the counts of tokens differ from finetui's."""
    ours = sides["finetui"][0]
    print("\nlosses\n" + f"{'step':>5s}" + "".join(f"{name[:26]:>28s}" for name in sides))
    for step in range(len(ours.losses)):
        print(f"{step + 1:5d}" + "".join(f"{s[0].losses[step]:28.5f}" for s in sides.values()))
    for name, (side, *_) in sides.items():
        for what in ("tokens", "label_tokens"):
            mine, theirs = getattr(ours, what), getattr(side, what)
            differing = [
                i for i, pair in enumerate(zip(mine, theirs, strict=True)) if pair[0] != pair[1]
            ]
            if differing:
                at = differing[0]
                print(
                    f"{name}: {what} differ in {len(differing)} updates, "
                    f"first in {at + 1}: {theirs[at]}, ours {mine[at]}"
                )
        if side is not ours:
            far = max(abs(a - b) for a, b in zip(ours.losses, side.losses, strict=True))
            print(f"{name}: losses differ from finetui's by at most {far:.5f}")


def say_not_run(python: str | None) -> None:
    """Which known trainers were not measured, and why."""
    if python is None:
        print("no --python: no peer was run")
        return
    look = "import importlib.util as u, sys; print(*[n for n in sys.argv[1:] if u.find_spec(n)])"
    done = subprocess.run(
        [python, "-c", look, *NOT_RUN], capture_output=True, text=True, check=True
    )
    there = done.stdout.split()
    for name in NOT_RUN:
        print(
            f"{name}: "
            + ("installed, has no runner here" if name in there else "not installed, not run")
        )


def main() -> None:
    given = options()
    config, model = config_of(given), find(given.model)
    sides: dict[str, list[Side]] = {"finetui": []}
    machine: list[float] = []
    first = prepare(config, model)
    job, rows = job_of(config, first, model), load_frozen(first / directory.DATA).train
    at_once = int(np.diff(rows.offsets)[: given.batch].sum())
    work = work_of(config, model, rows, range(given.warmup, given.steps))
    for number in range(given.rounds):
        machine.append(machine_rate(Shape.of(model), at_once, given.dtype, ALLOCATOR))
        sides["finetui"].append(finetui(first if not number else prepare(config, model)))
        for name in given.peers if given.python else []:
            folder = Path(tempfile.mkdtemp())
            sides.setdefault(name, []).append(peer(name, given.python, job, folder))
            shutil.rmtree(folder)
    show(sides, work, machine, given.warmup)
    show_losses(sides)
    say_not_run(given.python)


if __name__ == "__main__":
    main()
