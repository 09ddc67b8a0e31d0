"""How near the plan comes: memory and time as estimated before, as told by the probe, and as they were.

    python -m tests.benchmarks.plan [--models llama-30m starter ...] [--methods lora full] [--budgets 512 ...]

Each line is a run of its own by the launcher's command on the sample data: an update holds one and a half times the
budget, six updates are made of a run planned for a thousand, then it is stopped. Memory is the most that the
process had resident; seconds are those of an update, after the first. Models but the starter have random weights.

Run it on an idle machine: another process's work shows in the seconds.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine import config as settings
from engine import events, paths
from engine.config import Config
from engine.data.opening import open_data
from engine.model.find import find
from engine.model.load import load_tokenizer
from engine.runs import directory, follow, launch
from engine.runs.create import create

UPDATES, PLANNED, BEGINNING = 6, 1000, 1
GB = 1e9
SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama-30m": ("llama", {"hidden_size": 320, "intermediate_size": 864, "num_hidden_layers": 12,
                            "num_attention_heads": 5, "num_key_value_heads": 5, "tie_word_embeddings": True}),
    "qwen2-170m": ("qwen2", {"hidden_size": 640, "intermediate_size": 1792, "num_hidden_layers": 24,
                             "num_attention_heads": 10, "num_key_value_heads": 2, "tie_word_embeddings": False}),
    "llama-360m": ("llama", {"hidden_size": 960, "intermediate_size": 2560, "num_hidden_layers": 32,
                             "num_attention_heads": 15, "num_key_value_heads": 5, "tie_word_embeddings": True}),
}  # fmt: skip
STARTER = "starter"


@dataclass(frozen=True)
class Outcome:
    """Bytes and seconds an update: estimated, told by the probe, and as they were."""

    memory: tuple[float, float, float]
    seconds: tuple[float, float, float]
    probe_seconds: float


def options() -> argparse.Namespace:
    """The command line."""
    names = ["llama-30m", STARTER, "qwen2-170m", "llama-360m"]
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.plan")
    parser.add_argument("--models", nargs="*", default=names, choices=names)
    parser.add_argument(
        "--methods", nargs="*", default=["lora", "full"], choices=["lora", "full", "dora"]
    )
    parser.add_argument("--budgets", nargs="*", type=int, default=[512, 1024, 2048, 4096])
    parser.add_argument("--dtype", choices=["auto", "bfloat16", "float32"], default="auto")
    return parser.parse_args()


def model_folder(name: str, root: Path) -> Path:
    """The starter model, or random weights of a shape with the starter's tokenizer."""
    starter = find(settings.STARTER)
    if name == STARTER:
        return starter
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    kind, shape = SHAPES[name]
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, vocab_size=49152, max_position_embeddings=8192, **shape)
    folder = root / name
    AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).save_pretrained(folder)
    for part in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(starter / part, folder / part)
    return folder


def config_of(folder: Path, method: str, budget: int, dtype: str) -> Config:
    """A long run whose updates hold one and a half times the budget; the sample rows have about 85 tokens each."""
    return settings.with_settings(
        settings.load(paths.sample_config()),
        [
            f"model.name={folder}", f"method.name={'full' if method == 'full' else 'lora'}",
            f"method.dora={'true' if method == 'dora' else 'false'}", f"runtime.token_budget={budget}",
            f"train.batch_size={math.ceil(1.5 * budget / 85)}", f"train.max_steps={PLANNED}",
            "train.learning_rate=1e-6", f"runtime.dtype={dtype}", "eval.every=4",
        ],
    )  # fmt: skip


