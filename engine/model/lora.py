"""The products of LoRA layers, for training: base and adapter in one product over joined inputs and weights.

In bfloat16, adding an adapter's product to an output that is already rounded swallows up to 40% of its effect
(measured), so base and adapter are summed before the one rounding:

    y = [x, s * dropout(x) A^T] [W, B]^T

Layers that read the same input (q, k and v; gate and up) share one such product: their adapters' A stand below
each other, their B on the diagonal. Whichever of them is called first computes for all.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

SIBLINGS = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"))
"""Names, under one parent, of layers that read the same input in every model that has them."""


def join_products(model: nn.Module) -> None:
    """Give every LoRA layer the joined product, and keep its adapter in fp32 (it is its own master copy)."""
    from peft.tuners.lora import Linear

    for parent in model.modules():
        adapted = {n: m for n, m in parent.named_children() if isinstance(m, Linear)}
        for layer in adapted.values():
            _widen(layer)
        for names in SIBLINGS:
            together = [n for n in names if n in adapted and _plain(adapted[n])]
            if len({_kind(adapted[n]) for n in together}) == 1:
                Joined([adapted.pop(n) for n in together])
        for layer in adapted.values():
            Joined([layer])


def _widen(layer: Any) -> None:
    for name in (*layer.lora_A, *layer.lora_magnitude_vector):
        for part in (layer.lora_A, layer.lora_B, layer.lora_magnitude_vector):
            if name in part:
                part[name].float()


def _plain(layer: Any) -> bool:
    """Whether a layer's adapter sees the layer's own input, and its output is the sum and nothing more."""
    name = layer.active_adapters[0]
    return isinstance(layer.lora_dropout[name], nn.Identity) and not layer.use_dora[name]


def _kind(layer: Any) -> tuple[Any, ...]:
    weight = layer.base_layer.weight
    return layer.in_features, weight.dtype, weight.device


class Joined:
    """Layers of one input with base weights and B side by side in one matrix (all outputs, in + all ranks).

    The base layers' own weights become views of it, so nothing is held twice. B is copied in at each product.
    """

    def __init__(self, layers: list[Any]) -> None:
        self.layers = layers
        self.name: str = layers[0].active_adapters[0]
        weights = [_upright(layer) for layer in layers]
        self.width = weights[0].shape[1]
        self.outs = tuple(len(w) for w in weights)
        self.ranks = tuple(layer.r[self.name] for layer in layers)
        self.both = weights[0].new_zeros(sum(self.outs), self.width + sum(self.ranks))
        biases = [layer.base_layer.bias for layer in layers]
        self.bias = None
        if any(b is not None for b in biases):
            missing = [w.new_zeros(len(w)) for w in weights]
            self.bias = torch.cat(
                [m if b is None else b.detach() for b, m in zip(biases, missing, strict=True)]
            )
        self._input: torch.Tensor | None = None
        self._made: dict[int, torch.Tensor] = {}
        rows = self.both[:, : self.width].split(self.outs)
        for number, (layer, weight, place) in enumerate(zip(layers, weights, rows, strict=True)):
            place.copy_(weight.detach())
            layer.base_layer.weight.data = place.T if layer.fan_in_fan_out else place
            layer.joined = self
            layer.forward = Face(self, number)

    def of(self, number: int, x: torch.Tensor) -> torch.Tensor:
        """The output of one layer; those of the others wait until they are asked for with the same input."""
        if self.layers[number].disable_adapters:
            return self._base(number, x)
        if self._input is not x or number not in self._made:
            self._input, self._made = x, dict(enumerate(self._products(x)))
        found = self._made.pop(number)
        if not self._made:
            self._input = None
        return found

    def _base(self, number: int, x: torch.Tensor) -> torch.Tensor:
        layer = self.layers[number].base_layer
        weight = layer.weight.T if self.layers[number].fan_in_fan_out else layer.weight
        return functional.linear(x, weight, layer.bias)

    def _products(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        name, first = self.name, self.layers[0]
        parts = [layer.lora_A[name].weight * layer.scaling[name] for layer in self.layers]
        stacked = torch.cat(parts).to(x.dtype)
        b = [layer.lora_B[name].weight for layer in self.layers]
        dropout = first.lora_dropout[name]
        plain = isinstance(dropout, nn.Identity)
        side = None if plain else functional.linear(dropout(x), stacked)
        a = stacked if plain else None
        made: tuple[torch.Tensor, ...] = _Products.apply(x, a, side, self, *b)  # type: ignore[no-untyped-call]
        if first.use_dora[name]:
            return (self._with_length(made[0], first),)
        return made

    def _with_length(self, y: torch.Tensor, layer: Any) -> torch.Tensor:
        """DoRA: each output row scaled to its trained length; the norm itself carries no gradient."""
        name, bias = self.name, layer.base_layer.bias
        a, b = layer.lora_A[name].weight, layer.lora_B[name].weight
        with torch.no_grad():
            whole = self.both[:, : self.width].float() + layer.scaling[name] * (b @ a)
            norm = whole.norm(dim=1)
        scale: torch.Tensor = (layer.lora_magnitude_vector[name].weight / norm).to(y.dtype)
        return y * scale if bias is None else (y - bias) * scale + bias


class Face:
    """What stands in the place of one layer's forward."""

    def __init__(self, joined: Joined, number: int) -> None:
        self.joined, self.number = joined, number

    def __call__(self, x: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
        return self.joined.of(self.number, x)


def _upright(layer: Any) -> torch.Tensor:
    """The base weight as (out, in)."""
    weight: torch.Tensor = layer.base_layer.weight
    return weight.T if layer.fan_in_fan_out else weight


class _Products(torch.autograd.Function):
    """y = [x, side] [W, B]^T + bias, cut by layer; side = x a^T unless it is given.

    Gradients for x (only where something before it is trained), a or side, and each B (fp32); none for W.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        a: torch.Tensor | None,
        side: torch.Tensor | None,
        joined: Joined,
        *b: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        if side is None:
            assert a is not None
            side = functional.linear(x, a)
        _place(joined, b)
        both = torch.cat((x, side), dim=-1)
        ctx.save_for_backward(both, a)
        ctx.joined, ctx.b_dtype = joined, b[0].dtype
        made = functional.linear(both, joined.both, joined.bias)
        return tuple(made.split(joined.outs, dim=-1))

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        both, a = ctx.saved_tensors
        joined: Joined = ctx.joined
        width, flat = joined.width, both.flatten(0, -2)
        grad = (grads[0] if len(grads) == 1 else torch.cat(grads, dim=-1)).flatten(0, -2)
        grad_x = None
        if ctx.needs_input_grad[0]:
            back = grad @ joined.both
            grad_side = back[:, width:]
            grad_x = back[:, :width] if a is None else torch.addmm(back[:, :width], grad_side, a)
            grad_x = grad_x.view(*both.shape[:-1], width)
        else:
            grad_side = grad @ joined.both[:, width:]
        grad_a = None if a is None else grad_side.t() @ flat[:, :width]
        grad_b = tuple(
            (piece.t() @ side).to(ctx.b_dtype)
            for piece, side in zip(
                grad.split(joined.outs, 1), flat[:, width:].split(joined.ranks, 1), strict=True
            )
        )
        given = grad_side.view(*both.shape[:-1], -1) if ctx.needs_input_grad[2] else None
        return grad_x, grad_a, given, None, *grad_b


def _place(joined: Joined, b: tuple[torch.Tensor, ...]) -> None:
    """Round each B into its block of the joined matrix."""
    row, column = 0, joined.width
    for part in b:
        out, rank = part.shape
        joined.both[row : row + out, column : column + rank] = part.detach()
        row, column = row + out, column + rank
