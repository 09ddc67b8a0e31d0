"""Master copies: small rates move bf16 weights, and micro-batches add up in fp32."""

from __future__ import annotations

import torch
from torch import nn

from engine.train.optimizer import Optimizer


def moved_by(dtype: torch.dtype, count: int = 100) -> torch.Tensor:
    """How far `count` updates at 1e-6 along a fixed gradient move the master copy."""
    torch.manual_seed(0)
    weight = nn.Parameter(torch.randn(8, 8).to(dtype))
    start = weight.detach().float().clone()
    optimizer = Optimizer({"w": weight}, weight_decay=0.0)
    direction = torch.randn(8, 8)
    for _ in range(count):
        (weight * direction.to(dtype)).sum().backward()
        optimizer.step(1e-6)
    return optimizer.masters["w"].detach() - start


def test_a_small_rate_moves_the_master_as_in_fp32() -> None:
    moved, wanted = moved_by(torch.bfloat16), moved_by(torch.float32)
    cosine = torch.cosine_similarity(moved.flatten(), wanted.flatten(), dim=0)
    assert cosine > 0.99
    torch.testing.assert_close(moved, wanted, rtol=0.02, atol=1e-7)


def test_the_bf16_mirror_is_the_rounded_master() -> None:
    weight = nn.Parameter(torch.randn(16, 4).bfloat16())
    optimizer = Optimizer({"w": weight}, weight_decay=0.1)
    for _ in range(5):
        (weight.float() ** 2).sum().backward()
        optimizer.step(0.01)
        assert torch.equal(weight, optimizer.masters["w"].bfloat16())


def test_micro_batch_gradients_add_up_in_fp32() -> None:
    """A thousand small gradients beside a large one: summed in bfloat16 they would all be lost."""
    weight = nn.Parameter(torch.zeros(1, 1).bfloat16())
    optimizer = Optimizer({"w": weight}, weight_decay=0.0)
    for size in [256.0] + [0.5] * 1000:
        (weight * size).sum().backward()
    assert optimizer.masters["w"].grad is not None
    assert optimizer.masters["w"].grad.item() == 256 + 500
    assert weight.grad is None


def test_norms_and_biases_do_not_decay() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4))
    optimizer = Optimizer(dict(model.named_parameters()), weight_decay=0.3)
    decay = {id(p): g["weight_decay"] for g in optimizer.adamw.param_groups for p in g["params"]}
    assert {n: decay[id(p)] for n, p in model.named_parameters()} == {
        "0.weight": 0.3, "0.bias": 0.0, "1.weight": 0.0, "1.bias": 0.0
    }  # fmt: skip