def run(config: Config, folder: Path) -> Outcome:
    """Train until enough updates were made, watching the process's memory."""
    made = create(config, open_data(config, lambda: load_tokenizer(folder)), folder)
    with launch.open_log(made) as log:
        trainer = subprocess.Popen(
            [*launch.TRAINER, str(made)], cwd=made, env=launch.environment(),
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    most, told = watch(trainer, made)
    if trainer.returncode:
        raise SystemExit((made / directory.LOG).read_text()[-3000:])
    steps = [e.body for e in told if isinstance(e.body, events.Step)][BEGINNING:]
    plan = json.loads((made / directory.PLAN).read_text())
    before, after = plan["estimate"], plan["measured"]
    tokens = statistics.mean(s.tokens for s in steps)
    rate = before["seconds"] - before["save_seconds"] - 3.0
    a_token = (
        rate / before["tokens"],
        (after["seconds"] - before["save_seconds"] - 3.0) / before["tokens"],
    )
    actual = sum(s.seconds for s in steps) / len(steps)
    shutil.rmtree(made)
    return Outcome(
        (before["peak_bytes"], after["peak_bytes"], most),
        (a_token[0] * tokens, a_token[1] * tokens, actual),
        probe_seconds([(e.time, e.body) for e in told]),
    )


def watch(trainer: subprocess.Popen[bytes], made: Path) -> tuple[int, list[events.Event]]:
    """Wait, then stop it; the most memory that was seen, and all events."""
    most = 0
    stopped = False
    while trainer.poll() is None:
        most = max(most, resident(trainer.pid))
        told = follow.read(made)
        if not stopped and sum(isinstance(e.body, events.Step) for e in told) >= UPDATES:
            os.kill(trainer.pid, signal.SIGTERM)
            stopped = True
        time.sleep(0.1)
    return most, follow.read(made)


def resident(pid: int) -> int:
    """The most that a process had resident since it, or its own watch, began to count."""
    try:
        found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


def probe_seconds(told: list[tuple[float, Any]]) -> float:
    """From the beginning of planning to the plan as measured."""
    began = next(t for t, b in told if isinstance(b, events.PhaseBegan) and b.name == "planning")
    return next(t for t, b in told if isinstance(b, events.Plan) and b.measured) - began


def main() -> None:
    given = options()
    off: dict[str, list[float]] = {
        name: [] for name in ("memory before", "memory probe", "time before", "time probe")
    }
    print(
        f"{'model':<11} {'method':<6} {'budget':>6} | {'GB':>6} {'before':>6} {'off':>7} {'probe':>6} {'off':>7} |"
        f" {'s':>6} {'before':>6} {'off':>7} {'probe':>6} {'off':>7} | probe took"
    )
    with tempfile.TemporaryDirectory() as root:
        for name in given.models:
            folder = model_folder(name, Path(root))
            for method in given.methods:
                for budget in given.budgets:
                    found = run(config_of(folder, method, budget, given.dtype), folder)
                    print(line(name, method, budget, found, off), flush=True)
    for name, values in off.items():
        sizes = sorted(abs(v) for v in values)
        print(
            f"{name}: off by {statistics.median(sizes):.1%} at the median, {sizes[-1]:.1%} at most ({len(sizes)} runs)"
        )


def line(name: str, method: str, budget: int, found: Outcome, off: dict[str, list[float]]) -> str:
    """One run's line; how far each figure was off is kept in `off`."""
    cells = []
    for kind, (before, probe, actual), unit in (
        ("memory", found.memory, GB),
        ("time", found.seconds, 1.0),
    ):
        errors = [value / actual - 1 if value > 0 else math.nan for value in (before, probe)]
        for when, error in zip(("before", "probe"), errors, strict=True):
            off[f"{kind} {when}"] += [] if math.isnan(error) else [error]
        cells.append(
            f"{actual / unit:>6.2f} {before / unit:>6.2f} {errors[0]:>+7.1%} {probe / unit:>6.2f} {errors[1]:>+7.1%}"
        )
    return f"{name:<11} {method:<6} {budget:>6} | {' | '.join(cells)} | {found.probe_seconds:.1f} s"


if __name__ == "__main__":
    main()
