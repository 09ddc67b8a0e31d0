"""Norms, rotary positions and gated activations with backward passes by hand.

Autograd keeps every intermediate of these in fp32 and goes over memory once for each; here little is kept and the
rest is computed again. A model's own modules are replaced only where they compute the same on a sample, and only
inside `by_hand`; outside it the model is as it was.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn import functional

ROTARY = "apply_rotary_pos_emb"


@contextlib.contextmanager
def by_hand(model: nn.Module) -> Iterator[tuple[str, ...]]:
    """Replace what can be replaced inside the block; gives the names of the kinds that were."""
    undo: list[Callable[[], None]] = []
    found: set[str] = set()
    try:
        for module in model.modules():
            if _is_norm(module):
                _set(module, RootMeanSquare(module), undo)
                found.add("norm")
            elif _is_gated(module):
                _set(module, Gated(module), undo)
                found.add("gated")
        for source in _rotary_sources(model):
            own = getattr(source, ROTARY)
            setattr(source, ROTARY, rotate)
            undo.append(partial(setattr, source, ROTARY, own))
            found.add("rotary")
        yield tuple(sorted(found))
    finally:
        for back in undo:
            back()


def _set(module: nn.Module, forward: Callable[..., Any], undo: list[Callable[[], None]]) -> None:
    module.forward = forward
    undo.append(partial(delattr, module, "forward"))


class RootMeanSquare:
    """An RMSNorm module's forward."""

    def __init__(self, module: Any) -> None:
        self.weight, self.epsilon = module.weight, float(module.variance_epsilon)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = _Norm.apply(x, self.weight, self.epsilon)  # type: ignore[no-untyped-call]
        return y


class Gated:
    """A gated feed-forward block's forward: down(silu(gate(x)) * up(x))."""

    def __init__(self, module: Any) -> None:
        self.module = module

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        block = self.module
        y: torch.Tensor = block.down_proj(_SiluTimes.apply(block.gate_proj(x), block.up_proj(x)))  # type: ignore[no-untyped-call]
        return y


def rotate(
    q: torch.Tensor, k: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, unsqueeze_dim: int = 1
) -> tuple[torch.Tensor, torch.Tensor]:
    """transformers' rotary face; cos and sin (batch, T, size) hold the same numbers in both halves."""
    half = cos.shape[-1] // 2
    cos, sin = (t[..., :half].unsqueeze(unsqueeze_dim) for t in (cos, sin))
    return _Rotary.apply(q, cos, sin), _Rotary.apply(k, cos, sin)  # type: ignore[no-untyped-call]


def _is_norm(module: Any) -> bool:
    """By what it computes: y = w * x / sqrt(mean(x^2) + eps), on a small sample."""
    if not type(module).__name__.endswith("RMSNorm") or not hasattr(module, "variance_epsilon"):
        return False
    weight = getattr(module, "weight", None)
    if not isinstance(weight, nn.Parameter) or weight.dim() != 1:
        return False
    return _same(module, RootMeanSquare(module), (len(weight),), weight)


def _is_gated(module: Any) -> bool:
    names = ("gate_proj", "up_proj", "down_proj", "act_fn")
    if not all(isinstance(getattr(module, name, None), nn.Module) for name in names):
        return False
    weight = next(module.gate_proj.parameters())
    return _same(module, Gated(module), (module.gate_proj.in_features,), weight)


def _same(
    module: nn.Module, other: Callable[..., Any], shape: tuple[int, ...], like: torch.Tensor
) -> bool:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 3, *shape, generator=generator).to(like.device, like.dtype)
    training = module.training
    module.eval()
    with torch.no_grad():
        own, ours = module(x), other(x)
    module.train(training)
    close = 1e-5 if like.dtype == torch.float32 else 2e-2
    return bool(torch.isfinite(own).all()) and torch.allclose(
        own, ours, rtol=close, atol=close * float(own.abs().max())
    )


def _rotary_sources(model: nn.Module) -> list[Any]:
    """The modules of code whose rotary function is the usual one, for the attention layers of `model`."""
    names = {type(m).__module__ for m in model.modules() if type(m).__name__.endswith("Attention")}
    sources = [sys.modules[name] for name in sorted(names)]
    return [source for source in sources if _is_usual(getattr(source, ROTARY, None))]


def _is_usual(own: Any) -> bool:
    if own is None or own is rotate:
        return False
    generator = torch.Generator().manual_seed(0)
    q, k = (torch.randn(1, heads, 3, 8, generator=generator) for heads in (2, 1))
    angle = torch.randn(1, 3, 4, generator=generator)
    cos, sin = (torch.cat((t, t), dim=-1) for t in (angle.cos(), angle.sin()))
    try:
        own_q, own_k = own(q, k, cos, sin)
    except TypeError:
        return False
    our_q, our_k = rotate(q, k, cos, sin)
    return torch.allclose(own_q, our_q, atol=1e-6) and torch.allclose(own_k, our_k, atol=1e-6)


class _Norm(torch.autograd.Function):
    """Kept: the input and a number a row."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
        size = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32)
        inverse = size.square_().div_(x.shape[-1]).add_(epsilon).rsqrt_()
        ctx.save_for_backward(x, weight, inverse)
        y: torch.Tensor = (x * inverse).to(x.dtype).mul_(weight)
        return y

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight, inverse = ctx.saved_tensors
        unit = x * inverse
        grad_weight = None
        if ctx.needs_input_grad[1]:
            grad_weight = (unit * grad).flatten(0, -2).sum(0).to(weight.dtype)
        if not ctx.needs_input_grad[0]:
            return None, grad_weight, None
        back = grad * weight
        along = (back * unit).mean(-1, keepdim=True)
        return unit.mul_(along.neg_()).add_(back).mul_(inverse).to(x.dtype), grad_weight, None


class _SiluTimes(torch.autograd.Function):
    """silu(gate) * up. Kept: gate and up."""

    @staticmethod
    def forward(ctx: Any, gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(gate, up)
        return functional.silu(gate).mul_(up)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        gate, up = ctx.saved_tensors
        return torch.ops.aten.silu_backward(grad * up, gate), functional.silu(gate).mul_(grad)


class _Rotary(torch.autograd.Function):
    """Each head's halves turned against each other. Kept: the angles."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(cos, sin)
        return _turn(x, cos, sin, 1)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        cos, sin = ctx.saved_tensors
        return _turn(grad, cos, sin, -1), None, None


def _turn(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, way: int) -> torch.Tensor:
    left, right = x.chunk(2, dim=-1)
    turned = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    one, other = turned.chunk(2, dim=-1)
    torch.mul(left, cos, out=one).addcmul_(right, sin, value=-way)
    torch.mul(right, cos, out=other).addcmul_(left, sin, value=way)
    return turned
