"""Which token comes next: the likeliest, or one drawn by temperature and top-p."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

FEW = 256


@dataclass(frozen=True)
class Sampling:
    """`temperature` 0 takes the likeliest token. Else tokens are drawn from the likeliest ones that together
    hold `top_p` of the probability.

    The numbers drawn depend on `seed` and the prompt alone: both sides of a prompt get the same,
    whatever is answered beside them.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0


GREEDY = Sampling()


def choose(
    logits: torch.Tensor, sampling: Sampling, random: Sequence[np.random.Generator]
) -> list[int]:
    """The next token of each line from its (lines, vocabulary) logits; line i draws from random[i]."""
    if not sampling.temperature:
        return [int(token) for token in logits.argmax(-1).tolist()]
    chances = (logits.float() / sampling.temperature).softmax(-1)
    draws = torch.tensor([r.random() for r in random], device=logits.device).unsqueeze(1)
    likeliest, tokens = _nucleus(chances, sampling.top_p)
    before = likeliest.cumsum(-1) - likeliest
    kept = likeliest.masked_fill(before >= sampling.top_p, 0.0)
    kept[:, 0] = likeliest[:, 0]
    reached = kept.cumsum(-1)
    target = draws.float() * reached[:, -1:]
    place = torch.searchsorted(reached, target, right=True)
    place = place.clamp(max=(kept > 0).sum(-1, keepdim=True) - 1)
    return [int(token) for token in tokens.gather(1, place).squeeze(1).tolist()]


def _nucleus(chances: torch.Tensor, top_p: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The likeliest tokens, descending, at least as many as hold `top_p`: a few where they suffice, as sorting
    a whole vocabulary costs more than a layer."""
    few = chances.topk(min(FEW, chances.shape[-1]), dim=-1)
    if bool((few.values.sum(-1) >= top_p).all()):
        return few.values, few.indices
    whole = chances.sort(dim=-1, descending=True)
    return whole.values, whole.indices
