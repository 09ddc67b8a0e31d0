"""Answers, many prompts at once, token by token as they come."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import nullcontext
from typing import Any

from engine.errors import Problem
from engine.judge.cached import write_cached
from engine.judge.held_out import evaluating
from engine.judge.line import Answer, Limits, Line
from engine.judge.padded import write_padded
from engine.judge.sampling import GREEDY, Sampling
from engine.model.adapt import adapter_off
from engine.model.attend import can_attend
from engine.model.lora import adapter_rows

OnText = Callable[[int, str], None]


def quiet(place: int, text: str) -> None:
    """Streaming for nobody."""


def generate(
    model: Any, tokenizer: Any, prompts: list[list[int]], ends: list[int], max_tokens: int,
    *, without_adapter: Collection[int] = (), sampling: Sampling = GREEDY,
    on_text: OnText = quiet, cancelled: Callable[[], bool] = lambda: False,
) -> list[Answer]:  # fmt: skip
    """Answers to tokenised prompts, each what it would be alone. `on_text(place, new_text)` is called as text comes.

    Prompts at the places `without_adapter` are answered by the base model, in the same passes as the
    others where every adapter layer can tell its rows apart. Raises Cancelled between two tokens.
    """
    limits = Limits(frozenset(ends), max_tokens)
    lines: list[Line] = []
    for place, prompt in enumerate(prompts):
        if not prompt:
            raise Problem(f"prompt {place + 1}", "is empty", "ask something")
        lines.append(
            Line(
                prompt, tokenizer, limits, _placed(on_text, place),
                adapted=place not in without_adapter, seed=sampling.seed,
            )
        )  # fmt: skip
    with evaluating(model):
        if not writes_itself(model):
            _by_side(model, lines, write_padded, max_tokens, sampling, cancelled)
        elif (rows := adapter_rows(model)) is not None:
            write_cached(model, lines, max_tokens, sampling, cancelled, rows)
        else:
            _by_side(model, lines, write_cached, max_tokens, sampling, cancelled)
    return [line.answer() for line in lines]


def writes_itself(model: Any) -> bool:
    """Whether our own loop writes for this model; else transformers' `generate` does."""
    return can_attend(model)


def _placed(on_text: OnText, place: int) -> Callable[[str], None]:
    return lambda text: on_text(place, text)


def _by_side(model: Any, lines: list[Line], write: Callable[..., None], *given: Any) -> None:
    """First the lines of the base model, then those with the adapter."""
    for adapted in (False, True):
        side = [line for line in lines if line.adapted is adapted]
        if side:
            with nullcontext() if adapted else adapter_off(model):
                write(model, side, *given)
