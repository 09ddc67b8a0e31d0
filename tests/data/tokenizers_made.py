"""Tokenizers with the traps of real ones, made on the spot."""

from __future__ import annotations

from typing import Any

from tests.tiny import CHATML


def crossing_tokenizer(template: str) -> Any:
    """Joins letters over any border: it was trained on text in which prompt and answer run together."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(["Q:hi A:Paris is it</s>"] * 50, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, eos_token="</s>", pad_token="</s>")
    tokenizer.chat_template = template
    return tokenizer


def begins_with_bos(template: str | None) -> Any:
    """A tokenizer that itself puts BOS before a text, as Llama's do."""
    from tokenizers.processors import TemplateProcessing

    from tests.tiny import tiny_tokenizer

    tokenizer = tiny_tokenizer(template, bos_token="<|endoftext|>")
    bos = tokenizer.bos_token_id
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|endoftext|> $A", pair=None, special_tokens=[("<|endoftext|>", bos)]
    )
    assert tokenizer("a")["input_ids"][0] == bos
    return tokenizer


def leading_space_tokenizer() -> Any:
    """Puts a space before every text it is given, as SentencePiece tokenizers do."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE(unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    made.decoder = decoders.Metaspace(prepend_scheme="always")
    trainer = trainers.BpeTrainer(
        vocab_size=200,
        special_tokens=["<unk>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=[*"\n:]abcdefghijklmnopqrstuvwxyzP?.▁"],
        show_progress=False,
    )
    made.train_from_iterator(["where is it? Paris is it. user assistant", "Paris"] * 20, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token="<|im_end|>", unk_token="<unk>"
    )
    tokenizer.chat_template = CHATML
    return tokenizer
