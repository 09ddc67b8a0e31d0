"""The model that answers: loaded once for a run, base and tuned from the same weights where they can be."""

from __future__ import annotations

import gc
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import config as knobs
from engine.config import Runtime
from engine.errors import Problem
from engine.runs import directory

if TYPE_CHECKING:
    from engine.desk.process import Task

SIDES = ("base", "tuned")


@dataclass
class Source:
    """Models by side. With an adapter both sides are one model, the base with the adapter off."""

    tokenizer: Any
    models: dict[str, Any]
    adapter: bool
    step: int = 0
    ends: list[int] = field(default_factory=list)

    def answer(
        self, task: Task, prompts: list[dict[str, Any]], sides: list[str], max_tokens: int
    ) -> dict[str, Any]:
        """Both sides' greedy answers to conversations; text streams as items while it comes. With an adapter
        both sides are written in the same passes."""
        from engine.data.rows import messages_from_json
        from engine.data.tokens import prompt_ids

        tokens = [
            prompt_ids(
                self.tokenizer,
                messages_from_json(p["messages"]),
                p.get("tools", ""),
                raw=p.get("raw", False),
            )
            for p in prompts
        ]
        for side in sides:
            if side not in self.models:
                raise Problem(side, "there are no tuned weights yet", "train first")
        found: list[dict[str, Any]] = [{} for _ in prompts]
        together = [sides] if self.adapter else [[side] for side in sides]
        for some in together:
            for (place, side), answer in self._written(task, some, tokens, max_tokens):
                found[place][side] = vars(answer)
                task.item({"prompt": place, "side": side, "text": "", "done": True})
        return {"answers": found, "step": self.step, "loop": self._loop()}

    def _written(
        self, task: Task, sides: list[str], tokens: list[list[int]], max_tokens: int
    ) -> list[tuple[tuple[int, str], Any]]:
        """The answers of one model to every prompt, each by all of `sides` at once."""
        from engine.judge.generate import generate

        asked = [(place, side) for side in sides for place in range(len(tokens))]

        def on_text(number: int, text: str) -> None:
            place, side = asked[number]
            task.item({"prompt": place, "side": side, "text": text, "done": False})

        base = [n for n, (_, side) in enumerate(asked) if self.adapter and side == "base"]
        answers = generate(
            self.models[sides[0]], self.tokenizer, [tokens[place] for place, _ in asked], self.ends,
            max_tokens, without_adapter=base, on_text=on_text, cancelled=lambda: task.cancelled,
        )  # fmt: skip
        return list(zip(asked, answers, strict=True))

    def _loop(self) -> str:
        """Whose loop writes for the model: `own`, or the slower `transformers`, which the log tells too."""
        from engine.judge.generate import writes_itself

        if all(map(writes_itself, self.models.values())):
            return "own"
        kind = next(iter(self.models.values())).config.model_type
        print(
            f"answers: {kind} has attention of its own kind; transformers writes", file=sys.stderr
        )
        return "transformers"


class Answering:
    """Keeps the source asked last; another run's or model's takes its place."""

    def __init__(self) -> None:
        self._key: tuple[str, ...] = ()
        self._source: Source | None = None

    def release(self) -> None:
        import torch

        self._source, self._key = None, ()
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def of_model(self, folder: Path | None, runtime: Runtime, task: Task) -> Source:
        """The base model alone, as it answers before training."""
        assert folder is not None
        key = (str(folder), runtime.device, runtime.dtype)
        if self._source is None or self._key != key:
            self.release()
            task.progress("loading", 0, 0)
            model, tokenizer = _load(folder, runtime.device, runtime.dtype)
            self._source = _source(tokenizer, {"base": model}, adapter=False, step=0)
            self._key = key
        return self._source

    def of_run(self, run: Path, task: Task) -> Source:
        """A run's base and its tuned weights: the final ones, else those of its best or last checkpoint."""
        weights, step = tuned_weights(run)
        key = (str(run), str(weights), str(step))
        if self._source is None or self._key != key:
            self.release()
            task.progress("loading", 0, 0)
            self._source = _of_run(run, weights, step)
            self._key = key
        return self._source


def tuned_weights(run: Path) -> tuple[Path | None, int]:
    """Where a run's tuned weights lie and after how many steps; None while it has saved nothing."""
    from engine.runs.listing import load_history
    from engine.train import checkpoint

    history = load_history(run)
    final = run / directory.FINAL
    if final.is_dir() and history.status in ("done", "stopped"):
        return final, history.best_step or (history.step.step if history.step else 0)
    best = run / directory.CHECKPOINTS / f"step-{history.best_step:06d}"
    if history.best_step and checkpoint.verified(best):
        return best, history.best_step
    last = checkpoint.newest(run)
    return last, checkpoint.read_state(last).step if last else 0


def _of_run(run: Path, weights: Path | None, step: int) -> Source:
    from engine.model.adapt import load_adapter

    config = knobs.load(run / directory.CONFIG)
    plan = directory.read_json(run / directory.PLAN)
    base = Path(directory.read_json(run / directory.META)["model_path"])
    dtype = str(plan.get("dtype") or config.runtime.dtype)
    model, tokenizer = _load(base, config.runtime.device, dtype)
    if weights is None:
        return _source(tokenizer, {"base": model}, adapter=False, step=0)
    if (weights / "adapter_config.json").is_file():
        both = load_adapter(model, str(weights))
        return _source(tokenizer, dict.fromkeys(SIDES, both), adapter=True, step=step)
    tuned, _ = _load(weights, config.runtime.device, dtype)
    return _source(tokenizer, {"base": model, "tuned": tuned}, adapter=False, step=step)


def _load(folder: Path, device: str, dtype: str) -> tuple[Any, Any]:
    from engine.model import load
    from engine.model.find import check

    check(folder)
    place = load.pick_device(device)
    return load.load_model(folder, load.pick_dtype(dtype, place), place), load.load_tokenizer(
        folder
    )


def _source(tokenizer: Any, models: dict[str, Any], *, adapter: bool, step: int) -> Source:
    from engine.data.tokens import end_ids

    return Source(tokenizer, models, adapter, step, end_ids(tokenizer))
