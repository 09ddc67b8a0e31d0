"""The engine's losses, gradients and weights against a plain loop, one row at a time in fp32."""

from __future__ import annotations

import contextlib
import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine import events
from engine.judge.held_out import held_out_losses
from engine.model.adapt import trained
from engine.model.attend import by_document
from engine.model.elementwise import by_hand
from engine.train import loop
from engine.train.batches import rows_of_step
from engine.train.schedule import learning_rate
from tests import golden
from tests.tiny_model import random_side, rows_of, tiny_model
from tests.train.bench import make_job

CLOSE: dict[str, Any] = {"rtol": 1e-5, "atol": 2e-6}  # fp32 sums in another order
METHODS = ("full", "lora")


def gradients_of(job: Any, rows: np.ndarray) -> tuple[float, dict[str, torch.Tensor]]:
    job.optimizer.clear()
    documents = contextlib.nullcontext() if job.plan.padded else by_document(job.model)
    with documents, by_hand(job.model):
        found = loop.gradients(job, 0, rows)
    return found.loss, {
        n: p.grad.clone() for n, p in trained(job.model).items() if p.grad is not None
    }


def lively(model: Any) -> None:
    """LoRA's B starts at zero, which hides A's gradient: give it something."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.05)


def plain_twin(job: Any) -> Any:
    """The same weights in PEFT's own model, untouched by us, or the plain model for full training."""
    twin = copy.deepcopy(tiny_model())
    if job.config.method.name == "full":
        return twin
    from peft import LoraConfig, get_peft_model

    method = job.config.method
    twin = get_peft_model(
        twin,
        LoraConfig(
            task_type="CAUSAL_LM", r=method.rank, lora_alpha=method.alpha, use_dora=method.dora,
            use_rslora=method.rslora, target_modules="all-linear",
        ),
    )  # fmt: skip
    values = dict(job.model.named_parameters())
    with torch.no_grad():
        for name, parameter in twin.named_parameters():
            parameter.copy_(values[name])
    return twin


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("budget", [1, 17, 30, 4096])
@pytest.mark.parametrize("padded", [False, True])
def test_gradients_do_not_depend_on_how_a_batch_is_cut(
    tmp_path: Path, method: str, budget: int, padded: bool
) -> None:
    side = random_side(8)
    settings = {"method.name": method, "method.rank": 4, "runtime.token_budget": None}
    job = make_job(
        tiny_model(), side, random_side(3, seed=9), tmp_path, settings, budget=budget, padded=padded
    )
    lively(job.model)
    loss, gradients = gradients_of(job, np.arange(8))
    wanted_loss, wanted = golden.batch_gradients(plain_twin(job), rows_of(side))
    assert loss == pytest.approx(wanted_loss, rel=1e-5)
    assert gradients.keys() == wanted.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(
            gradient, wanted[name], **CLOSE, msg=lambda m, n=name: f"{n}: {m}"
        )


@pytest.mark.parametrize("method", METHODS)
def test_computing_layers_twice_changes_no_gradient(tmp_path: Path, method: str) -> None:
    """Bit for bit, and every adapter has one although the base is frozen."""
    side = random_side(8)
    found = {}
    for wanted in ("off", "on"):
        settings = {"method.name": method, "method.rank": 4, "runtime.checkpointing": wanted}
        job = make_job(tiny_model(), side, random_side(3), tmp_path, settings, budget=40)
        job.model.train()
        lively(job.model)
        found[wanted] = gradients_of(job, np.arange(8))
        layer = job.model.get_submodule(
            "base_model.model.model.layers.0" if method == "lora" else "model.layers.0"
        )
        assert layer.gradient_checkpointing is (wanted == "on")
    assert found["off"][0] == found["on"][0]
    assert found["off"][1].keys() == found["on"][1].keys()
    for name, gradient in found["on"][1].items():
        assert torch.equal(gradient, found["off"][1][name]), name
        assert gradient.abs().max() > 0, name


