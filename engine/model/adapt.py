"""What of a model is trained: all of it, or LoRA adapters beside frozen weights.

PEFT places the adapters, names them and writes their files; the product is ours. In bfloat16, adding
an adapter's product to an output that is already rounded swallows up to 40% of its effect (measured),
so base and adapter go through one product over joined inputs and weights, rounded once:

    y = [x, s * dropout(x) A^T] [W, B]^T
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from engine.config import Method
from engine.errors import Problem


def adapt(model: Any, method: Method, seed: int) -> Any:
    """Make the parameters that `method` trains trainable, in fp32 for adapters; returns the model to train."""
    if method.name == "full":
        for parameter in model.parameters():
            parameter.requires_grad_(True)
        return model
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=method.rank,
        lora_alpha=method.alpha,
        lora_dropout=method.dropout,
        use_rslora=method.rslora,
        use_dora=method.dora,
        target_modules="all-linear",
    )
    torch.manual_seed(seed)
    adapted = get_peft_model(model, config)
    if not any(p.requires_grad for p in adapted.parameters()):
        raise Problem(
            "method.name", "no layer of this model takes a LoRA adapter", "set method.name to full"
        )
    join_products(adapted)
    return adapted


def load_adapter(model: Any, folder: str) -> Any:
    """A base model with the saved adapter of `folder` in it, for answers; nothing is trainable."""
    from peft import PeftModel

    adapted = PeftModel.from_pretrained(model, folder, local_files_only=True)
    join_products(adapted)
    return adapted


def join_products(model: Any) -> None:
    """Give every LoRA layer the joined product, and keep its adapter in fp32 (it is its own master copy)."""
    from peft.tuners.lora import Linear

    rows = Rows()
    for module in model.modules():
        if isinstance(module, Linear):
            for name in (*module.lora_A, *module.lora_magnitude_vector):
                for part in (module.lora_A, module.lora_B, module.lora_magnitude_vector):
                    if name in part:
                        part[name].float()
            module.joined = JoinedWeight(module, rows)
            module.forward = module.joined.forward


@dataclass
class Rows:
    """Which rows of every product the adapter is added to: (rows, 1) of 1 and 0, or None for all."""

    adapted: torch.Tensor | None = None


def adapter_rows(model: Any) -> Rows | None:
    """What the model's adapter layers look at, where they all do; else its sides need passes of their own."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    layers = [module for module in model.modules() if isinstance(module, BaseTunerLayer)]
    if not layers or not all(hasattr(layer, "joined") for layer in layers):
        return None
    rows: Rows = layers[0].joined.rows
    return rows


class JoinedWeight:
    """The base weight and B side by side in one matrix (out, in + rank), B refreshed at each product.

    The base layer's own weight becomes a view of it, so nothing is held twice.
    """

    def __init__(self, layer: Any, rows: Rows) -> None:
        self.layer, self.rows = layer, rows
        self.name: str = layer.active_adapters[0]
        weight = layer.base_layer.weight.T if layer.fan_in_fan_out else layer.base_layer.weight
        rank = layer.r[self.name]
        self.width = weight.shape[1]
        self.both = weight.new_zeros(weight.shape[0], self.width + rank)
        self.both[:, : self.width] = weight.detach()
        view = self.both[:, : self.width]
        layer.base_layer.weight.data = view.T if layer.fan_in_fan_out else view

    def forward(self, x: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
        layer, name = self.layer, self.name
        if layer.disable_adapters:
            nothing = x.new_zeros(*x.shape[:-1], layer.r[name])
            return functional.linear(
                torch.cat((x, nothing), dim=-1), self.both, layer.base_layer.bias
            )
        a, b = layer.lora_A[name].weight, layer.lora_B[name].weight
        dropped = layer.lora_dropout[name](x)
        side = functional.linear(dropped, a.to(x.dtype)) * layer.scaling[name]
        adapted = self.rows.adapted
        if adapted is not None:
            side = side * adapted
        joined: torch.Tensor = _Joined.apply(x, side, b, self.both, layer.base_layer.bias)  # type: ignore[no-untyped-call]
        if layer.use_dora[name]:
            scaled = self._with_length(joined, a, b)
            joined = scaled if adapted is None else torch.where(adapted > 0, scaled, joined)
        return joined

    def _with_length(self, y: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """DoRA: each output row scaled to its trained length; the norm itself carries no gradient."""
        layer, name = self.layer, self.name
        bias = layer.base_layer.bias
        with torch.no_grad():
            whole = self.both[:, : self.width].float() + layer.scaling[name] * (b @ a)
            norm = whole.norm(dim=1)
        scale: torch.Tensor = (layer.lora_magnitude_vector[name].weight / norm).to(y.dtype)
        return y * scale if bias is None else (y - bias) * scale + bias


class _Joined(torch.autograd.Function):
    """y = [x, side] [W, B]^T + bias; gradients for x, side and B (fp32), none for W."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        side: torch.Tensor,
        b: torch.Tensor,
        both: torch.Tensor,
        bias: torch.Tensor | None,
    ) -> torch.Tensor:
        width = both.shape[1] - b.shape[1]
        both[:, width:] = b.detach()
        ctx.save_for_backward(side)
        ctx.both, ctx.width, ctx.b_dtype = both, width, b.dtype
        return functional.linear(torch.cat((x, side), dim=-1), both, bias)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (side,) = ctx.saved_tensors
        back = grad @ ctx.both
        flat = grad.reshape(-1, grad.shape[-1])
        grad_b = (flat.t() @ side.reshape(-1, side.shape[-1])).to(ctx.b_dtype)
        return back[..., : ctx.width], back[..., ctx.width :], grad_b, None, None


@contextlib.contextmanager
def adapter_off(model: Any) -> Iterator[None]:
    """The base model's own answers from the same weights."""
    if not hasattr(model, "disable_adapter"):
        raise Problem(
            "compare",
            "a fully trained model has no base inside it",
            "load the base model beside it",
        )
    with model.disable_adapter():
        yield


def trained(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that are trained, by name, in the model's own order."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}
