"""What of a model is trained: all of it, or LoRA adapters beside frozen weights.

PEFT places the adapters, names them and writes their files; the products are ours (`lora`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import nn

from engine.config import Method
from engine.errors import Problem
from engine.model import targets
from engine.model.lora import join_products


def adapt(model: Any, method: Method, seed: int) -> Any:
    """Make the parameters that `method` trains trainable, in fp32 for adapters; returns the model to train."""
    if method.name == "full":
        for parameter in model.parameters():
            parameter.requires_grad_(True)
        return model
    from peft import LoraConfig, get_peft_model

    weights = {name: tuple(p.shape) for name, p in model.named_parameters()}
    modules = targets.module_names(method, weights)
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=method.rank,
        lora_alpha=method.alpha,
        lora_dropout=method.dropout,
        use_rslora=method.rslora,
        use_dora=method.dora,
        target_modules="all-linear" if method.targets == method.layers == "all" else modules,
        layers_to_transform=targets.layer_numbers(method, weights),
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


def checkpoint_layers(model: nn.Module) -> None:
    """Keep only each layer's input for the backward pass, and compute the layer again there.

    Set on the layers themselves: transformers' own switch also asks for a gradient of the embeddings, which
    adapters never need.
    """
    from torch.utils.checkpoint import checkpoint
    from transformers.modeling_layers import GradientCheckpointingLayer

    layers = [m for m in model.modules() if isinstance(m, GradientCheckpointingLayer)]
    if not layers:
        raise Problem(
            "runtime.checkpointing",
            "the layers of this model cannot be computed twice",
            "set it to off, and lower runtime.token_budget",
        )
    for layer in layers:
        layer.gradient_checkpointing = True
        layer._gradient_checkpointing_func = partial(checkpoint, use_reentrant=False)


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
