"""What of a model is trained: all of it, or LoRA adapters beside frozen weights.

PEFT places the adapters, names them and writes their files; the products are ours (`lora`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from engine.config import Method
from engine.errors import Problem
from engine.model.lora import join_products


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
