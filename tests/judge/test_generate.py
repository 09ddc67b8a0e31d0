"""Answers in batches are the answers one by one, on both sides, whatever stands beside them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from engine.config import Method
from engine.data.tokens import end_ids
from engine.errors import Cancelled, Problem
from engine.judge import cached, padded
from engine.judge import generate as generating
from engine.judge.generate import generate, writes_itself
from engine.judge.sampling import Sampling
from engine.model import adapt
from tests.tiny import tiny_tokenizer
from tests.tiny_model import tiny_model

PROMPTS = [
    [5 + (i * 7 + k * 3) % 80 for k in range(length)]
    for i, length in enumerate((3, 17, 9, 30, 4, 22, 12, 6, 90, 1))
]
MOST = 12


def plain_greedy(model: Any, prompt: list[int], ends: list[int], most: int = MOST) -> list[int]:
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


def some_ends(answers: list[list[int]]) -> list[int]:
    """Tokens that really come, so that some answers end early and some do not."""
    return sorted({answer[6] for answer in answers})[:3]


def assert_equal(found: list[Any], wanted: list[list[int]]) -> None:
    tokenizer = tiny_tokenizer()
    for answer, tokens in zip(found, wanted, strict=True):
        assert answer.text == tokenizer.decode(tokens, skip_special_tokens=True)
        assert answer.tokens == len(tokens)
        assert answer.stopped is (len(tokens) < MOST)


def trained_adapter(seed: int = 3, **given: Any) -> Any:
    """The tiny model with an adapter that changes its answers."""
    model = adapt.adapt(tiny_model(seed=seed), Method(rank=4, **given), seed=1).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.3)
    return model


def soft_capped() -> Any:
    """A model that cannot attend by document: transformers' own `generate` writes for it."""
    from transformers import Gemma2Config, Gemma2ForCausalLM

    torch.manual_seed(3)
    return Gemma2ForCausalLM(
        Gemma2Config(
            vocab_size=len(tiny_tokenizer()), hidden_size=32, intermediate_size=48, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, head_dim=8, initializer_range=0.2, sliding_window=8,
        )
    ).eval()  # fmt: skip


def windowed() -> Any:
    """Each layer sees five tokens back: fewer than most prompts have."""
    from transformers import MistralConfig, MistralForCausalLM

    torch.manual_seed(3)
    return MistralForCausalLM(
        MistralConfig(
            vocab_size=len(tiny_tokenizer()), hidden_size=32, intermediate_size=48, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, head_dim=8, initializer_range=0.2, sliding_window=5,
            attn_implementation="eager",
        )
    ).eval()  # fmt: skip


