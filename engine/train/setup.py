"""From a run directory to everything the loop needs in hand."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine import config as knobs
from engine import events
from engine.config import Config
from engine.data.frozen import Frozen, load_frozen
from engine.errors import Problem
from engine.model import adapt, attend, load
from engine.model.find import facts
from engine.runs import directory
from engine.train import checkpoint, machine, plan
from engine.train.checkpoint import State
from engine.train.loop import Job
from engine.train.optimizer import Optimizer
from engine.train.report import Report


def prepare(run: Path, report: Report) -> Job:
    """Load rows, model and optimizer, plan the run or take up its plan, go back to its last checkpoint."""
    config = knobs.load(run / directory.CONFIG)
    meta = directory.read_json(run / directory.META)
    frozen = load_frozen(run / directory.DATA)
    decided = _plan_before(run)
    device = decided.device if decided else load.pick_device(config.runtime.device)
    dtype = _dtype(decided, config, device)
    torch.set_num_threads(decided.threads if decided else _threads(device, dtype))
    report.say(
        events.Hello(
            pid=os.getpid(), device=_name(device), dtype=_short(dtype), versions=machine.versions()
        )
    )
    report.say(_data_event(frozen))

    report.raise_if_stopped()
    report.say(events.PhaseBegan("loading"))
    folder = Path(meta["model_path"])
    model = load.load_model(folder, dtype, device)
    report.raise_if_stopped()
    tokenizer = load.load_tokenizer(folder)
    attention = attend.kernel_of(model)
    model = adapt.adapt(model, config.method, config.train.seed)
    optimizer = Optimizer(adapt.trained(model), config.train.weight_decay)

    if decided is None:
        report.say(events.PhaseBegan("planning"))
        decided = _plan(config, frozen, folder, device, dtype, attention)
        directory.write_json(run / directory.PLAN, decided.to_json())
    directory.write_json(run / directory.ENVIRONMENT, machine.versions())
    if decided.checkpointing:
        adapt.checkpoint_layers(model)
    report.say(_plan_event(decided, model))
    return Job(
        run=run, config=config, plan=decided, data=frozen, model=model, tokenizer=tokenizer, optimizer=optimizer,
        report=report, state=_go_back(run, model, optimizer, report), part=_part(run),
    )  # fmt: skip


def _part(run: Path) -> np.ndarray | None:
    """The held-out rows that looks on the way use, as chosen at step 0; None before that."""
    rows = directory.read_json(run / directory.PART).get("rows")
    return None if rows is None else np.array(rows, dtype=np.int64)


def _threads(device: str, dtype: torch.dtype) -> int:
    """At most OMP_NUM_THREADS (the launcher sets it to the physical cores); tried out for a run on the CPU."""
    most = torch.get_num_threads()
    return machine.pick_threads(most, dtype) if device == "cpu" else most


def _plan_before(run: Path) -> plan.Plan | None:
    tree = directory.read_json(run / directory.PLAN)
    return plan.Plan.from_json(tree) if tree else None


def _dtype(decided: plan.Plan | None, config: Config, device: str) -> torch.dtype:
    wanted = decided.dtype if decided else config.runtime.dtype
    return load.pick_dtype(wanted, device)


def _plan(
    config: Config, frozen: Frozen, folder: Path, device: str, dtype: torch.dtype, attention: str
) -> plan.Plan:
    if not len(frozen.train):
        raise Problem("data", "no row is left to train on", "lower data.eval_fraction, or add rows")
    sides = [side for side in (frozen.train, frozen.eval) if len(side)]
    fits = plan.cut(
        facts(folder), machine.free_bytes(device), max(int(np.diff(side.offsets).max()) for side in sides),
        config.runtime.checkpointing, cpu=not device.startswith("cuda"),
    )  # fmt: skip
    return plan.make(
        config,
        train_rows=len(frozen.train),
        held_out=len(frozen.eval),
        fits=fits,
        padded=attention == attend.OWN,
        device=device,
        dtype=_short(dtype),
        threads=torch.get_num_threads(),
        attention=attention,
    )


def _go_back(run: Path, model: Any, optimizer: Optimizer, report: Report) -> State:
    """The state to go on from: the newest sound checkpoint's, else the beginning."""
    last = checkpoint.newest(run)
    if last is None:
        if report.journal.attempt:
            report.say(events.Resumed(from_step=0))
        return State(step=0, best_step=0, best_loss=None)
    state = checkpoint.load(last, model, optimizer)
    report.say(events.Resumed(from_step=state.step))
    return state


def _data_event(frozen: Frozen) -> events.DataReady:
    info = frozen.info
    return events.DataReady(
        rows=int(info.get("rows", 0)),
        train=len(frozen.train),
        eval=len(frozen.eval),
        dropped=int(info.get("dropped", 0)),
        truncated=int(info.get("truncated", 0)),
        label_tokens=int(frozen.train.labels.sum()),
    )


def _plan_event(decided: plan.Plan, model: Any) -> events.Plan:
    choices = decided.to_json()
    trained = sum(p.numel() for p in adapt.trained(model).values())
    choices["trained_share"] = trained / max(1, sum(p.numel() for p in model.parameters()))
    choices["trained_weights"] = trained
    return events.Plan(
        token_budget=decided.token_budget, peak_bytes=0, seconds=0.0, choices=choices
    )


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _name(device: str) -> str:
    if device.startswith("cuda"):
        return f"{device} {torch.cuda.get_device_name(device)}"
    return device
