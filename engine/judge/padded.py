"""Answers by transformers' own `generate`: for models whose attention is not plain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from engine.errors import Cancelled
from engine.judge.line import Line
from engine.judge.sampling import Sampling, choose

BATCH_TOKENS = 8192


def write_padded(
    model: Any, lines: list[Line], max_tokens: int, sampling: Sampling, cancelled: Callable[[], bool]
) -> None:  # fmt: skip
    """Lines of like length run together, padded on the left and masked. Raises Cancelled between two tokens."""
    from transformers import LogitsProcessorList

    for batch in _batches(lines, max_tokens):
        for line in batch:
            line.begin()
        longest = max(len(line.prompt) for line in batch)
        padding = [longest - len(line.prompt) for line in batch]
        ids = [[0] * pad + line.prompt for pad, line in zip(padding, batch, strict=True)]
        mask = [[0] * pad + [1] * (longest - pad) for pad in padding]
        writer = _Writer(batch, sampling, cancelled)
        model.generate(
            input_ids=torch.tensor(ids, device=model.device),
            attention_mask=torch.tensor(mask, device=model.device), max_new_tokens=max_tokens,
            do_sample=False, num_beams=1, temperature=None, top_p=None, top_k=None, repetition_penalty=1.0,
            eos_token_id=None, pad_token_id=0, logits_processor=LogitsProcessorList([writer]),
            stopping_criteria=[writer.over],
        )  # fmt: skip


def _batches(lines: list[Line], max_tokens: int) -> list[list[Line]]:
    """Lines sorted by length, cut so that a batch's cache holds at most BATCH_TOKENS."""
    batches: list[list[Line]] = []
    for line in sorted(lines, key=lambda line: len(line.prompt)):
        longest = len(line.prompt) + max_tokens
        if batches and (len(batches[-1]) + 1) * longest <= BATCH_TOKENS:
            batches[-1].append(line)
        else:
            batches.append([line])
    return batches


class _Writer:
    """Chooses each step's tokens in transformers' place, and hands them to the lines."""

    def __init__(
        self, lines: list[Line], sampling: Sampling, cancelled: Callable[[], bool]
    ) -> None:
        self.lines, self.sampling, self.cancelled = lines, sampling, cancelled

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        if self.cancelled():
            raise Cancelled
        tokens = choose(scores, self.sampling, [line.random for line in self.lines])
        for line, token in zip(self.lines, tokens, strict=True):
            if not line.over:
                line.take(token)
        only = torch.full_like(scores, -torch.inf)
        return only.scatter_(1, torch.tensor(tokens, device=scores.device).unsqueeze(1), 0.0)

    def over(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        """Which lines need no more tokens, (lines,)."""
        return torch.tensor([line.over for line in self.lines], device=input_ids.device)
