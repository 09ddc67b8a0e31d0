"""A random two-layer model of a few thousand weights, and rows for it: real shapes, no download."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.data.frozen import FrozenSide
from tests.tiny import tiny_tokenizer


def tiny_model(seed: int = 0, **given: Any) -> Any:
    """A LlamaForCausalLM with grouped heads and tied embeddings, in fp32."""
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = {
        "vocab_size": len(tiny_tokenizer()), "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512,
        "tie_word_embeddings": True, "initializer_range": 0.2, **given,
    }  # fmt: skip
    torch.manual_seed(seed)
    tokenizer = tiny_tokenizer()
    ids = {name: getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad")}
    return LlamaForCausalLM(
        LlamaConfig(**shape, **{f"{name}_token_id": value for name, value in ids.items()})
    )


def save_tiny_model(folder: Path, seed: int = 0) -> Path:
    """The same as a model folder with its tokenizer."""
    tiny_model(seed).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def random_side(rows: int, *, seed: int = 0, shortest: int = 3, longest: int = 21) -> FrozenSide:
    """Rows of unequal length; the last third of each carries loss, but row 1's carries none but one token."""
    draw = np.random.default_rng(seed)
    lengths = draw.integers(shortest, longest + 1, rows)
    ids = draw.integers(0, len(tiny_tokenizer()), int(lengths.sum())).astype(np.int32)
    labels = np.concatenate(
        [np.zeros(0, bool)]
        + [np.arange(n) >= (n - 1 if i == 1 else n - n // 3 - 1) for i, n in enumerate(lengths)]
    )
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return FrozenSide(ids, labels, offsets, list(range(1, rows + 1)))


def rows_of(side: FrozenSide) -> list[tuple[list[int], list[bool]]]:
    return [
        (side.ids[a:b].tolist(), side.labels[a:b].tolist())
        for a, b in zip(side.offsets[:-1], side.offsets[1:], strict=True)
    ]
