"""What a run will need, told before it starts: memory by part and time. Arithmetic on a model's shape, without torch.

Each part counts tensors that the engine makes. `choose` finds the token budget that fits.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from engine.config import Config
from engine.errors import Problem
from engine.model.shape import Shape
from engine.train.plan import CPU_BUDGET, GPU_BUDGET, LEAST_BUDGET, eval_rows, eval_steps
from engine.train.schedule import steps_per_epoch, total_steps

GB = 2**30
SHARE_OF_FREE = 0.9
"""A run plans to use at most this part of the memory that is free."""
CPU_PROCESS = 390_000_000
"""Python with torch, transformers and peft imported (measured)."""
GPU_PROCESS = 600_000_000
"""A CUDA context; torch does not count it as its own."""
SCORED_AT_ONCE = 256
STACKED = 4
"""As in `engine.model.loss`: labels scored at a time, and how many such share a product."""
KEPT_UP_TO = 1024
"""As in `engine.model.causal`: documents up to this length keep their attention weights."""
SPARE = 1.05
"""What the allocator holds beyond the tensors."""
SAVED_A_SECOND = 150e6
"""Bytes written, synchronised and read back twice for their sha256."""
START_SECONDS = 3.0
HELD = ("process", "weights", "master copies", "optimizer")
"""The parts that are there all the time."""


@dataclass(frozen=True)
class Rows:
    """What is known of the rows: `train_tokens` and `label_tokens` of the training side, the longest of both."""

    train: int
    held_out: int
    train_tokens: int
    label_tokens: int
    longest: int

    @classmethod
    def of_summary(cls, summary: dict[str, Any]) -> Rows:
        longest = min(int(summary["tokens"]["max"]), int(summary["max_length"]))
        train, held_out, tokens, labels = (
            int(summary[name]) for name in ("train", "eval", "train_tokens", "label_tokens")
        )
        return cls(train, held_out, tokens, labels, longest)

    @property
    def mean(self) -> float:
        return self.train_tokens / max(1, self.train)

    @property
    def label_share(self) -> float:
        return self.label_tokens / max(1, self.train_tokens)


@dataclass(frozen=True)
class Place:
    """Where a run is to run: `free` and `total` bytes of its memory, `rate` in floating point operations a second
    (0 where it is not known)."""

    device: str
    dtype: str
    free: int
    total: int
    rate: float = 0.0

    @property
    def on_cpu(self) -> bool:
        return not self.device.startswith("cuda")

    @property
    def width(self) -> int:
        """Bytes of a number in the run's precision."""
        return 2 if self.dtype == "bfloat16" else 4


@dataclass(frozen=True)
class Estimate:
    """`parts` are bytes held together while an update is made; `peak` is the largest of that and of a look at
    held-out rows (`look`). A save copies nothing, and takes `saved` bytes of the disk.

    `a_token` bytes of memory and `work_a_token` floating point operations belong to each token; the run makes
    `tokens` of them (a look's counted by its share of the work). `seconds` is 0 where the rate is not known.
    """

    token_budget: int
    parts: dict[str, int]
    peak: int
    look: int
    saved: int
    a_token: float
    work_a_token: float
    tokens: float
    save_seconds: float
    seconds: float
    checkpointing: bool = False

    def to_json(self) -> dict[str, Any]:
        tree = asdict(self)
        return {
            "token_budget": tree.pop("token_budget"), "peak_bytes": tree.pop("peak"),
            "look_bytes": tree.pop("look"), "saved_bytes": tree.pop("saved"), **tree,
        }  # fmt: skip


def estimate(
    config: Config,
    shape: Shape,
    rows: Rows,
    place: Place,
    budget: int,
    *,
    twice: bool | None = None,
) -> Estimate:
    """What the run needs when an update is cut into parts of at most `budget` tokens; `twice` whether layers
    are computed twice (None: only where that is asked for)."""
    if twice is None:
        twice = config.runtime.checkpointing == "on"
    trained = trained_weights(config, shape)
    tokens = largest_part(config, rows, budget)
    a_token = SPARE * kept_a_token(config, shape, rows, place, twice=twice)
    parts = {
        "process": CPU_PROCESS if place.on_cpu else GPU_PROCESS,
        "weights": weight_bytes(config, shape, place),
        "master copies": 4 * trained if _has_masters(config, place) else 0,
        "optimizer": 8 * trained,
        "gradients": 4 * trained,
        "activations": int(tokens * a_token),
        "loss": loss_bytes(config, shape, place, int(tokens * rows.label_share)),
    }
    held = sum(parts[name] for name in HELD)
    look = held + look_bytes(shape, rows, place, max(budget, rows.longest)) if rows.held_out else 0
    saved = saved_bytes(config, shape, place)
    work = work_a_token(config, shape, rows, twice=twice)
    in_all, saves = run_tokens(config, rows)
    save_seconds = saves * saved / SAVED_A_SECOND
    seconds = START_SECONDS + in_all * work / place.rate + save_seconds if place.rate else 0.0
    return Estimate(
        token_budget=budget, parts=parts, peak=max(sum(parts.values()), look), look=look, saved=saved,
        a_token=a_token, work_a_token=work, tokens=in_all, save_seconds=save_seconds, seconds=seconds,
        checkpointing=twice,
    )  # fmt: skip


