"""What a model remembers of the lines it writes: keys and values of every layer, without padding.

The prompt pass lays prompts end to end (attention by document) and keeps what each layer saw of
them, line by line; every pass after it takes one token of each line. A line that has ended leaves
its place to the last one, so that it costs nothing from then on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch.nn import functional

from engine.model import attend
from engine.model.documents import Documents

NAME = "cached"
FIRST_ROOM = 64
GROWTH = 1.5


class Cache:
    """Keys and values by layer, (lines, heads, room, size). Line i's own lie at 0..lengths[i]."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.lengths: list[int] = []
        self.documents: Documents | None = None
        self._kept: dict[torch.nn.Module, tuple[torch.Tensor, torch.Tensor]] = {}
        self._line = self._place = torch.empty(0, dtype=torch.long, device=device)
        self._masks: dict[tuple[int | None, torch.dtype], torch.Tensor] = {}

    def begin(self, lengths: list[int]) -> torch.Tensor:
        """The next pass brings new lines, all their tokens end to end; the tokens' positions, (T,)."""
        first = len(self.lengths)
        self.documents = Documents(tuple(lengths), str(self.device))
        lines = torch.arange(first, first + len(lengths))
        self._line = torch.repeat_interleave(lines, torch.tensor(lengths)).to(self.device)
        self._place = torch.cat([torch.arange(n) for n in lengths]).to(self.device)
        self.lengths += lengths
        return self._place

    def step(self) -> torch.Tensor:
        """The next pass brings one more token of every line; their positions, (lines,)."""
        self.documents = None
        self._masks.clear()
        self._line = torch.arange(len(self.lengths), device=self.device)
        self._place = torch.tensor(self.lengths, device=self.device)
        self.lengths = [n + 1 for n in self.lengths]
        return self._place

    def drop(self, line: int) -> None:
        """Forget a line; the last one takes its number."""
        last = len(self.lengths) - 1
        if line != last:
            length = self.lengths[line] = self.lengths[last]
            for keys, values in self._kept.values():
                keys[line, :, :length] = keys[last, :, :length]
                values[line, :, :length] = values[last, :, :length]
        self.lengths.pop()

    def put(
        self, layer: torch.nn.Module, key: torch.Tensor, value: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Keep this pass's (heads, T, size) of a layer; all there is of it, (lines, heads, longest, size)."""
        kept = self._kept.get(layer)
        if kept is None or not self._holds(kept[0]):
            self._kept[layer] = kept = (self._grown(kept, 0, key), self._grown(kept, 1, value))
        count, longest = len(self.lengths), max(self.lengths)
        for whole, new in zip(kept, (key, value), strict=True):
            whole[self._line, :, self._place] = new.transpose(0, 1)
        return kept[0][:count, :, :longest], kept[1][:count, :, :longest]

    def mask(self, window: int | None, dtype: torch.dtype) -> torch.Tensor:
        """What each line's next token may see, to be added to its scores: (lines, 1, 1, longest)."""
        known = self._masks.get((window, dtype))
        if known is None:
            place = torch.arange(max(self.lengths), device=self.device)
            behind = self._place.unsqueeze(1) - place
            seen = (behind >= 0) if window is None else (behind >= 0) & (behind < window)
            known = torch.zeros(seen.shape, dtype=dtype, device=self.device)
            known = known.masked_fill_(~seen, -torch.inf)[:, None, None]
            self._masks[window, dtype] = known
        return known

    def _holds(self, kept: torch.Tensor) -> bool:
        return kept.shape[0] >= len(self.lengths) and kept.shape[2] >= max(self.lengths)

    def _grown(
        self, kept: tuple[torch.Tensor, torch.Tensor] | None, which: int, like: torch.Tensor
    ) -> torch.Tensor:
        """More lines or more room for each. Zeros, as what is masked must still be a number."""
        count, longest = len(self.lengths), max(self.lengths)
        if kept is None:
            return like.new_zeros(count, like.shape[0], longest + FIRST_ROOM, like.shape[2])
        old = kept[which]
        lines, heads, room, size = old.shape
        if longest > room:
            room = max(int(GROWTH * room), longest)
        grown = old.new_zeros(max(lines, count), heads, room, size)
        grown[:lines, :, : old.shape[2]] = old
        return grown


def attend_cached(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    line_cache: Cache | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """transformers' attention face: (1, heads, T, size) in, (1, T, heads, size) out."""
    assert line_cache is not None, "attention with a cache needs the cache"
    keys, values = line_cache.put(module, key[0], value[0])
    if line_cache.documents is not None:
        return attend.attend(
            module, query, key, value, None,
            scaling=scaling, sliding_window=sliding_window, documents=line_cache.documents,
        )  # fmt: skip
    # heads that share a key are its queries: nothing is repeated
    lines, heads = keys.shape[:2]
    grouped = query[0].transpose(0, 1).reshape(lines, heads, -1, query.shape[-1])
    window = sliding_window if sliding_window and sliding_window < keys.shape[2] else None
    mixed = functional.scaled_dot_product_attention(
        grouped, keys, values, attn_mask=line_cache.mask(window, query.dtype), scale=scaling
    )
    return mixed.reshape(1, lines, query.shape[1], values.shape[-1]), None


def register() -> None:
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(NAME, attend_cached)
    AttentionMaskInterface.register(NAME, attend.no_mask)


@contextlib.contextmanager
def with_cache(model: Any) -> Iterator[None]:
    """Attention over a Cache inside the block, the model's own outside."""
    register()
    before = model.config._attn_implementation
    model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(before)
