"""LoRA rounded once: at least as near to fp32 as PEFT's own product, and the base untouched inside it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model

from engine.config import Method
from engine.errors import Problem
from engine.model import adapt, lora
from tests.tiny_model import tiny_model

IDS = torch.arange(5, 45).view(2, 20)


def pefts(dtype: torch.dtype) -> Any:
    torch.manual_seed(1)
    model = get_peft_model(
        tiny_model().to(dtype),
        LoraConfig(task_type="CAUSAL_LM", r=8, lora_alpha=16, target_modules="all-linear"),
    )
    for name, parameter in model.named_parameters():
        if "lora" in name:
            parameter.data = (
                torch.randn(parameter.shape, generator=torch.Generator().manual_seed(len(name))).to(
                    parameter.dtype
                )
                * 0.02
            )
    return model


def joined(model: Any) -> Any:
    model = copy.deepcopy(model)
    lora.join_products(model)
    return model


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=IDS).logits.float()


def test_in_fp32_it_is_pefts_product() -> None:
    model = pefts(torch.float32)
    torch.testing.assert_close(logits(joined(model)), logits(model), rtol=1e-4, atol=1e-5)


def test_in_bf16_it_is_at_least_as_near_to_fp32_as_peft() -> None:
    model = pefts(torch.bfloat16)
    exact = copy.deepcopy(model).float()
    ours = (logits(joined(model)) - logits(exact)).pow(2).mean().sqrt()
    theirs = (logits(model) - logits(exact)).pow(2).mean().sqrt()
    assert ours <= theirs * 1.02


def test_a_small_adapter_is_not_swallowed_by_rounding() -> None:
    """A correction of a thousandth, on outputs of about one: added after rounding, bfloat16 loses much of it."""
    torch.manual_seed(0)
    x = torch.randn(1, 256, 32).bfloat16()
    layer = joined(pefts(torch.bfloat16)).base_model.model.model.layers[0].self_attn.q_proj
    layer.lora_B["default"].weight.data *= 0.05
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    wanted = (
        x.float() @ a.bfloat16().float().T * layer.scaling["default"]
    ) @ b.bfloat16().float().T
    with torch.no_grad():
        on = layer(x).float()
        base = x.float() @ layer.base_layer.weight.float().T
        theirs = (
            layer.base_layer(x)
            + (
                layer.lora_B["default"].bfloat16()(layer.lora_A["default"].bfloat16()(x))
                * layer.scaling["default"]
            )
        ).float()
    exact = base + wanted
    assert (on - exact).abs().mean() <= (theirs - exact).abs().mean()


def test_the_adapter_off_is_the_base_model() -> None:
    base = tiny_model()
    model = adapt.adapt(copy.deepcopy(base), Method(rank=4), seed=1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
    with adapt.adapter_off(model):
        torch.testing.assert_close(logits(model), logits(base), rtol=1e-5, atol=1e-5)
    assert (logits(model) - logits(base)).abs().max() > 0.1


def test_off_before_on_reads_no_memory_left_over() -> None:
    """The first product after loading may be the base's: nothing must stand where B will."""
    model = joined(pefts(torch.float32))
    with model.disable_adapter():
        assert torch.isfinite(logits(model)).all()


def test_an_untrained_adapter_changes_nothing() -> None:
    base = tiny_model()
    model = adapt.adapt(copy.deepcopy(base), Method(rank=4), seed=1)
    torch.testing.assert_close(logits(model), logits(base), rtol=1e-5, atol=1e-5)


def test_a_fully_trained_model_has_no_base_inside() -> None:
    with pytest.raises(Problem), adapt.adapter_off(tiny_model()):
        pass
