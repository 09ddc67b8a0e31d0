"""From a run directory to everything the loop needs in hand."""

from __future__ import annotations

import os
from dataclasses import replace
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
from engine.model.shape import Shape
from engine.runs import directory
from engine.train import checkpoint, estimate, machine, plan, rates
from engine.train.checkpoint import State
from engine.train.estimate import Estimate, Rows
from engine.train.loop import Job
from engine.train.optimizer import Optimizer
from engine.train.probe import plan_event
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
    folder = Path(meta["model_path"])
    told = None if decided else estimated(config, frozen, folder, device, _short(dtype))
    report.say(events.PhaseBegan("loading"))
    model = load.load_model(folder, dtype, device)
    report.raise_if_stopped()
    tokenizer = load.load_tokenizer(folder)
    attention = attend.kernel_of(model)
    model = adapt.adapt(model, config.method, config.train.seed)
    optimizer = Optimizer(adapt.trained(model), config.train.weight_decay)

    if decided is None:
        assert told is not None
        decided = _plan(config, frozen, told, device, dtype, attention)
        directory.write_json(run / directory.PLAN, decided.to_json())
    directory.write_json(run / directory.ENVIRONMENT, machine.versions())
    if decided.checkpointing:
        adapt.checkpoint_layers(model)
    job = Job(
        run=run, config=config, plan=decided, data=frozen, model=model, tokenizer=tokenizer, optimizer=optimizer,
        report=report, state=State(0, 0, None), part=_part(run),
    )  # fmt: skip
    report.say(plan_event(job))
    job.state = _go_back(run, model, optimizer, report)
    return job


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


def estimated(config: Config, frozen: Frozen, folder: Path, device: str, dtype: str) -> Estimate:
    """What the run will need, with the token budget that fits. Raises Problem where it can't."""
    if not len(frozen.train):
        raise Problem("data", "no row is left to train on", "lower data.eval_fraction, or add rows")
    shape, rows = Shape.from_json(facts(folder)["shape"]), rows_in(frozen)
    rate = rates.recall(machine.device_name(device), dtype, config.method.name, shape.hidden)
    place = estimate.Place(device, dtype, *machine.room(device), rate)
    refused = estimate.misfit(config, shape, rows, place)
    if refused is not None:
        raise refused
    return estimate.choose(config, shape, rows, place)


def rows_in(frozen: Frozen) -> Rows:
    train, held_out = frozen.train, frozen.eval
    longest = max(int(np.diff(side.offsets).max(initial=0)) for side in (train, held_out))
    return Rows(len(train), len(held_out), len(train.ids), int(train.labels.sum()), longest)


def _plan(
    config: Config, frozen: Frozen, told: Estimate, device: str, dtype: torch.dtype, attention: str
) -> plan.Plan:
    made = plan.make(
        config,
        train_rows=len(frozen.train),
        held_out=len(frozen.eval),
        budget=told.token_budget,
        checkpointing=told.checkpointing,
        padded=attention == attend.OWN,
        device=device,
        dtype=_short(dtype),
        threads=torch.get_num_threads(),
        attention=attention,
    )
    return replace(made, estimate=told.to_json())


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


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _name(device: str) -> str:
    if device.startswith("cuda"):
        return f"{device} {torch.cuda.get_device_name(device)}"
    return device
