"""One answer while it is written: its tokens, its text as far as it is whole, its time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from tokenizers.decoders import DecodeStream


@dataclass(frozen=True)
class Answer:
    """One answer. `tokens` leaves out the one that ends it; `stopped` says whether it ended by itself.

    `seconds` run from its prompt's pass to its last token, beside whatever was written with it.
    """

    text: str
    tokens: int
    stopped: bool
    seconds: float


@dataclass(frozen=True)
class Limits:
    """When an answer is over: after one of the tokens `ends`, or cut after `max_tokens`."""

    ends: frozenset[int]
    max_tokens: int


class Line:
    """Takes one token after another; `on_text` hears new text once its characters are whole."""

    def __init__(
        self, prompt: list[int], tokenizer: Any, limits: Limits, on_text: Callable[[str], None],
        *, adapted: bool, seed: int,
    ) -> None:  # fmt: skip
        self.prompt, self.adapted = prompt, adapted
        self.tokens: list[int] = []
        self.over = self.stopped = False
        self.random = np.random.default_rng([seed, *prompt])
        self._tokenizer, self._limits, self._on_text = tokenizer, limits, on_text
        self._stream = DecodeStream(skip_special_tokens=True)
        self._shown = ""
        self._began = self._ended = time.perf_counter()

    def begin(self) -> None:
        """Its prompt is about to be read."""
        self._began = time.perf_counter()

    def take(self, token: int) -> None:
        self._ended = time.perf_counter()
        if token in self._limits.ends:
            self.over = self.stopped = True
        else:
            self.tokens.append(token)
            self._show(self._stream.step(self._tokenizer.backend_tokenizer, token) or "")
            self.over = len(self.tokens) == self._limits.max_tokens
        if self.over:  # what is left of an unfinished character comes out at the end
            self._show(self._text().removeprefix(self._shown))

    def answer(self) -> Answer:
        return Answer(
            self._text(), len(self.tokens), self.stopped, max(self._ended - self._began, 0.0)
        )

    def _text(self) -> str:
        return str(self._tokenizer.decode(self.tokens, skip_special_tokens=True))

    def _show(self, text: str) -> None:
        if text:
            self._shown += text
            self._on_text(text)
