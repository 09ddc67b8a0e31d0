"""The estimate's parts against the tensors that the engine makes, and what it decides from them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine import config as knobs
from engine.config import Config
from engine.model.attend import by_document
from engine.model.elementwise import by_hand
from engine.model.loss import label_loss
from engine.model.shape import Shape, shape_of
from engine.train import estimate
from engine.train.batches import micro_batches
from engine.train.estimate import Place, Rows
from tests.tiny_model import random_side, tiny_model
from tests.train.bench import make_job

PLACE = Place("cpu", "float32", 20 << 30, 24 << 30, 50e9)


def shape_of_tiny(folder: Path, **given: Any) -> Shape:
    tiny_model(**given).save_pretrained(folder)
    return shape_of(folder, json.loads((folder / "config.json").read_text()))


def settings(**given: object) -> Config:
    return knobs.with_settings(Config(), [f"{k.replace('__', '.')}={v}" for k, v in given.items()])


def rows_in(side: Any) -> Rows:
    longest = int(np.diff(side.offsets).max())
    return Rows(len(side), 0, len(side.ids), int(side.labels.sum()), longest)


def kept_bytes(job: Any, micro: Any) -> int:
    """What autograd holds after the forward pass, the weights themselves apart."""
    own = {p.untyped_storage().data_ptr() for p in job.model.parameters()}
    own |= {
        m.joined.both.untyped_storage().data_ptr()
        for m in job.model.modules()
        if hasattr(m, "joined")
    }
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
            alive.append(tensor)
        return tensor

    alive: list[torch.Tensor] = []
    hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
    with by_document(job.model), by_hand(job.model), hooks:
        label_loss(job.model, micro)
    return sum(kept.values())


@pytest.mark.parametrize("method", ["lora", "full", "dora", "dropout"])
def test_activations_are_the_tensors_kept_for_the_backward_pass(
    tmp_path: Path, method: str
) -> None:
    """Within 10%: rows' lengths differ, and the loss keeps a little of its own."""
    wide = {"hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 6}
    name = "full" if method == "full" else "lora"
    config = {"method.name": name, "method.rank": 4, "method.dora": method == "dora",
              "method.dropout": 0.1 if method == "dropout" else 0.0}  # fmt: skip
    side = random_side(30, shortest=16, longest=24)
    job = make_job(tiny_model(**wide), side, random_side(8), tmp_path, config)
    (micro,) = micro_batches(side, np.arange(30), 4096, "cpu")
    shape = shape_of_tiny(tmp_path / "model", **wide)
    told = micro.tokens * estimate.kept_a_token(job.config, shape, rows_in(side), PLACE)
    of_words = shape.vocabulary * shape.hidden * 4 if method == "full" else 0
    assert told == pytest.approx(kept_bytes(job, micro) - of_words, rel=0.1)


@pytest.mark.parametrize("name", ["lora", "full"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_weights_masters_optimizer_and_save_are_exact(
    tmp_path: Path, name: str, dtype: str
) -> None:
    side = random_side(6)
    model = tiny_model().to(getattr(torch, dtype))
    shape = shape_of_tiny(tmp_path / "model")
    job = make_job(model, side, random_side(8), tmp_path, {"method.name": name, "method.rank": 4})
    job.optimizer.fill()
    place = replace(PLACE, device="cuda", dtype=dtype)
    parts = estimate.estimate(job.config, shape, rows_in(side), place, 512).parts
    held = {
        p.untyped_storage().data_ptr(): p.untyped_storage().nbytes() for p in job.model.parameters()
    }
    assert parts["weights"] == sum(held.values())
    optimizer = job.optimizer
    own = [m for n, m in optimizer.masters.items() if m is not optimizer.parameters[n]]
    assert parts["master copies"] == sum(m.numel() * 4 for m in own)
    averages = [v for s in optimizer.adamw.state.values() for k, v in s.items() if k != "step"]
    assert parts["optimizer"] == sum(v.numel() * 4 for v in averages)
    from engine.train import checkpoint

    on_disk = checkpoint.try_out(tmp_path, job.model, job.tokenizer, job.optimizer)
    saved = estimate.saved_bytes(job.config, shape, place)
    assert saved < on_disk < saved + 200_000  # headers and the tokenizer
    assert not list((tmp_path / "checkpoints").iterdir())


def test_more_of_anything_needs_more(tmp_path: Path) -> None:
    shape, rows = shape_of_tiny(tmp_path), Rows(900, 100, 90_000, 30_000, 300)
    plain = estimate.estimate(settings(), shape, rows, PLACE, 1024)
    assert estimate.estimate(settings(), shape, rows, PLACE, 2048).peak > plain.peak
    assert estimate.estimate(settings(method__rank=64), shape, rows, PLACE, 1024).peak > plain.peak
    assert (
        estimate.estimate(settings(method__dora="true"), shape, rows, PLACE, 1024).peak > plain.peak
    )
    assert (
        estimate.estimate(settings(train__epochs=6), shape, rows, PLACE, 1024).seconds
        > plain.seconds
    )
    half = estimate.estimate(settings(), shape, rows, replace(PLACE, dtype="bfloat16"), 1024)
    assert half.parts["activations"] * 2 == pytest.approx(plain.parts["activations"], abs=2)
    assert estimate.estimate(settings(), shape, rows, replace(PLACE, rate=0), 1024).seconds == 0
    short = replace(rows, train=4, train_tokens=100, longest=30)
    assert estimate.largest_part(settings(), short, 2048) == 100


def test_the_budget_is_the_largest_that_fits(tmp_path: Path) -> None:
    wide = {"hidden_size": 256, "intermediate_size": 1024, "num_hidden_layers": 24}
    shape, rows = shape_of_tiny(tmp_path, **wide), Rows(9000, 1000, 900_000, 300_000, 250)
    config = settings(train__batch_size=512)
    free = replace(PLACE, free=20 << 30)
    assert estimate.choose(config, shape, rows, free).token_budget == estimate.CPU_BUDGET
    tight = replace(PLACE, free=int(1.1e9))
    chosen = estimate.choose(config, shape, rows, tight)
    assert estimate.LEAST_BUDGET < chosen.token_budget < estimate.CPU_BUDGET
    assert chosen.peak <= 0.9 * tight.free
    assert (
        estimate.estimate(config, shape, rows, tight, chosen.token_budget + 128).peak
        > 0.9 * tight.free
    )
    asked = estimate.choose(settings(runtime__token_budget=4096), shape, rows, tight)
    assert asked.token_budget == 4096


def test_what_cannot_fit_is_refused_with_what_to_turn(tmp_path: Path) -> None:
    shape, rows = shape_of_tiny(tmp_path), Rows(900, 100, 90_000, 30_000, 300)
    nothing = replace(PLACE, free=100 << 20)
    refused = estimate.misfit(settings(method__name="full"), shape, rows, nothing)
    assert refused is not None
    assert str(refused).startswith(
        "memory: needs about 0.4 GB and 0.1 GB of cpu are free. Fix: set method.name to lora"
    )
    assert "data.max_length (the longest row has 300 tokens)" in refused.fix
    assert estimate.misfit(settings(), shape, rows, PLACE) is None
    assert estimate.misfit(settings(runtime__token_budget=4096), shape, rows, PLACE) is None
    assert estimate.misfit(settings(), shape, rows, replace(nothing, free=0)) is None


def test_layers_are_computed_twice_only_where_the_least_budget_would_not_fit(
    tmp_path: Path,
) -> None:
    wide = {"hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 6}
    shape, rows = shape_of_tiny(tmp_path / "model", **wide), Rows(90, 10, 90_000, 60_000, 1000)
    enough = estimate.choose(Config(), shape, rows, PLACE)
    assert not enough.checkpointing
    off = settings(runtime__checkpointing="off")
    least = estimate.estimate(off, shape, rows, PLACE, estimate.LEAST_BUDGET)
    short = replace(PLACE, free=int((least.peak - 1) / estimate.SHARE_OF_FREE))
    tight = estimate.choose(Config(), shape, rows, short)
    assert tight.checkpointing
    assert tight.peak < least.peak
    assert tight.work_a_token > least.work_a_token
    assert not estimate.choose(off, shape, rows, short).checkpointing
    on = settings(runtime__checkpointing="on")
    assert estimate.choose(on, shape, rows, PLACE).checkpointing


def test_activations_of_layers_that_are_computed_twice_are_the_tensors_kept(tmp_path: Path) -> None:
    wide = {"hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 6}
    side = random_side(30, shortest=16, longest=24)
    knobs_of = {"method.rank": 4, "runtime.checkpointing": "on"}
    job = make_job(tiny_model(**wide), side, random_side(8), tmp_path, knobs_of)
    job.model.train()
    (micro,) = micro_batches(side, np.arange(30), 4096, "cpu")
    shape = shape_of_tiny(tmp_path / "model", **wide)
    plain = estimate.kept_a_token(job.config, shape, rows_in(side), PLACE)
    twice = estimate.kept_a_token(job.config, shape, rows_in(side), PLACE, twice=True)
    one_layer = plain / shape.layers
    kept = kept_bytes(job, micro) / micro.tokens
    assert kept < 0.5 * plain
    assert kept <= twice - one_layer + 0.5 * one_layer
