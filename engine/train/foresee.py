"""What a run will need on this machine, from what an app knows: the settings, the data's summary, the machine.

No torch, well under a millisecond: it is asked for at every turn of a knob.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.config import Config
from engine.errors import Problem
from engine.machine import Gpu, Machine, emptiest
from engine.model.shape import Shape
from engine.train import rates
from engine.train.estimate import Estimate, Place, Rows, choose, misfit

BFLOAT16_FLAGS = ("avx512_bf16", "amx_bf16")


@dataclass(frozen=True)
class Foreseen:
    """`problem` says why the run cannot start here at all; `tight` that it may not fit with its token budget."""

    estimate: Estimate
    place: Place
    problem: Problem | None

    @property
    def tight(self) -> bool:
        return bool(self.place.free) and self.estimate.peak > self.place.free


def foresee(
    config: Config, summary: dict[str, Any] | None, machine: Machine | None
) -> Foreseen | None:
    """None until the rows are counted, the model is known and the machine was looked at."""
    shape = ((summary or {}).get("model") or {}).get("shape")
    if not summary or not shape or machine is None or not summary.get("train"):
        return None
    if summary.get("stage", "counted") != "counted":
        return None
    model, rows = Shape.from_json(shape), Rows.of_summary(summary)
    place = place_of(config, machine, model.hidden)
    return Foreseen(choose(config, model, rows, place), place, misfit(config, model, rows, place))


def place_of(config: Config, machine: Machine, hidden: int) -> Place:
    """The device that the run will be on, with its free memory and its rate."""
    gpu = _gpu(config.runtime.device, machine)
    name, device = (gpu.name, "cuda") if gpu else ("cpu", "cpu")
    free = gpu.memory_free if gpu else machine.memory_total - machine.memory_used
    total = gpu.memory_total if gpu else machine.memory_total
    wanted = config.runtime.dtype
    dtype = _dtype(name) if wanted == "auto" else wanted
    rate = rates.recall(name, dtype, config.method.name, hidden)
    return Place(device, dtype, free, total, rate)


def _gpu(wanted: str, machine: Machine) -> Gpu | None:
    if wanted in ("cpu", "mps"):
        return None
    if wanted.startswith("cuda:"):
        return next((g for g in machine.gpus if g.index == int(wanted[5:])), None)
    return emptiest(machine.gpus)


def _dtype(name: str) -> str:
    """The precision that `auto` will come to: as in the last run here, else by what the processor says it can."""
    if known := rates.last_dtype(name):
        return known
    if name != "cpu":
        return "bfloat16"
    try:
        told = Path("/proc/cpuinfo").read_text()
    except OSError:
        return "float32"
    return "bfloat16" if any(flag in told for flag in BFLOAT16_FLAGS) else "float32"