@pytest.mark.parametrize(
    "limits",
    [(64, 1 << 30, 2048), (3, 1 << 30, 2048), (64, 60_000, 2048), (64, 1, 1), (64, 1 << 30, 20)],
    ids=["all at once", "three lines", "small cache", "one by one", "short passes"],
)
def test_batched_answers_equal_plain_greedy_ones(
    limits: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in zip(("LINES_AT_ONCE", "CACHE_BYTES", "PROMPT_TOKENS"), limits, strict=True):
        monkeypatch.setattr(cached, name, value)
    model, tokenizer = tiny_model(seed=3), tiny_tokenizer()
    ends = some_ends([plain_greedy(model, p, []) for p in PROMPTS])
    wanted = [plain_greedy(model, p, ends) for p in PROMPTS]
    assert len({len(w) for w in wanted}) > 2
    streamed = [""] * len(PROMPTS)

    def on_text(place: int, text: str) -> None:
        streamed[place] += text

    found = generate(model, tokenizer, PROMPTS, ends, MOST, on_text=on_text)
    assert_equal(found, wanted)
    assert streamed == [answer.text for answer in found]


@pytest.mark.parametrize("model", [windowed, soft_capped])
def test_other_attention_gives_the_same_answers(model: Callable[[], Any]) -> None:
    made = model()
    ends = some_ends([plain_greedy(made, p, []) for p in PROMPTS])
    wanted = [plain_greedy(made, p, ends) for p in PROMPTS]
    assert_equal(generate(made, tiny_tokenizer(), PROMPTS, ends, MOST), wanted)
    assert writes_itself(made) is (model is windowed)


@pytest.mark.parametrize("given", [{}, {"dora": True}, {"dropout": 0.5}])
@pytest.mark.parametrize("one_pass", [True, False])
def test_both_sides_at_once_equal_each_alone(
    given: dict[str, Any], one_pass: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not one_pass:  # as with adapter layers that cannot tell rows apart
        monkeypatch.setattr(generating, "adapter_rows", lambda model: None)
    model = trained_adapter(**given)
    base = tiny_model(seed=3)
    ends = some_ends([plain_greedy(base, p, []) for p in PROMPTS])
    sides = [plain_greedy(m, p, ends) for m in (base, model) for p in PROMPTS]
    assert sides[: len(PROMPTS)] != sides[len(PROMPTS) :]
    found = generate(
        model, tiny_tokenizer(), PROMPTS * 2, ends, MOST, without_adapter=range(len(PROMPTS))
    )
    assert_equal(found, sides)
    mixed = generate(model, tiny_tokenizer(), PROMPTS, ends, MOST, without_adapter=(0, 3, 8))
    assert_equal(
        mixed, [sides[i + len(PROMPTS) * (i not in (0, 3, 8))] for i in range(len(PROMPTS))]
    )


def test_both_sides_by_transformers_generate() -> None:
    model = adapt.adapt(soft_capped(), Method(rank=4), seed=1).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.3)
    sides = [plain_greedy(m, p, []) for m in (soft_capped(), model) for p in PROMPTS]
    found = generate(
        model, tiny_tokenizer(), PROMPTS * 2, [], MOST, without_adapter=range(len(PROMPTS))
    )
    assert_equal(found, sides)
    assert not writes_itself(model)


def test_afterwards_the_model_is_as_before() -> None:
    model = trained_adapter().train()
    ids = torch.tensor([PROMPTS[1]])
    before = model(input_ids=ids).logits
    attention = model.config._attn_implementation
    with pytest.raises(Cancelled):
        generate(
            model, tiny_tokenizer(), PROMPTS, [], MOST, without_adapter=(1,), cancelled=lambda: True
        )
    generate(model, tiny_tokenizer(), PROMPTS, [], MOST, without_adapter=(1,))
    assert model.training
    assert model.config._attn_implementation == attention
    assert torch.equal(model(input_ids=ids).logits, before)


def test_a_weight_changed_between_two_calls_counts() -> None:
    model = trained_adapter()
    places = range(len(PROMPTS))
    generate(model, tiny_tokenizer(), PROMPTS, [], MOST, without_adapter=places[:3])
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora" in name:
                parameter.mul_(-1.5)
    wanted = [plain_greedy(model, p, []) for p in PROMPTS]
    assert_equal(generate(model, tiny_tokenizer(), PROMPTS, [], MOST), wanted)


def test_a_line_that_ended_costs_nothing() -> None:
    """The number of rows that go through the layers is that of the tokens needed, and no more."""
    model = tiny_model(seed=3)
    ends = some_ends([plain_greedy(model, p, []) for p in PROMPTS])
    answers = [plain_greedy(model, p, ends) for p in PROMPTS]
    rows: list[int] = []
    seen: list[int] = []
    model.model.norm.register_forward_hook(lambda *given: rows.append(given[2].shape[1]))
    model.lm_head.register_forward_hook(lambda *given: seen.append(given[2].shape[1]))
    generate(model, tiny_tokenizer(), PROMPTS, ends, MOST)
    needed = sum(len(a) + (len(a) < MOST) for a in answers)
    assert sum(seen) == needed
    assert sum(rows) == sum(map(len, PROMPTS)) + needed - len(PROMPTS)


@pytest.mark.parametrize("model", [tiny_model, soft_capped])
def test_cancelling_stops_between_two_tokens(model: Callable[[], nn.Module]) -> None:
    seen: list[str] = []
    with pytest.raises(Cancelled):
        generate(
            model(), tiny_tokenizer(), [PROMPTS[0]], end_ids(tiny_tokenizer()), 400,
            on_text=lambda place, text: seen.append(text), cancelled=lambda: len(seen) >= 2,
        )  # fmt: skip
    assert len(seen) < 10


def test_an_empty_prompt_is_named() -> None:
    with pytest.raises(Problem, match="prompt 2"):
        generate(tiny_model(), tiny_tokenizer(), [[5], []], [], 3)


@pytest.mark.parametrize("model", [tiny_model, soft_capped])
def test_drawn_answers_depend_on_seed_and_prompt_alone(model: Callable[[], Any]) -> None:
    made, tokenizer = model(), tiny_tokenizer()

    def draw(prompts: list[list[int]], seed: int) -> list[str]:
        sampling = Sampling(temperature=1.5, top_p=0.95, seed=seed)
        return [a.text for a in generate(made, tokenizer, prompts, [], MOST, sampling=sampling)]

    together = draw(PROMPTS, 1)
    assert together == [draw([prompt], 1)[0] for prompt in PROMPTS]
    assert together == draw(PROMPTS[::-1], 1)[::-1]
    assert together != draw(PROMPTS, 2)
    assert together != [a.text for a in generate(made, tokenizer, PROMPTS, [], MOST)]


def test_both_sides_draw_the_same_numbers() -> None:
    """An adapter that changes nothing answers as its base, also by chance."""
    model = adapt.adapt(tiny_model(seed=3), Method(rank=4), seed=1)
    found = generate(
        model, tiny_tokenizer(), PROMPTS * 2, [], MOST, without_adapter=range(len(PROMPTS)),
        sampling=Sampling(temperature=1.0, seed=5),
    )  # fmt: skip
    half = len(PROMPTS)
    assert [a.text for a in found[:half]] == [a.text for a in found[half:]]


def test_padded_batches_hold_no_more_than_their_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(padded, "BATCH_TOKENS", 60)
    made = soft_capped()
    wanted = [plain_greedy(made, p, []) for p in PROMPTS]
    assert_equal(generate(made, tiny_tokenizer(), PROMPTS, [], MOST), wanted)
