"""Answers by a loop of our own: one flat pass for the prompts, then one token of every line at a time."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Any

import torch

from engine.errors import Cancelled
from engine.judge.line import Line
from engine.judge.sampling import Sampling, choose
from engine.model.cache import Cache, with_cache
from engine.model.lora import Rows

LINES_AT_ONCE = 64
CACHE_BYTES = 1 << 30
PROMPT_TOKENS = 2048  # more in one pass are no faster, and a cancel would wait for all of them


def write_cached(
    model: Any, lines: list[Line], max_tokens: int, sampling: Sampling,
    cancelled: Callable[[], bool], rows: Rows | None = None,
) -> None:  # fmt: skip
    """As many lines at once as the cache may hold; when some end, those that wait take their places.

    With `rows`, lines with and without the adapter go through the same products. Raises Cancelled
    between two passes.
    """
    plain = model.get_base_model() if hasattr(model, "get_base_model") else model
    waiting = deque(sorted(lines, key=lambda line: len(line.prompt)))
    most_tokens = CACHE_BYTES // _bytes_per_token(plain)
    writing: list[Line] = []
    cache = Cache(plain.device)
    with with_cache(plain), _still(rows):
        while waiting or writing:
            if cancelled():
                raise Cancelled
            begun = _next(waiting, len(writing), max_tokens, most_tokens)
            passed = begun or writing
            logits = _pass(plain, cache, passed, rows, prompts=bool(begun))
            tokens = choose(logits, sampling, [line.random for line in passed])
            for line, token in zip(passed, tokens, strict=True):
                line.take(token)
            writing += begun
            _drop_ended(writing, cache)


@contextlib.contextmanager
def _still(rows: Rows | None) -> Iterator[None]:
    """No weight changes inside; all rows are adapted again afterwards."""
    if rows is None:
        yield
        return
    rows.still = object()
    try:
        yield
    finally:
        rows.still = rows.adapted = None


def _next(waiting: deque[Line], writing: int, max_tokens: int, most_tokens: int) -> list[Line]:
    """The lines to begin now: none where there is no room for one more; one alone always has it."""
    begun: list[Line] = []
    tokens = 0
    while waiting:
        length = len(waiting[0].prompt)
        count = writing + len(begun) + 1
        if count > 1 and (count > LINES_AT_ONCE or count * (length + max_tokens) > most_tokens):
            break
        if begun and tokens + length > PROMPT_TOKENS:
            break
        tokens += length
        begun.append(waiting.popleft())
        begun[-1].begin()
    return begun


def _pass(
    model: Any, cache: Cache, lines: list[Line], rows: Rows | None, *, prompts: bool
) -> torch.Tensor:
    """Whole prompts, or the last token of every line; the next token's logits, (lines, vocabulary)."""
    given = [line.prompt if prompts else line.tokens[-1:] for line in lines]
    lengths = [len(tokens) for tokens in given]
    positions = cache.begin(lengths) if prompts else cache.step()
    ids = torch.tensor([token for tokens in given for token in tokens], device=model.device)
    last = torch.tensor([end - 1 for end in accumulate(lengths)], device=model.device)
    if rows is not None:
        rows.adapted = _adapted(lines, lengths, model)
    out = model(
        input_ids=ids.unsqueeze(0), position_ids=positions.unsqueeze(0), line_cache=cache,
        logits_to_keep=last, use_cache=False,
    )  # fmt: skip
    logits: torch.Tensor = out.logits[0]
    return logits


def _adapted(lines: list[Line], lengths: list[int], model: Any) -> torch.Tensor | None:
    """Which rows of a pass the adapter is added to, (T, 1); None where it is all of them."""
    if all(line.adapted for line in lines):
        return None
    on = torch.tensor([line.adapted for line in lines], dtype=model.dtype)
    return torch.repeat_interleave(on, torch.tensor(lengths)).unsqueeze(1).to(model.device)


def _drop_ended(writing: list[Line], cache: Cache) -> None:
    """The last line takes an ended one's place, here as in the cache."""
    for number in reversed(range(len(writing))):
        if writing[number].over:
            cache.drop(number)
            writing[number] = writing[-1]
            writing.pop()


def _bytes_per_token(model: Any) -> int:
    """What a token takes in the cache of all layers."""
    config = model.config.get_text_config()
    heads = config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // heads
    shared = getattr(config, "num_key_value_heads", None) or heads
    return int(2 * config.num_hidden_layers * shared * size * model.dtype.itemsize)
