"""Counts from headers against the models themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.config import Method
from engine.errors import Problem
from engine.model import adapt
from engine.model.find import facts
from engine.model.load import load_model
from engine.model.shape import Shape, shape_of
from tests.tiny_model import tiny_model

SHAPES: list[tuple[str, dict[str, Any]]] = [
    ("llama", {"tie_word_embeddings": True}),
    ("llama", {"tie_word_embeddings": False}),
    ("qwen2", {"tie_word_embeddings": True}),
    ("qwen3", {"tie_word_embeddings": False, "head_dim": 16}),
    ("gemma2", {"head_dim": 8}),
]


def made(folder: Path, kind: str, given: dict[str, Any]) -> Any:
    """A tiny random model of a family, saved."""
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(
        kind, vocab_size=96, hidden_size=32, intermediate_size=40, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, **given,
    )  # fmt: skip
    model = AutoModelForCausalLM.from_config(config)
    model.save_pretrained(folder)
    return model


def read(folder: Path) -> Shape:
    return shape_of(folder, json.loads((folder / "config.json").read_text()))


@pytest.mark.parametrize(("kind", "given"), SHAPES)
def test_weights_are_counted_as_the_model_counts_them(
    tmp_path: Path, kind: str, given: dict[str, Any]
) -> None:
    model = made(tmp_path, kind, given)
    shape = read(tmp_path)
    assert shape.weights == sum(p.numel() for p in model.parameters())
    words = {p.data_ptr(): p.numel() for n, p in model.named_parameters() if len(p) == 96}
    assert shape.embeddings == sum(words.values())
    assert (shape.layers, shape.hidden, shape.inner, shape.vocabulary) == (3, 32, 40, 96)
    layer = model.model.layers[0].self_attn
    assert (shape.queries, shape.keys) == (layer.q_proj.out_features, layer.k_proj.out_features)


@pytest.mark.parametrize(("kind", "given"), SHAPES)
@pytest.mark.parametrize("dora", [False, True])
def test_an_adapter_is_counted_as_peft_makes_it(
    tmp_path: Path, kind: str, given: dict[str, Any], dora: bool
) -> None:
    model = adapt.adapt(made(tmp_path, kind, given), Method(rank=3, dora=dora), 0)
    count = sum(p.numel() for p in adapt.trained(model).values())
    assert read(tmp_path).adapter(3, dora=dora) == count


def test_a_copy_of_tied_words_in_the_file_counts_once(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    made(tmp_path, "llama", {"tie_word_embeddings": True})
    file = tmp_path / "model.safetensors"
    tensors = load_file(file)
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].clone()
    save_file(tensors, file, metadata={"format": "pt"})
    import torch

    loaded = load_model(tmp_path, torch.float32, "cpu")
    assert read(tmp_path).weights == sum(p.numel() for p in loaded.parameters())


def test_a_shape_goes_through_json(tiny_model_folder: Path) -> None:
    told = facts(tiny_model_folder)
    shape = Shape.from_json(json.loads(json.dumps(told))["shape"])
    assert shape == shape_of(
        tiny_model_folder, json.loads((tiny_model_folder / "config.json").read_text())
    )
    assert shape.weights == sum(p.numel() for p in tiny_model().parameters())


@pytest.mark.parametrize(
    "content", [b"", b"\xff" * 8, b"\x02" + b"\0" * 7 + b"[]", b"\x05" + b"\0" * 7 + b"{"]
)
def test_a_damaged_header_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(content)
    with pytest.raises(Problem, match="damaged safetensors header"):
        shape_of(tmp_path, {"hidden_size": 8})