def choose(config: Config, shape: Shape, rows: Rows, place: Place) -> Estimate:
    """The estimate at the budget that is asked for, else at the largest whose peak fits in what is free. Where
    the knob leaves it open, layers are computed twice only if not even the least budget fits otherwise."""
    room = SHARE_OF_FREE * place.free
    least = config.runtime.token_budget or LEAST_BUDGET
    twice = config.runtime.checkpointing == "on"
    if config.runtime.checkpointing == "auto" and place.free:
        twice = estimate(config, shape, rows, place, least).peak > room
    if config.runtime.token_budget:
        return estimate(config, shape, rows, place, config.runtime.token_budget, twice=twice)
    most = CPU_BUDGET if place.on_cpu else GPU_BUDGET
    low, high = (estimate(config, shape, rows, place, b, twice=twice) for b in (LEAST_BUDGET, most))
    if high.peak <= room or not place.free:
        return high
    a_token = (high.peak - low.peak) / (most - LEAST_BUDGET)
    fits = LEAST_BUDGET + (room - low.peak) / a_token if a_token else LEAST_BUDGET
    budget = max(LEAST_BUDGET, int(fits) // 64 * 64)
    return estimate(config, shape, rows, place, budget, twice=twice)


def misfit(config: Config, shape: Shape, rows: Rows, place: Place) -> Problem | None:
    """Why the run cannot fit, even at the least budget, and what to turn; None where it can."""
    if not place.free:
        return None
    least = choose(config, shape, rows, place)
    if config.runtime.token_budget and config.runtime.token_budget > LEAST_BUDGET:
        least = estimate(config, shape, rows, place, LEAST_BUDGET, twice=least.checkpointing)
    if least.peak <= place.free:
        return None
    what = f"needs about {least.peak / GB:.1f} GB and {place.free / GB:.1f} GB of {place.device} are free"
    return Problem("memory", what, _remedy(config, rows, least, place))


def _remedy(config: Config, rows: Rows, least: Estimate, place: Place) -> str:
    """The knobs that would help, the one that helps most first."""
    fixes = []
    if config.method.name == "full":
        fixes.append("set method.name to lora")
    if rows.longest > LEAST_BUDGET:
        fixes.append(f"lower data.max_length (the longest row has {rows.longest:,} tokens)")
    fixes.append("choose a smaller model")
    if place.total > least.peak:
        fixes.append("end what else uses the memory")
    return ", or ".join(fixes)


# ---------------------------------------------------------------- memory by part


def trained_weights(config: Config, shape: Shape) -> int:
    if config.method.name == "full":
        return shape.weights
    return shape.adapter(config.method.rank, dora=config.method.dora)


def weight_bytes(config: Config, shape: Shape, place: Place) -> int:
    """The model's own weights, and what an adapter adds to the matrices that it is multiplied with.

    On a CPU the weights lie in the mapped file; LoRA's joined matrices (out, in + rank) are a copy beside it.
    """
    own = shape.weights * place.width
    if config.method.name == "full":
        return own
    columns = config.method.rank * sum(out * count for out, _, count in shape.matrices)
    if _grouped(config, shape):
        q_k_v, gate_up = shape.queries + 2 * shape.keys, 2 * shape.inner
        columns += config.method.rank * shape.layers * (2 * q_k_v + gate_up)
    copied = shape.linear * place.width if place.on_cpu else 0
    return own + copied + columns * place.width + 4 * trained_weights(config, shape)


def _has_masters(config: Config, place: Place) -> bool:
    """Adapters are fp32 and their own masters, as fp32 weights are."""
    return config.method.name == "full" and place.width < 4


def _grouped(config: Config, shape: Shape) -> bool:
    """Whether q, k and v, and gate and up, share a product: their adapters' matrices then stand on a diagonal."""
    seven = sum(count for _, _, count in shape.matrices) == 7 * shape.layers
    return seven and not config.method.dora and not config.method.dropout


def largest_part(config: Config, rows: Rows, budget: int) -> int:
    """Tokens of the largest part of an update: the budget, where the batch has as many; the longest row anyway."""
    batch = min(config.train.batch_size, rows.train) * rows.mean
    return int(max(min(budget, batch), min(rows.longest, rows.train_tokens)))


def kept_a_token(
    config: Config, shape: Shape, rows: Rows, place: Place, *, twice: bool = False
) -> float:
    """Bytes kept for the backward pass a token, over all layers; where they are computed twice, one hidden state
    a layer and all of one layer."""
    h, q, k, m = shape.hidden, shape.queries, shape.keys, shape.inner
    rank, method = config.method.rank, config.method
    numbers: float = 4 * h + 2 * q + 2 * k + 3 * m
    if method.name != "full":
        numbers += q + k + 7 * rank
        if not _grouped(config, shape):
            numbers += 3 * h
        if method.dropout:
            numbers += 2 * (5 * h + q + m)
        if method.dora:
            numbers += 2 * h + q + 2 * k + 2 * m
    if place.on_cpu:
        numbers += shape.heads * _seen(rows)
    return place.width * (shape.layers * h + numbers if twice else numbers * shape.layers)


def _seen(rows: Rows) -> float:
    """Attention weights a token and head: about the length of its document."""
    return min(rows.mean * 1.1, KEPT_UP_TO)


def loss_bytes(config: Config, shape: Shape, place: Place, labels: int) -> int:
    """Scores and probabilities of the labels scored at a time; where trained, the gradient of
    the vocabulary's matrix."""
    vocabulary = shape.vocabulary
    at_once = min(labels, SCORED_AT_ONCE)
    found = at_once * vocabulary * (2 * place.width + 4)
    if config.method.name == "full":
        stacked = min(labels, SCORED_AT_ONCE * STACKED)
        found += stacked * vocabulary * 2 * place.width + vocabulary * shape.hidden * (
            4 + place.width
        )
    return found


def look_bytes(shape: Shape, rows: Rows, place: Place, tokens: int) -> int:
    """A forward pass that keeps nothing: one layer's states, and the scores of the labels scored at a time."""
    tokens = min(tokens, int(rows.held_out * rows.mean) or tokens)
    one_layer = tokens * place.width * (4 * shape.hidden + 2 * shape.queries + 3 * shape.inner)
    return one_layer + SCORED_AT_ONCE * shape.vocabulary * (2 * place.width + 4)


def saved_bytes(config: Config, shape: Shape, place: Place) -> int:
    """A checkpoint on the disk: the weights or the adapter, masters, Adam's averages."""
    trained = trained_weights(config, shape)
    weights = shape.weights * place.width if config.method.name == "full" else 4 * trained
    return weights + 12 * trained


# ---------------------------------------------------------------- time


def work_a_token(config: Config, shape: Shape, rows: Rows, *, twice: bool = False) -> float:
    """Floating point operations that a token trained on needs: forward and backward, and forward once more
    where layers are computed twice."""
    full = config.method.name == "full"
    passes = (6 if full else 4) + 2 * twice
    adapters = 0 if full else 6 * shape.adapter(config.method.rank)
    head = passes * rows.label_share * shape.vocabulary * shape.hidden
    attention = 6 * shape.layers * shape.queries * rows.mean * 1.1
    return float(passes * shape.linear + adapters + head + attention)


def run_tokens(config: Config, rows: Rows) -> tuple[float, int]:
    """Tokens of the whole run, those of looks at held-out rows by their share of the work; and how often it saves."""
    steps = total_steps(config, rows.train)
    per_epoch = steps_per_epoch(rows.train, config.train.batch_size)
    trained = steps / per_epoch * rows.train
    looks = eval_steps(config.eval.every, steps, per_epoch)
    part = eval_rows(rows.held_out, len(looks), math.ceil(trained), config.eval.max_fraction)
    forward = 1 / 3 if config.method.name == "full" else 1 / 2
    looked_at = 2 * rows.held_out + (len(looks) - 1) * part
    return (trained + looked_at * forward) * rows.mean, len(looks)