@pytest.mark.parametrize("settings", [{"method.rslora": True}, {"method.dora": True}])
def test_variants_of_lora_have_pefts_gradients(tmp_path: Path, settings: dict[str, Any]) -> None:
    side = random_side(4)
    job = make_job(tiny_model(), side, random_side(3), tmp_path, {"method.rank": 4, **settings})
    lively(job.model)
    loss, gradients = gradients_of(job, np.arange(4))
    wanted_loss, wanted = golden.batch_gradients(plain_twin(job), rows_of(side))
    assert loss == pytest.approx(wanted_loss, rel=1e-5)
    for name, gradient in gradients.items():
        torch.testing.assert_close(
            gradient, wanted[name], rtol=1e-4, atol=5e-6, msg=lambda m, n=name: f"{n}: {m}"
        )


@pytest.mark.parametrize("method", METHODS)
def test_weights_after_training_equal_the_reference(tmp_path: Path, method: str) -> None:
    """Eight updates over ten rows in fours: partial batches, two epochs, warm-up, clipping, decay."""
    side = random_side(10)
    settings = {
        "method.name": method, "method.rank": 4, "train.batch_size": 4, "train.max_steps": 8,
        "train.learning_rate": 0.01, "train.warmup": 2, "train.max_grad_norm": 0.5, "train.weight_decay": 0.1,
        "eval.every": 3,
    }  # fmt: skip
    job = make_job(tiny_model(), side, random_side(9, seed=5), tmp_path, settings, budget=25)
    twin = plain_twin(job)
    batches = [[rows_of(side)[r] for r in rows_of_step(s, 10, 4, 42, True)] for s in range(8)]
    assert [len(b) for b in batches] == [4, 4, 2, 4, 4, 2, 4, 4]
    rates = [learning_rate(s, 8, 0.01, "cosine", 2) for s in range(8)]
    wanted = golden.train(twin, batches, rates, weight_decay=0.1, max_norm=0.5)

    best = loop.keep_the_best
    loop.keep_the_best = lambda job: None  # the last weights are compared, whichever are best
    try:
        assert loop.train(job)
    finally:
        loop.keep_the_best = best
    steps = job.report.of(events.Step)
    np.testing.assert_allclose([s.loss for s in steps], wanted, rtol=2e-4)
    assert [s.learning_rate for s in steps] == rates
    ours = dict(job.model.named_parameters())
    for name, parameter in twin.named_parameters():
        if parameter.requires_grad:
            torch.testing.assert_close(
                ours[name], parameter, rtol=1e-3, atol=2e-4, msg=lambda m, n=name: f"{n}: {m}"
            )


def test_the_reported_norm_is_that_of_the_reference_before_clipping(tmp_path: Path) -> None:
    side = random_side(6)
    settings = {
        "method.name": "full",
        "train.batch_size": 6,
        "train.max_steps": 1,
        "train.max_grad_norm": 0.01,
    }
    job = make_job(tiny_model(), side, random_side(0 + 8, seed=2), tmp_path, settings)
    _, wanted = golden.batch_gradients(tiny_model(), rows_of(side))
    loop.train(job)
    assert job.report.of(events.Step)[0].grad_norm == pytest.approx(golden.norm(wanted), rel=1e-5)


def test_an_update_counts_real_tokens_and_label_tokens(tmp_path: Path) -> None:
    side = random_side(5)
    job = make_job(
        tiny_model(), side, random_side(8), tmp_path, {"train.batch_size": 5, "train.max_steps": 1}
    )
    loop.train(job)
    step = job.report.of(events.Step)[0]
    assert step.tokens == len(side.ids)
    assert step.label_tokens == sum(sum(labels[1:]) for _, labels in rows_of(side))


@pytest.mark.parametrize("budget", [1, 13, 40, 4096])
@pytest.mark.parametrize("padded", [False, True])
def test_held_out_loss_does_not_depend_on_batching(budget: int, padded: bool) -> None:
    side = random_side(7, seed=3)
    model = tiny_model()
    from engine.model import attend

    attend.register()
    if padded:
        seen = held_out_losses(model, side, np.arange(7), budget, "cpu", padded=True)
    else:
        with by_document(model):
            seen = held_out_losses(model, side, np.arange(7), budget, "cpu", padded=False)
    assert seen.loss == pytest.approx(golden.mean_loss(model, rows_of(side)), rel=1e-5)
    for place, row in enumerate(rows_of(side)):
        loss, count = golden.row_loss(model, row)
        assert seen.counts[place] == count
        assert seen.sums[place] == pytest.approx(loss.item(), rel=1e-4)
