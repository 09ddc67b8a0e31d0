"""Answers, many prompts at once, token by token as they come."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from engine.errors import Cancelled
from engine.judge.held_out import evaluating

BATCH_TOKENS = 8192


@dataclass(frozen=True)
class Answer:
    """One answer. `tokens` leaves out the one that ends it; `stopped` says whether it ended by itself."""

    text: str
    tokens: int
    stopped: bool
    seconds: float


OnText = Callable[[int, str], None]


def quiet(place: int, text: str) -> None:
    """Streaming for nobody."""


def generate(
    model: Any, tokenizer: Any, prompts: list[list[int]], ends: list[int], max_tokens: int,
    *, on_text: OnText = quiet, cancelled: Callable[[], bool] = lambda: False,
) -> list[Answer]:  # fmt: skip
    """Greedy answers to tokenised prompts. `on_text(place, new_text)` is called as text comes.

    Prompts of like length run together, padded on the left and masked, so each answer is what it
    would be alone. Raises Cancelled between two tokens.
    """
    answers: list[Answer | None] = [None] * len(prompts)
    for places in _batches([len(p) for p in prompts], max_tokens):
        given = [prompts[p] for p in places]
        found = _generate(
            model, tokenizer, given, ends, max_tokens, _placed(on_text, places), cancelled
        )
        for place, answer in zip(places, found, strict=True):
            answers[place] = answer
    return [a for a in answers if a is not None]


def _placed(on_text: OnText, places: list[int]) -> OnText:
    return lambda line, text: on_text(places[line], text)


def _batches(lengths: list[int], max_tokens: int) -> list[list[int]]:
    """Places sorted by length, cut so that a batch's cache holds at most BATCH_TOKENS."""
    batches: list[list[int]] = []
    for place in sorted(range(len(lengths)), key=lambda p: (lengths[p], p)):
        longest = lengths[place] + max_tokens
        if batches and (len(batches[-1]) + 1) * longest <= BATCH_TOKENS:
            batches[-1].append(place)
        else:
            batches.append([place])
    return batches


def _generate(
    model: Any, tokenizer: Any, prompts: list[list[int]], ends: list[int], max_tokens: int,
    on_text: OnText, cancelled: Callable[[], bool],
) -> list[Answer]:  # fmt: skip
    longest = max(len(p) for p in prompts)
    filler = ends[0]
    ids = torch.tensor([[filler] * (longest - len(p)) + p for p in prompts], device=model.device)
    mask = torch.tensor(
        [[0] * (longest - len(p)) + [1] * len(p) for p in prompts], device=model.device
    )
    stream = _Stream(tokenizer, len(prompts), ends, on_text, cancelled)
    with evaluating(model):
        model.generate(
            input_ids=ids, attention_mask=mask, max_new_tokens=max_tokens, do_sample=False, num_beams=1,
            temperature=None, top_p=None, top_k=None, repetition_penalty=1.0,
            eos_token_id=ends, pad_token_id=filler, streamer=stream,
        )  # fmt: skip
    return stream.answers()


class _Stream:
    """transformers hands over each step's token of every line here; text goes out once it is whole."""

    def __init__(
        self,
        tokenizer: Any,
        lines: int,
        ends: list[int],
        on_text: OnText,
        cancelled: Callable[[], bool],
    ) -> None:
        self.tokenizer, self.ends, self.on_text, self.cancelled = (
            tokenizer,
            set(ends),
            on_text,
            cancelled,
        )
        self.tokens: list[list[int]] = [[] for _ in range(lines)]
        self.shown = [""] * lines
        self.stopped = [False] * lines
        self.seconds = [0.0] * lines
        self.began = time.perf_counter()
        self.prompt_seen = False

    def put(self, value: torch.Tensor) -> None:
        if not self.prompt_seen:  # the first call carries the prompts themselves
            self.prompt_seen = True
            return
        if self.cancelled():
            raise Cancelled
        for line, token in enumerate(value.reshape(-1).tolist()):
            if not self.stopped[line]:
                self._take(line, token)

    def _take(self, line: int, token: int) -> None:
        self.seconds[line] = time.perf_counter() - self.began
        if token in self.ends:
            self.stopped[line] = True
            return
        self.tokens[line].append(token)
        text = self._text(line)
        if not text.endswith("\ufffd") and text != self.shown[line]:
            self.on_text(line, text[len(self.shown[line]) :])
            self.shown[line] = text

    def end(self) -> None:
        """Whatever is left of an unfinished character comes out at the end."""
        for line, shown in enumerate(self.shown):
            text = self._text(line)
            if text != shown:
                self.on_text(line, text[len(shown) :])

    def _text(self, line: int) -> str:
        return str(self.tokenizer.decode(self.tokens[line], skip_special_tokens=True))

    def answers(self) -> list[Answer]:
        return [
            Answer(self._text(line), len(self.tokens[line]), self.stopped[line], self.seconds[line])
            for line in range(len(self.tokens))
        ]
