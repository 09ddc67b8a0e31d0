"""A job on the tiny model without a process around it: what the loop's tests turn the crank of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine import config as knobs
from engine.config import Config
from engine.data.frozen import Frozen, FrozenSide
from engine.events import Body
from engine.model import adapt, attend
from engine.train import plan
from engine.train.checkpoint import State
from engine.train.loop import Job
from engine.train.optimizer import Optimizer
from engine.train.report import Report
from tests.tiny import tiny_tokenizer


class Notebook(Report):
    """A report that only remembers what was said, and hears nothing but `orders`."""

    def __init__(self) -> None:
        self._waiting = []
        self.said: list[Body] = []
        self.orders: list[Any] = []

    def say(self, body: Body) -> None:
        self.said.append(body)

    def _arrived(self) -> list[Any]:
        taken, self.orders = self.orders, []
        return taken

    def of(self, kind: type[Any]) -> list[Any]:
        return [body for body in self.said if isinstance(body, kind)]


def make_job(
    model: Any, train: FrozenSide, held_out: FrozenSide, run: Path, settings: dict[str, Any], *,
    budget: int = 4096, padded: bool = False,
) -> Job:  # fmt: skip
    """`settings` are knobs by path."""
    attend.register()
    config: Config = Config()
    for path, value in settings.items():
        config = knobs.with_value(config, path, value)
    model = adapt.adapt(model, config.method, config.train.seed)
    decided = plan.make(
        config, train_rows=len(train), held_out=len(held_out), budget=budget, padded=padded,
        device="cpu", dtype="float32", threads=1,
    )  # fmt: skip
    if config.runtime.checkpointing == "on":
        adapt.checkpoint_layers(model)
    optimizer = Optimizer(adapt.trained(model), config.train.weight_decay)
    notebook: Any = Notebook()
    return Job(
        run=run, config=config, plan=decided, data=Frozen(train, held_out, {}), model=model,
        tokenizer=tiny_tokenizer(), optimizer=optimizer, report=notebook,
        state=State(0, 0, None),
    )  # fmt: skip
