"""GGUF to safetensors: a file we write with the gguf library, read back through our conversion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from tokenizers import pre_tokenizers

from engine import paths
from engine.errors import Problem
from engine.model import gguf as converting
from tests.tiny import tiny_tokenizer
from tests.tiny_model import tiny_model

NAMES = {
    "model.embed_tokens": "token_embd", "model.norm": "output_norm", "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
}  # fmt: skip


def write_gguf(file: Path, model: Any, pre: str) -> None:
    """The tiny Llama as llama.cpp would store it: its names, its order of rotary halves."""
    config = model.config
    out = gguf.GGUFWriter(file, "llama")
    out.add_context_length(config.max_position_embeddings)
    out.add_embedding_length(config.hidden_size)
    out.add_block_count(config.num_hidden_layers)
    out.add_feed_forward_length(config.intermediate_size)
    out.add_head_count(config.num_attention_heads)
    out.add_head_count_kv(config.num_key_value_heads)
    out.add_layer_norm_rms_eps(config.rms_norm_eps)
    out.add_rope_freq_base(config.rope_parameters["rope_theta"])
    out.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    out.add_vocab_size(config.vocab_size)
    tokenizer = tiny_tokenizer()
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre(pre)
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    out.add_token_list([token for token, _ in vocabulary])
    special = set(tokenizer.all_special_tokens)
    out.add_token_types([3 if token in special else 1 for token, _ in vocabulary])
    import json

    merges = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]
    out.add_token_merges([" ".join(pair) if isinstance(pair, list) else pair for pair in merges])
    out.add_eos_token_id(tokenizer.eos_token_id)
    out.add_bos_token_id(tokenizer.bos_token_id)
    out.add_chat_template(tokenizer.chat_template)
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight":
            continue
        stem = name.removesuffix(".weight")
        if stem.startswith("model.layers."):
            number, rest = stem.removeprefix("model.layers.").split(".", 1)
            stored = f"blk.{number}.{NAMES[rest]}.weight"
        else:
            stored = f"{NAMES[stem]}.weight"
        values = tensor.numpy().astype(np.float32)
        if "attn_q" in stored or "attn_k" in stored:
            heads = config.num_attention_heads if "attn_q" in stored else config.num_key_value_heads
            values = (
                values.reshape(heads, 2, values.shape[0] // heads // 2, values.shape[1])
                .swapaxes(1, 2)
                .reshape(values.shape)
            )
        out.add_tensor(stored, values)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def test_a_gguf_file_becomes_a_folder_of_the_same_model(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = tiny_model()
    write_gguf(tmp_path / "tiny.gguf", model, "smollm")
    said: list[tuple[str, int, int]] = []
    folder = converting.convert(tmp_path / "tiny.gguf", lambda *progress: said.append(progress))
    assert said
    back = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    assert not hasattr(back.config, "quantization_config")
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(back.state_dict()[name], tensor.bfloat16().float())
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.model_max_length == 512
    assert tokenizer.chat_template == tiny_tokenizer().chat_template
    back.save_pretrained(tmp_path / "again")
    said.clear()
    assert (
        converting.convert(tmp_path / "tiny.gguf", lambda *progress: said.append(progress))
        == folder
    )
    assert not said


@pytest.mark.parametrize(
    ("pre", "pieces"),
    [
        ("smollm", ["\n\n", "1", ".", " ", "2", "0"]),
        ("gpt-2", ["\n", "\n", "1", ".", " 20"]),
        ("llama-bpe", ["\n\n", "1", ".", " ", "20"]),
        ("qwen2", ["\n\n", "1", ".", " ", "2", "0"]),
    ],
)
def test_text_is_cut_as_the_file_names_it(pre: str, pieces: list[str]) -> None:
    """By hand from the expressions: what each name does with line ends and digits."""
    tokenizer = tiny_tokenizer()
    converting.mend_tokenizer(tokenizer, pre, "x.gguf")
    found = tokenizer.backend_tokenizer.pre_tokenizer.pre_tokenize_str("\n\n1. 20")
    as_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    assert [piece for piece, _ in found] == [as_bytes.pre_tokenize_str(p)[0][0] for p in pieces]


def test_a_way_of_cutting_that_is_not_known_is_refused() -> None:
    with pytest.raises(Problem, match="its tokens would be wrong"):
        converting.mend_tokenizer(tiny_tokenizer(), "poro-chat", "x.gguf")


@pytest.mark.parametrize("cut", [0, 3, 24, 500, 5000])
def test_a_damaged_file_is_refused_and_leaves_nothing(tmp_path: Path, cut: int) -> None:
    write_gguf(tmp_path / "tiny.gguf", tiny_model(), "smollm")
    whole = (tmp_path / "tiny.gguf").read_bytes()
    (tmp_path / "cut.gguf").write_bytes(whole[:cut])
    with pytest.raises(Problem, match=r"cut\.gguf"):
        converting.convert(tmp_path / "cut.gguf", lambda *_: None)
    left = [p for p in (paths.cache() / "models").glob("*") if not p.name.endswith(".lock")]
    assert left == []


def test_an_interrupted_conversion_leaves_nothing_and_the_next_sweeps(tmp_path: Path) -> None:
    target = paths.cache() / "models" / "thing"

    def interrupted() -> None:
        with converting.committed(target) as partial:
            (partial / "half").write_text("x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(target.parent.iterdir()) == []
    killed = target.parent / ".thing-dead0000"
    killed.mkdir()
    with converting.committed(target) as partial:
        (partial / "whole").write_text("x")
    assert [p.name for p in target.parent.iterdir()] == ["thing"]
