"""A small tokenizer with a chat template, made on the spot: for tests in every room."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

CHATML = (
    "{% for message in messages %}"
    "<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SENTENCES = (
    "What is the capital of France? The capital of France is Paris.",
    "Name three primary colours. Red, yellow and blue.",
    "Write one sentence about the sea. The sea is wide, deep and never still.",
    "How many legs has a spider? A spider has eight legs.",
    "Say hello to the new colleague. Hello and welcome, it is good to have you here.",
)


def tiny_tokenizer(template: str | None = CHATML, **special: Any) -> Any:
    """A PreTrainedTokenizerFast: byte-level BPE of a few hundred tokens, ChatML, a pad token of
    its own.

    `template` replaces the chat template (None: none at all); `special` replaces special tokens,
    as in `pad_token="<|im_end|>"`.
    """
    from transformers import PreTrainedTokenizerFast

    names = {
        "bos_token": "<|im_start|>",
        "eos_token": "<|im_end|>",
        "pad_token": "<|pad|>",
        "unk_token": "<|endoftext|>",
        **special,
    }
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=_byte_pairs(), model_max_length=512, **names
    )
    tokenizer.chat_template = template
    return tokenizer


def _byte_pairs() -> Any:
    from tokenizers import Tokenizer

    return Tokenizer.from_str(_trained())


@lru_cache(maxsize=1)
def _trained() -> str:
    """Trained once; each tokenizer is a copy, so that no test changes another's."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return str(tokenizer.to_str())
