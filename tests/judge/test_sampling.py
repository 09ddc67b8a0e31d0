"""Tokens drawn by temperature and top-p have the chances the words promise."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.judge import sampling
from engine.judge.sampling import GREEDY, Sampling, choose


def drawn(logits: torch.Tensor, how: Sampling, draws: int = 20_000) -> np.ndarray:
    """How often each token comes."""
    random = [np.random.default_rng([7, i]) for i in range(draws)]
    tokens = choose(logits.expand(draws, -1), how, random)
    return np.bincount(tokens, minlength=len(logits)) / draws


def nucleus(chances: np.ndarray, top_p: float) -> np.ndarray:
    """The likeliest tokens up to and with the one that reaches `top_p`, one by one."""
    kept, total = np.zeros_like(chances), 0.0
    for token in np.argsort(-chances, kind="stable"):
        if total >= top_p:
            break
        kept[token], total = chances[token], total + chances[token]
    return kept / kept.sum()


@pytest.mark.parametrize("few", [2, 256])
@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.5, 1.0), (1.0, 0.7), (2.0, 0.9)])
def test_frequencies(
    temperature: float, top_p: float, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "FEW", few)
    logits = torch.tensor([0.3, 2.0, -1.0, 1.1, 0.0, 1.9, -3.0])
    chances = (logits / temperature).softmax(-1).double().numpy()
    wanted = nucleus(chances, top_p)
    found = drawn(logits, Sampling(temperature, top_p))
    np.testing.assert_allclose(found, wanted, atol=0.015)
    assert not found[wanted == 0].any()


def test_a_small_top_p_leaves_the_likeliest() -> None:
    logits = torch.tensor([0.1, 0.3, 0.2])
    assert drawn(logits, Sampling(1.0, 0.01), 500)[1] == 1.0
    assert choose(logits.unsqueeze(0), GREEDY, []) == [1]
