"""Answers in batches are the answers one by one."""

from __future__ import annotations

import pytest
import torch

from engine.data.tokens import end_ids
from engine.errors import Cancelled
from engine.judge import generate as generating
from engine.judge.generate import generate
from tests.tiny import tiny_tokenizer
from tests.tiny_model import tiny_model

PROMPTS = [
    [5 + (i * 7 + k * 3) % 80 for k in range(length)]
    for i, length in enumerate((3, 17, 9, 30, 4, 22, 12, 6))
]


def plain_greedy(
    model: torch.nn.Module, prompt: list[int], ends: list[int], most: int
) -> list[int]:
    """The whole sequence through the model for each token: no cache, no batch, no padding."""
    ids = list(prompt)
    with torch.no_grad():
        for _ in range(most):
            token = int(
                model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()
            )
            if token in ends:
                break
            ids.append(token)
    return ids[len(prompt) :]


@pytest.mark.parametrize("batch_tokens", [1, 120, 10_000])
def test_batched_answers_equal_plain_greedy_ones(
    batch_tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generating, "BATCH_TOKENS", batch_tokens)
    model, tokenizer = tiny_model(seed=3), tiny_tokenizer()
    wanted = [plain_greedy(model, p, [], 12) for p in PROMPTS]
    ends = sorted({answer[6] for answer in wanted})[
        :3
    ]  # tokens that really come, so that some answers end early
    wanted = [plain_greedy(model, p, ends, 12) for p in PROMPTS]
    assert len({len(w) for w in wanted}) > 1
    streamed = [""] * len(PROMPTS)

    def on_text(place: int, text: str) -> None:
        streamed[place] += text

    found = generate(model, tokenizer, PROMPTS, ends, 12, on_text=on_text)
    for answer, tokens, text in zip(found, wanted, streamed, strict=True):
        assert answer.text == text == tokenizer.decode(tokens, skip_special_tokens=True)
        assert answer.tokens == len(tokens)
        assert answer.stopped is (len(tokens) < 12)


def test_cancelling_stops_between_two_tokens() -> None:
    seen: list[str] = []
    with pytest.raises(Cancelled):
        generate(
            tiny_model(seed=3), tiny_tokenizer(), [PROMPTS[0]], end_ids(tiny_tokenizer()), 400,
            on_text=lambda place, text: seen.append(text), cancelled=lambda: len(seen) >= 2,
        )  # fmt: skip
    assert len(seen) < 10
