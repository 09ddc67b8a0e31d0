"""Attention by document: many rows lie end to end in one sequence and never see each other.

Registered once with transformers as the attention "documents". Documents of like length share one
causal product: padding stands on the right, where causal attention never looks, so no mask is built
and every document's result is what it would be alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

NAME = "documents"
SHORT = 128
PLAIN_LAYERS = ("full_attention", "sliding_attention")
FOREIGN_FIELDS = ("attn_logit_softcapping", "attention_sinks", "alibi")


@dataclass(frozen=True)
class Group:
    """Documents of like length: `gather[d, i]` is the flat place of token i of document d (padding: 0)."""

    gather: torch.Tensor
    real: torch.Tensor
    flat: torch.Tensor


@dataclass(frozen=True)
class Documents:
    """Where documents lie in a flat sequence. `order[t]` finds token t in the groups' joined results."""

    groups: tuple[Group, ...]
    order: torch.Tensor


def lay_out(lengths: list[int], device: str | torch.device = "cpu") -> Documents:
    """Plan the groups for documents of these lengths, in the order in which they lie.

    A group holds lengths of the same power of two, so padding at most doubles the attention's work.
    """
    starts = [0]
    for length in lengths:
        starts.append(starts[-1] + length)
    by_size: dict[int, list[int]] = {}
    for number, length in enumerate(lengths):
        by_size.setdefault(max(length - 1, 0).bit_length(), []).append(number)
    groups = []
    for members in by_size.values():
        longest = max(lengths[m] for m in members)
        place = torch.arange(longest).expand(len(members), -1)
        size = torch.tensor([lengths[m] for m in members]).unsqueeze(1)
        real = place < size
        gather = torch.where(
            real, place + torch.tensor([starts[m] for m in members]).unsqueeze(1), 0
        )
        groups.append(Group(gather.to(device), real.to(device), gather[real].to(device)))
    joined = torch.cat([group.flat for group in groups])
    return Documents(tuple(groups), torch.argsort(joined))


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    documents: Documents | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """transformers' attention face: (1, heads, T, size) in, (1, T, heads, size) out."""
    assert documents is not None, "attention by document needs the documents"
    repeats = query.shape[1] // key.shape[1]
    query, key, value = query[0], key[0], value[0]
    parts = []
    for group in documents.groups:
        q, k, v = (_take(t, group.gather) for t in (query, key, value))
        if repeats > 1:
            k, v = k.repeat_interleave(repeats, dim=1), v.repeat_interleave(repeats, dim=1)
        window = _window(sliding_window, q)
        if window is None and not dropout and q.device.type == "cpu" and q.shape[2] <= SHORT:
            mixed = _short(q, k, v, scaling)
        else:
            mixed = functional.scaled_dot_product_attention(
                q,
                k,
                v,
                attn_mask=window,
                is_causal=window is None,
                scale=scaling,
                dropout_p=dropout,
            )
        parts.append(mixed.transpose(1, 2)[group.real])
    return torch.cat(parts).index_select(0, documents.order).unsqueeze(0), None


def _take(states: torch.Tensor, gather: torch.Tensor) -> torch.Tensor:
    """(heads, T, size) to (documents, heads, longest, size)."""
    count, longest = gather.shape
    taken = states.index_select(1, gather.reshape(-1))
    return taken.view(states.shape[0], count, longest, states.shape[2]).transpose(0, 1)


def _short(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float | None
) -> torch.Tensor:
    """Causal attention written out. On a CPU, torch's fused backward in bfloat16 takes three to four
    times as long on documents this short (measured on torch 2.13)."""
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    length = query.shape[2]
    later = torch.full((length, length), -torch.inf, dtype=query.dtype, device=query.device).triu(1)
    scores = (query * scale) @ key.transpose(-1, -2) + later
    return scores.softmax(-1, dtype=torch.float32).to(query.dtype) @ value


def _window(size: int | None, query: torch.Tensor) -> torch.Tensor | None:
    """The causal mask of a sliding window, needed only where a document outgrows it."""
    length = query.shape[2]
    if size is None or length <= size:
        return None
    place = torch.arange(length, device=query.device)
    behind = place.unsqueeze(1) - place
    return (behind >= 0) & (behind < size)


def no_mask(*_: Any, **__: Any) -> None:
    """transformers' mask face: attention by document needs none."""


def register() -> None:
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, no_mask)


def can_attend(model: Any) -> bool:
    """Whether a model's layers are plain attention that can be told by document.

    Anything else (recurrent layers, soft caps, sinks) runs on padded rows with its own attention.
    """
    config = model.config.get_text_config()
    layers = getattr(config, "layer_types", None) or ()
    plain = all(kind in PLAIN_LAYERS for kind in layers)
    foreign = any(getattr(config, field, None) for field in FOREIGN_FIELDS)
    return (
        plain
        and not foreign
        and bool(model._can_set_attn_implementation())
        and not _recurrent(config)
    )


def _recurrent(config: Any) -> bool:
    return any(
        hasattr(config, field)
        for field in ("ssm_cfg", "mamba_d_state", "state_size", "conv_kernel")
    )


@contextlib.contextmanager
def by_document(model: Any) -> Iterator[None]:
    """Attention by document inside the block, the model's own (as generation needs) outside."""
    before = model.config._attn_implementation
    model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(before)
