"""What the workbench knows, and the two lines on top that are made from it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.config import Config, find_knob
from engine.errors import Problem
from engine.machine import emptiest
from engine.text import clean
from engine.train.foresee import foresee
from engine.train.schedule import total_steps

if TYPE_CHECKING:
    from engine.machine import Machine
    from engine.runs.history import History

Piece = tuple[str, str]
"""A style name (`head`, `key`, `good`, `bad` or nothing) and its text."""

DATA_KNOBS = (
    "data.path", "data.eval_path", "data.eval_fraction", "data.max_length", "data.system", "data.format",
    "data.chosen", "data.prompt_column", "data.answer_column", "data.system_column", "train.seed", "model.name",
)  # fmt: skip
PHASES = {
    "downloading": "downloading the starter model",
    "converting": "converting the starter model (once)",
    "loading": "loading the model",
    "reading": "reading rows",
    "searching": "searching",
    "tokenizing": "tokenizing",
    "planning": "planning",
    "compiling": "compiling",
    "training": "training",
    "evaluating": "measuring the held-out loss",
    "saving": "saving",
}
GIB = 2**30
CHOSEN = "data.chosen"
"""Named by a problem of rows that hold compared answers."""
TELLING = 3.0


@dataclass(frozen=True)
class Progress:
    """How far some work is; `total` 0 where it is not known. `seconds` it has taken so far."""

    phase: str
    done: int = 0
    total: int = 0
    seconds: float = 0.0

    @property
    def words(self) -> str:
        """`downloading the starter model 34 of 92 MB`, `tokenizing 1,200 of 30,000 · 240/s · 2m00s left`."""
        name = PHASES.get(self.phase, clean(self.phase, 60, lines=False))
        if not self.total:
            return f"{name} {self.done:,}" if self.done else name
        if self.phase == "downloading" and self.total > 10_000:
            return f"{name} {self.done // 1_000_000} of {self.total // 1_000_000} MB"
        if self.phase == "reading":  # bytes of a file, rows of a data set of the hub
            return f"{name} {100 * self.done // self.total}%{self._left}"
        return f"{name} {self.done:,} of {self.total:,}{self._rate}{self._left}"

    @property
    def _rate(self) -> str:
        """` · 1,200/s`, once that can be told."""
        if self.seconds < TELLING or not 0 < self.done < self.total:
            return ""
        rate = self.done / self.seconds
        return f" · {rate:,.0f}/s" if rate >= 10 else f" · {rate:.1f}/s"

    @property
    def _left(self) -> str:
        """` · 21s left`, once that can be told."""
        if self.seconds < TELLING or not 0 < self.done < self.total:
            return ""
        return f" · {duration(self.seconds * (self.total - self.done) / self.done)} left"


@dataclass
class State:
    """Written by the app alone, in its own thread; read by everything that is drawn."""

    config: Config
    opening: Progress | None = None
    summary: dict[str, Any] | None = None
    problem: Problem | None = None
    wrong: dict[str, str] = field(default_factory=dict)
    """Knobs that hold a value that does not do: path -> reason."""
    starting: str = ""
    run: Path | None = None
    run_config: Config | None = None
    """The settings of the run that is shown, which need not be those of the form."""
    history: History | None = None
    lost: bool = False
    stopping: bool = False
    """The run was told to stop and has not ended yet."""
    machine: Machine | None = None

    @property
    def training(self) -> bool:
        """A run is being followed and has not ended."""
        return self.history is not None and not self.lost and self.run is not None and (
            self.history.live or self.history.status == "queued"
        )  # fmt: skip

    @property
    def updates(self) -> int | None:
        """How often the weights will be changed; None until the rows are counted."""
        if self.config.train.max_steps is not None:
            return self.config.train.max_steps
        if not self.summary:
            return None
        return total_steps(self.config, int(self.summary["train"]))


def refusal(state: State) -> tuple[str, str]:
    """Why training cannot start now, and the knob to go to; two empty strings when it can."""
    if state.training:
        return "a training is going on: s stops and saves it", ""
    if state.starting:
        return f"already starting: {state.starting}", ""
    for path, reason in state.wrong.items():
        return f"{find_knob(path).title}: {reason}", path
    if state.opening:
        return "the data is still being opened", ""
    if state.problem:
        return "the data cannot be used as it is: o opens another file", ""
    if not state.summary or not state.summary.get("train"):
        return "there is no row to learn from: o opens a file", ""
    foreseen = foresee(state.config, state.summary, state.machine)
    if foreseen and foreseen.problem:
        return str(foreseen.problem), ""
    return "", ""


# ---------------------------------------------------------------- the first line: what this is


def what(state: State) -> list[Piece]:
    config = state.run_config or state.config
    method = "full" if config.method.name == "full" else f"LoRA r{config.method.rank}"
    words = [
        data_name(config, state.summary),
        Path(config.model.name).name or config.model.name,
        method,
    ]
    if state.run:
        words.append(f"run {state.run.name}")
    return [("head", "finetui"), ("", "  " + " · ".join(clean(w, 60, lines=False) for w in words))]


def data_name(config: Config, summary: dict[str, Any] | None) -> str:
    path = config.data.path or (summary or {}).get("path")
    if isinstance(path, tuple):
        return Path(path[0]).name if len(path) == 1 else f"{len(path)} files"
    return Path(str(path)).name if path else "sample data"


def machine_words(state: State) -> tuple[str, str]:
    """Cores, memory and GPU, and the speed while training: in full, and in short."""
    machine = state.machine
    step = state.history.step if state.history else None
    fast = state.training and step is not None and step.tokens_per_second
    speed = [f"{step.tokens_per_second:,.0f} tok/s"] if fast and step else []
    if machine is None:
        return " · ".join(speed), ""
    memory = f"{_gib(machine.memory_used)} of {_gib(machine.memory_total)} GB"
    gpu = gpu_words(machine)
    return " · ".join([f"{machine.cpus} cores", memory, gpu, *speed]), " · ".join(
        [gpu, *speed] if machine.gpus else [memory, *speed]
    )


def gpu_words(machine: Machine) -> str:
    if not machine.gpus:
        return "no GPU"
    gpu = emptiest(machine.gpus) or machine.gpus[0]
    name = clean(gpu.name, 24, lines=False).removeprefix("NVIDIA ")
    more = f" +{len(machine.gpus) - 1}" if len(machine.gpus) > 1 else ""
    return f"{name} {_gib(gpu.memory_used)} of {_gib(gpu.memory_total)} GB{more}"


def _gib(count: int) -> str:
    return f"{count / GIB:.1f}" if count < 100 * GIB else f"{count / GIB:.0f}"


# ---------------------------------------------------------------- the second line: what to do next


@dataclass(frozen=True)
class Next:
    """How it stands, in a word and a sentence, and the keys that lead on, the likeliest first."""

    head: str
    said: str
    keys: tuple[tuple[str, str], ...] = ()
    kind: str = "head"


def next_step(state: State) -> Next:
    """What goes on, or what to do now."""
    if state.starting:
        return Next("starting", state.starting, (("esc", "cancel"),))
    if state.history is not None and state.run is not None:
        return _run_line(state, state.history)
    if state.opening:
        return Next("opening", state.opening.words, (("esc", "cancel"),))
    if state.problem:
        said = clean(str(state.problem), 400, lines=False)
        chosen = (("c", "train on the chosen answers"),) if CHOSEN in said else ()
        return Next("data", said, (*chosen, ("o", "open other data")), "bad")
    if state.wrong:
        return Next("knobs", refusal(state)[0], (("t", "go there"),), "bad")
    if not state.summary:
        return Next("next", "", (("o", "open data to learn from"),))
    train = f"train: {state.updates:,} updates" if state.updates else "train"
    return Next("next", "", (("t", train), ("2", "turn the knobs"), ("o", "open other data")))


def _run_line(state: State, history: History) -> Next:
    again = ("t", "train again")
    if state.lost or history.status == "lost":
        step = f" after step {history.step.step:,}" if history.step else ""
        return Next(
            "lost",
            f"its process is gone without a word{step}",
            (("3", "see the loss"), again),
            "bad",
        )
    match history.status:
        case "failed":
            said = clean(history.failure or "no reason was given", 300, lines=False)
            return Next("failed", said, (("3", "see its log"), again), "bad")
        case "done":
            taken = f"{_steps(history)} in {duration(history.seconds)}"
            return Next("done", taken + _change(history), (("4", "compare"), again), "good")
        case "stopped":
            return Next(
                "stopped",
                f"saved after {_steps(history)}{_change(history)}",
                (("4", "compare"), again),
            )
        case "training" | "preparing" if state.stopping:
            return Next("stopping", "it ends this step, then saves")
        case "training":
            return Next("training", _training_words(history), (("s", "stop and save"),))
    now = Progress(history.phase or "loading", history.done, history.total).words
    return Next("preparing", now, (("s", "stop"),))


def _training_words(history: History) -> str:
    """Step and epoch, what else is being done, the time left, and the memory."""
    step = history.step
    if step is None and history.phase == "training":
        return "the first update"
    if step is None:
        return Progress(history.phase, history.done, history.total).words
    epochs = round(step.epoch * step.total_steps / max(1, step.step), 2)
    words = [f"step {step.step:,} of {step.total_steps:,}", f"epoch {step.epoch:.1f} of {epochs:g}"]
    if history.phase not in ("training", ""):
        words.append(Progress(history.phase, history.done, history.total).words)
    if math.isfinite(history.seconds_left):
        words.append(f"{duration(history.seconds_left)} left")
    if step.memory_bytes:
        words.append(f"{_gib(step.memory_bytes)} GB")
    return " · ".join(words)


def _steps(history: History) -> str:
    count = history.step.step if history.step else 0
    return f"{count:,} step{'' if count == 1 else 's'}"


def _change(history: History) -> str:
    """The held-out loss, old -> new, with a word for the direction."""
    before, after = history.change
    if not (math.isfinite(before) and math.isfinite(after)):
        return ""
    word = "▼ better" if after < before else "▲ not better"
    return f" · held-out loss {before:.2f} -> {after:.2f} {word}"


def duration(seconds: float) -> str:
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    minutes, left = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}m{left:02d}s"
    return f"{minutes // 60}h{minutes % 60:02d}m"
