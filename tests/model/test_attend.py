"""Rows that share a sequence never see each other, and each gets what it would get alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from engine.model import attend
from engine.train.batches import micro_batches
from tests.tiny_model import random_side, rows_of, tiny_model


def hidden_states(model: Any, side: Any) -> torch.Tensor:
    (micro,) = micro_batches(side, np.arange(len(side)), 1 << 20, "cpu")
    attend.register()
    with torch.no_grad(), attend.by_document(model):
        return model(
            input_ids=micro.input_ids, position_ids=micro.position_ids, documents=micro.documents
        ).logits[0]


def starts(side: Any, order: list[int]) -> list[int]:
    lengths = np.diff(side.offsets)
    return np.cumsum([0] + [lengths[r] for r in order]).tolist()


@pytest.mark.parametrize("longest", [20, 300])
def test_each_row_is_scored_as_if_alone(longest: int) -> None:
    side = random_side(7, longest=longest)
    model = tiny_model()
    order = sorted(range(7), key=lambda r: (-(side.offsets[r + 1] - side.offsets[r]), r))
    together = hidden_states(model, side)
    for row, start in zip(order, starts(side, order), strict=False):
        ids = rows_of(side)[row][0]
        with torch.no_grad():
            alone = model(input_ids=torch.tensor([ids])).logits[0]
        torch.testing.assert_close(together[start : start + len(ids)], alone, rtol=1e-4, atol=1e-4)


def test_changing_one_row_leaves_the_others_bit_for_bit() -> None:
    side = random_side(5)
    model = tiny_model()
    before = hidden_states(model, side)
    order = sorted(range(5), key=lambda r: (-(side.offsets[r + 1] - side.offsets[r]), r))
    first = order[0]
    side.ids[side.offsets[first] : side.offsets[first + 1]] = 7
    after = hidden_states(model, side)
    edge = starts(side, order)[1]
    assert not torch.equal(before[:edge], after[:edge])
    assert torch.equal(before[edge:], after[edge:])


def test_a_sliding_window_is_kept_within_each_row() -> None:
    from transformers import MistralConfig, MistralForCausalLM

    torch.manual_seed(0)
    model = MistralForCausalLM(
        MistralConfig(
            vocab_size=400, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, sliding_window=6, max_position_embeddings=512, initializer_range=0.2,
        )
    )  # fmt: skip
    assert attend.can_attend(model)
    side = random_side(4, shortest=10, longest=30)
    order = sorted(range(4), key=lambda r: (-(side.offsets[r + 1] - side.offsets[r]), r))
    together = hidden_states(model, side)
    model.set_attn_implementation("eager")
    for row, start in zip(order, starts(side, order), strict=False):
        ids = rows_of(side)[row][0]
        with torch.no_grad():
            alone = model(input_ids=torch.tensor([ids])).logits[0]
        torch.testing.assert_close(together[start : start + len(ids)], alone, rtol=1e-4, atol=1e-4)


def test_models_with_other_layers_are_left_to_their_own_attention() -> None:
    model = tiny_model()
    assert attend.can_attend(model)
    model.config.layer_types = ["full_attention", "linear_attention"]
    assert not attend.can_attend(model)
    model.config.layer_types = None
    model.config.attn_logit_softcapping = 50.0
    assert not attend.can_attend(model)


def test_the_models_own_attention_is_back_outside_even_after_an_error() -> None:
    model = tiny_model()
    attend.register()
    before = model.config._attn_implementation

    def fail_inside() -> None:
        with attend.by_document(model):
            assert model.config._attn_implementation == attend.NAME
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_inside()
    assert model.config._attn_implementation == before
